"""The board's routes without a browser: what a stranger, a broken folder and a made-up body get."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.serving.board.uploads import _shown
from running_server import running

KEY = "secret-key-of-the-first"
CHANGES = ("check", "command", "preview", "plan", "start", "stop", "resume", "remove")
TRAVERSALS = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/../../b",
    "nano/../nano",
    "%2e%2e",
    "a\0b",
    "C:\\x",
    "~",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(TRAVERSALS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
BODY = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("values", "data", "base", "adapter", "val_data", "run", "id", "label", "together"), JSON),
)


def test_the_form_offers_the_models_and_data_of_this_machine(board):
    form = board.get("form").json()
    assert "nano" in form["bases"] and "quickstart" in form["recipes"]
    assert form["groups"][0]["open"] and {"lora_r", "learning_rate"} <= {
        one["name"] for one in form["groups"][0]["fields"]
    }
    assert "instruction_data/fin_data.json" in [one["id"] for one in form["data"]]


def test_a_recipe_of_the_project_fills_the_form(board):
    filled = board.get("recipe", name="quickstart").json()
    assert filled["base"] == "nano" and filled["data"] == ["instruction_data/fin_data.json"] and filled["missing"] == []
    assert filled["values"]["lora_r"] == 64 and "output_dir" not in filled["values"]
    assert any("基座" in word for word in board.get("recipe", name="llama-7b-24g").json()["missing"])


def test_a_file_is_kept_under_the_servers_name_and_its_bad_rows_are_told_by_line(board, rows):
    kept = board.upload("../../evil/问答.jsonl", rows).json()
    assert kept["name"] == "问答.jsonl" and kept["check"]["records"] == 24
    assert [bad["line"] for bad in kept["check"]["bad"]] == ["25", "26"]
    files = [path for path in board.state.rglob("*") if path.is_file() and kept["id"] in str(path)]
    assert sorted(path.name for path in files) == ["data.jsonl", "upload.json"]
    assert kept["id"] in [one["id"] for one in board.get("form").json()["data"]]
    assert board.post("remove", {"id": kept["id"]}).status_code == 200
    assert not any(path.exists() for path in files)


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("a.exe", b"x", 400),
        ("", b"x", 400),
        ("a.jsonl", b"", 400),
        ("a.json", b" " * 200_001, 413),
        (".jsonl/..", b"x", 400),
    ],
)
def test_a_file_that_is_not_taken_leaves_nothing(board, name, data, status):
    before = set(board.state.rglob("*"))
    assert board.upload(name, data).status_code == status
    assert {path for path in board.state.rglob("*") if path.is_file()} <= before


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"[" * 5000, b"PK\x03\x04nonsense", b"{}", b"\0" * 100, "没有".encode()]
)
@pytest.mark.parametrize("suffix", ["json", "xlsx", "parquet", "csv", "txt"])
def test_a_file_that_cannot_be_read_is_kept_and_told(board, data, suffix):
    answer = board.upload(f"x.{suffix}", data)
    assert answer.status_code == 200
    told = answer.json()["check"]
    assert told["records"] or told["problem"]
    assert str(board.state) not in answer.text
    board.post("remove", {"id": answer.json()["id"]})


@given(BODY)
@settings(max_examples=25)
def test_no_made_up_body_breaks_anything(board, body):
    for path in CHANGES:
        answer = board.post(path, body)
        assert 400 <= answer.status_code < 500, (path, body, answer.text)
    assert not list(board.runs.glob("board/*"))


@pytest.mark.parametrize("name", TRAVERSALS)
def test_a_name_that_is_in_no_list_reaches_no_file(board, name):
    sound = {"values": {}, "data": ["instruction_data/fin_data.json"], "base": "nano"}
    for changed in ({"base": name}, {"data": [name]}, {"val_data": name or "x"}, {"adapter": name or "x"}):
        assert board.post("check", sound | changed).status_code == 400, changed
    for path in ("run", "recipe"):
        query = {"name": name} if path == "run" else {"run": name}
        assert board.get(path, **query).status_code == 400
    assert board.post("remove", {"id": name}).status_code == board.post("stop", {"run": name}).status_code == 400
    report = board.served.http.get(f"/page/report/{quote(name, safe='')}", follow_redirects=True)
    assert report.status_code in (400, 404, 405)


def test_a_broken_run_is_listed(board):
    board.made("spoilt", log__jsonl=b"\xff\n{", recipe__yaml=b"[:", train_result__json=b"7")
    board.made("odd", log__jsonl=b'{"step": 1e400}\n', recipe__yaml=b"data_path: {a: [1]}\nbase: [1]\nmax_steps: x\n")
    listed = {run["name"]: run for run in board.get("runs").json()["runs"]}
    assert listed["spoilt"]["state"] == listed["odd"]["state"] == "died"
    for name in ("spoilt", "odd"):
        assert board.run(name)["curves"] == {}
        assert board.get("recipe", run=name).status_code == 400
        assert board.post("stop", {"run": name}).status_code == 409
    assert board.post("resume", {"run": "spoilt"}).status_code == 409


def test_a_report_is_shown_by_its_ticket_alone_and_is_nobodys_page_here(board):
    folder = board.made("compared/adapter")
    (folder.parent / "report.html").write_text("<script>1</script>", encoding="utf-8")
    (report,) = [one for one in board.run("compared/adapter")["reports"] if one["name"] == "compared"]
    answer = board.served.http.get(f"/page/report/{report['ticket']}")
    assert answer.text == "<script>1</script>"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts") and "allow-same-origin" not in policy
    assert board.served.http.get(f"/page/report/{report['ticket'][:-1]}").status_code == 404


def test_only_json_of_this_page_changes_anything(board, rows):
    post = board.served.http.post
    assert post("/page/api/board/stop", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert board.upload("a.jsonl", rows, **{"content-type": "multipart/form-data"}).status_code == 415
    for elsewhere in ({"origin": "http://evil.example"}, {"origin": "null"}):
        assert board.post("stop", {}, headers=elsewhere).status_code == 403
        assert board.upload("a.jsonl", rows, **elsewhere).status_code == 403


def test_without_a_key_who_comes_through_a_proxy_starts_nothing(board, rows):
    for name in ("x-forwarded-for", "forwarded", "x-real-ip"):
        assert board.post("start", {}, headers={name: "10.0.0.1"}).status_code == 403
        assert board.upload("a.jsonl", rows, **{name: "10.0.0.1"}).status_code == 403


def test_with_keys_nothing_is_told_without_one(tmp_path, monkeypatch):
    monkeypatch.setenv("BOARD_KEYS", KEY)
    with running(model=["nano"], keys_env="BOARD_KEYS", state=str(tmp_path / "s"), runs=str(tmp_path / "r")) as served:
        assert served.http.get("/page/api/board/runs").status_code == 401
        assert served.post("/page/api/board/start", {}).status_code == 401
        key = {"authorization": f"Bearer {KEY}", "x-forwarded-for": "10.0.0.1"}
        assert served.http.get("/page/api/board/runs", headers=key).json() == {"runs": [], "reports": []}
        assert served.post("/page/api/board/start", {}, headers=key).status_code == 400
    assert not (tmp_path / "s").exists() and not (tmp_path / "r").exists()


def test_a_server_without_a_board_has_none(tmp_path):
    with running(model=["nano"], board=False, state=str(tmp_path / "s")) as served:
        assert served.http.get("/page/api/board/form").status_code == 404
        assert served.post("/page/api/board/start", {}).status_code in (404, 405)


@given(st.text(max_size=300))
def test_the_name_that_is_shown_is_one_line_of_a_reasonable_length(name):
    shown = _shown(name)
    assert 0 < len(shown) <= 120 and not set("/\\\n\r\0") & set(shown)


def test_the_preview_marks_what_is_learnt_by_the_objective(board):
    pair = {
        "conversations": [{"from": "human", "value": "问"}],
        "chosen": {"from": "gpt", "value": "好答案"},
        "rejected": {"from": "gpt", "value": "坏答案"},
    }
    kept = board.upload("pairs.jsonl", json.dumps(pair, ensure_ascii=False).encode(), "dpo").json()
    assert kept["check"]["records"] == 1
    body = {"values": {"objective": "dpo", "template": "fin_template"}, "data": [kept["id"]], "base": "nano"}
    (record,) = board.post("preview", body).json()["records"]
    chosen, rejected = record["sequences"]
    assert (chosen["kind"], rejected["kind"]) == ("chosen", "rejected")
    assert next(text for text, learnt in chosen["runs"] if learnt).startswith("好答案")
    assert not any("问" in text for text, learnt in rejected["runs"] if learnt)
    assert (
        board.post("preview", body | {"values": {"template": "chat"}}).status_code == 400
    )  # nano has no such template
    board.post("remove", {"id": kept["id"]})
