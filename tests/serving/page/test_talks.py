"""What the chat tab keeps: whose it is, that it is whole, and that no body however wrong breaks anything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.serving.page import talk_routes
from cornucopia.serving.page import talks as kept
from running_server import running

KEYS = {"甲": "secret-key-of-the-first", "乙": "secret-key-of-another"}
TALK = "/page/api/talks/talk0001"


def _message(id, parent="", role="user", content="问", **more):
    return {"id": id, "parent": parent, "role": role, "content": content, **more}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("state") / "deep" / "er"


@pytest.fixture(scope="module")
def served(tiny, home):
    with running(model=[f"m={tiny}"], state=str(home), max_body_mb=1) as running_server:
        yield running_server


@pytest.fixture
def http(served):
    yield served.http
    for talk in served.http.get("/page/api/talks").json()["talks"]:
        served.http.delete(f"/page/api/talks/{talk['id']}")


def test_a_talk_is_a_tree_that_is_kept_and_changed_in_parts(http):
    first = {"title": "等额本息", "about": {"model": "m", "温": 0.5}, "messages": [_message("aaaaaaaa")]}
    assert http.post(TALK, json=first).status_code == 200
    answers = [
        _message("bbbbbbbb", "aaaaaaaa", "assistant", "答一"),
        _message("cccccccc", "aaaaaaaa", "assistant", "答二"),
    ]
    http.post(TALK, json={"leaf": "cccccccc", "messages": answers})
    http.post(TALK, json={"messages": [answers[0] | {"content": "答一改", "finish": "stop", "calls": [{"name": "f"}]}]})
    talk = http.get(TALK).json()
    assert (talk["title"], talk["about"], talk["leaf"]) == ("等额本息", {"model": "m", "温": 0.5}, "cccccccc")
    assert [(m["id"], m["content"]) for m in talk["messages"]] == [
        ("aaaaaaaa", "问"), ("bbbbbbbb", "答一改"), ("cccccccc", "答二")
    ]  # fmt: skip
    assert talk["messages"][1]["calls"][0]["name"] == "f"
    # What is exported goes in again.
    export = http.get("/page/api/talks?whole=1").json()["talks"]
    again = {name: export[0][name] for name in ("title", "about", "leaf", "messages")}
    assert http.post("/page/api/talks/talk0002", json=again).status_code == 200
    assert http.get("/page/api/talks/talk0002").json()["messages"] == talk["messages"]
    assert http.delete(TALK).status_code == 200 and http.get(TALK).status_code == 404


def test_talks_are_found_by_their_words(http):
    http.post(TALK, json={"title": "一", "messages": [_message("aaaaaaaa", content="什么是 ETF 基金")]})
    http.post("/page/api/talks/talk0002", json={"title": "二", "messages": [_message("aaaaaaaa", content="存款")]})
    found = lambda words: [t["title"] for t in http.get("/page/api/talks", params={"words": words}).json()["talks"]]  # noqa: E731
    assert found("etf 基") == ["一"] and found("二") == ["二"] and found("") == ["二", "一"] and found("%") == []


@pytest.mark.parametrize("body", [
    {"messages": [_message("aaaaaaaa", "zzzzzzzz")]},
    {"messages": [_message("aaaaaaaa", "aaaaaaaa")]},
    {"messages": [_message("../../etc")]},
    {"messages": [_message("aaaaaaaa", images=["http://evil.example/x.png"])]},
    {"messages": [_message("aaaaaaaa", images=["/etc/passwd"])]},
    {"messages": [_message("aaaaaaaa", role="system")]},
    {"messages": [_message("aaaaaaaa"), _message("bbbbbbbb", "nowhere00")]},
    {"titel": "x"}, {"title": "长" * 201}, {"title": 3}, {"leaf": []}, {"about": "x"}, {"messages": {}},
])  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_of_it_is_kept(http, body):
    response = http.post(TALK, json={"title": "留不下", **body})
    assert response.status_code == 400 and response.json()["error"]["message"]
    assert http.get(TALK).status_code == 404


def test_a_message_cannot_be_hung_elsewhere(http):
    http.post(TALK, json={"messages": [_message("aaaaaaaa"), _message("bbbbbbbb", "aaaaaaaa")]})
    assert http.post(TALK, json={"messages": [_message("aaaaaaaa", "bbbbbbbb")]}).status_code == 400


def test_only_json_changes_something(http):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = http.post(TALK, content=b'{"title": "x"}', headers={"content-type": kind})
        assert response.status_code == 415
    assert http.post(TALK, json={"title": "x" * 2_000_000}).status_code == 413


@pytest.mark.parametrize(
    "id", ["short", "UPPER000", "a%2fb%2fc0000", "..%2f..%2fx", "a" * 41, "%00aaaaaa", "aaaaaaaa%0a"]
)
def test_an_id_is_no_path(http, id):
    for method in ("GET", "DELETE", "POST"):
        assert http.request(method, f"/page/api/talks/{id}", json={}).status_code in (404, 405)


def test_each_key_sees_its_own(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PAGE_KEYS", ",".join(f"{name}={key}" for name, key in KEYS.items()))
    head = {name: {"authorization": f"Bearer {key}"} for name, key in KEYS.items()}
    with running(model=[f"m={tiny}"], keys_env="PAGE_KEYS", state=str(tmp_path), requests_per_minute=3) as served:
        http = served.http
        assert http.get(TALK).status_code == 401
        for turn in range(6):  # keeping what was asked costs nothing of the rate
            assert http.post(TALK, json={"title": f"甲的{turn}"}, headers=head["甲"]).status_code == 200
        assert http.get(TALK, headers=head["乙"]).status_code == 404
        http.post(TALK, json={"title": "乙的"}, headers=head["乙"])
        assert http.delete(TALK, headers=head["乙"]).status_code == 200
        assert http.get(TALK, headers=head["甲"]).json()["title"] == "甲的5"


def test_one_owner_cannot_fill_the_disk(http, monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 1000)
    assert http.post(TALK, json={"messages": [_message("aaaaaaaa", content="长" * 400)]}).status_code == 507
    assert http.get(TALK).status_code == 404
    monkeypatch.setattr(kept, "MOST_MESSAGES", 1)
    monkeypatch.setattr(kept, "MOST_BYTES", 10_000)
    assert http.post(TALK, json={"messages": [_message("aaaaaaaa"), _message("bbbbbbbb")]}).status_code == 507
    monkeypatch.setattr(kept, "MOST_TALKS", 0)
    assert http.post(TALK, json={"title": "x"}).status_code == 507


def test_a_disk_that_is_full_or_a_file_that_is_broken_is_told_and_answers_go_on(tiny, tmp_path):
    (tmp_path / "history.sqlite3").write_bytes(b"this is no database, whatever its name may say" * 100)
    with running(model=[f"m={tiny}"], state=str(tmp_path)) as served:
        response = served.http.post(TALK, json={"title": "x"})
        assert response.status_code == 507 and str(tmp_path) not in response.text
        assert served.http.get("/page/api/talks").status_code == 507
        assert served.chat().status_code == 200


def test_a_full_disk_loses_nothing_that_was_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(talk_routes, "TABLES", f"PRAGMA max_page_count = 24; {kept.TABLES}")
    with running(model=[f"m={tiny}"], state=str(tmp_path / "state")) as served:
        http, big = served.http, {"messages": [_message("bbbbbbbb", "aaaaaaaa", content="长" * 40_000)]}
        assert http.post(TALK, json={"title": "在", "messages": [_message("aaaaaaaa")]}).status_code == 200
        response = http.post(TALK, json={"title": "不在", **big})
        assert response.status_code == 507 and "磁盘满了" in response.json()["error"]["message"]
        assert [m["id"] for m in http.get(TALK).json()["messages"]] == ["aaaaaaaa"]
        assert http.get(TALK).json()["title"] == "在" and served.chat().status_code == 200
    folder = tmp_path / "state"  # for nobody else's eyes
    assert not any(path.stat().st_mode & 0o077 for path in (folder, folder / "history.sqlite3"))


def test_a_model_is_offered_with_what_it_sees(served):
    assert served.http.get("/page/api/models").json()["models"] == [{"id": "m", "loaded": False, "images": False}]


ids = st.sampled_from(["aaaaaaaa", "bbbbbbbb", "cccccccc", "", "../x", "A" * 8])
numbers = st.floats(allow_nan=False, allow_infinity=False)
loose = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=8) | ids,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6,
)  # fmt: skip
messages = st.fixed_dictionaries(
    {"id": ids | loose, "role": st.sampled_from(["user", "assistant", "tool"]) | loose},
    optional=dict.fromkeys(kept.Message.model_fields.keys() - {"id", "role", "parent"}, loose) | {"parent": ids},
)  # fmt: skip
bodies = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text(max_size=8) | loose, "about": st.dictionaries(st.text(max_size=4), loose, max_size=2) | loose,
        "leaf": ids | loose, "messages": st.lists(messages | loose, max_size=3) | loose,
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(bodies | st.dictionaries(st.text(max_size=8), loose, max_size=3))
def test_no_body_breaks_the_server(served, body):
    response = served.http.post(TALK, json=body)
    assert response.status_code in (200, 400), response.text
    if response.status_code == 200:
        assert served.http.get(TALK).status_code == 200
        assert served.http.get("/page/api/talks?whole=1").status_code == 200
