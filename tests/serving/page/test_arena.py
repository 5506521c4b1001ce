"""The arena's routes: blind until the vote, one vote a battle, and nothing lost where the disk fails."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.jsonl import write_jsonl
from cornucopia.inference import open_engine
from cornucopia.inference.engine import Reply
from cornucopia.records.read import read_records
from running_server import running
from scripted_engine import Scripted

HERE = "/page/api/arena"
ASKED = [{"role": "user", "content": "犹豫期能退保吗？"}]


class Named(Scripted):
    """Says which of two it is, in a word that is no name; asked 「坏」 it fails, naming itself."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def describe(self, sampling):
        return {"base": self.base}

    def _said(self, asked):
        if asked.startswith("坏"):
            raise RuntimeError(f"secret {self.base} is broken")
        text = f"{'红' if 'one' in self.base else '蓝'}：{asked}"
        yield from text
        return Reply("", text, "stop", len(asked), len(text))


@contextmanager
def arena(folder, models=("secret-one=scripted-one", "secret-two=scripted-two"), **settings):
    kinds = {
        "scripted": open_engine.Kind(
            lambda spec: spec.base.startswith("scripted"), lambda specs: [Named(spec.base) for spec in specs]
        )
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_engine, "KINDS", kinds)
        with running(model=list(models), state=str(folder / "state"), **settings) as served:
            yield served


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with arena(tmp_path_factory.mktemp("arena")) as running_:
        yield running_


def compared(count):
    """Rows of a comparison of the two on some questions."""
    return [
        {"contestant": name, "id": f"q{number}", "question": f"第{number}问", "answer": f"{mark}{number}"}
        for number in range(count) for name, mark in (("secret-one", "红"), ("secret-two", "蓝"))
    ]  # fmt: skip


def draw(served, asked=ASKED, voter="浏览器"):
    response = served.post(f"{HERE}/battles", {"messages": asked, "voter": voter, "max_tokens": 32})
    assert response.status_code == 200, response.text
    return response.json()["id"], [response]


def answer(served, id, side):
    response = served.post(f"{HERE}/battles/{id}/{side}", {"stream": True})
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line) for line in lines]
    said = [choice["delta"].get("content", "") for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(said), response


def vote(served, id, pressed):
    return served.post(f"{HERE}/battles/{id}/vote", {"vote": pressed})


def test_two_models_answer_blind_and_the_vote_goes_to_who_gave_the_answer(served):
    before, lefts = served.http.get(f"{HERE}/standings").json()["votes"], []
    while len(lefts) < 4 or (len(set(lefts)) < 2 and len(lefts) < 60):  # both sides come, sooner or later
        id, replies = draw(served)
        assert vote(served, id, "left").status_code == 409  # nothing to vote on
        (left, first), (right, second) = (answer(served, id, side) for side in ("left", "right"))
        assert {left[0], right[0]} == {"红", "蓝"}
        for response in (*replies, first, second):
            assert "secret" not in response.text + str(response.headers) and "scripted" not in response.text
        told = vote(served, id, "left" if left[0] == "红" else "right").json()
        assert (
            told == {"left": "secret-one", "right": "secret-two"} if left[0] == "红" else told["right"] == "secret-one"
        )
        lefts.append(left[0])
    assert set(lefts) == {"红", "蓝"}
    standing = served.http.get(f"{HERE}/standings").json()
    assert standing["votes"] == before + len(lefts)
    best = standing["table"]["ratings"][0]
    assert best["name"] == "secret-one" and best["wins"] >= 4 and best["low"] < best["rating"] < best["high"]


def test_the_votes_become_pairs_that_training_reads(served, tmp_path):
    id, _ = draw(served, [{"role": "system", "content": "简短"}, *ASKED])
    said = {side: answer(served, id, side)[0] for side in ("left", "right")}
    vote(served, id, "right")
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(served.http.get(f"{HERE}/pairs").content)
    record = read_records(path, rejects=False, objective="preference").records[-1]
    assert [turn.role for turn in record.messages] == ["system", "user", "assistant"]
    assert (record.golden, record.rejected[0][0].content) == (said["right"], said["left"])


def test_one_vote_a_battle_and_one_answer_a_side(served):
    id, _ = draw(served)
    for side in ("left", "right"):
        answer(served, id, side)
        assert served.post(f"{HERE}/battles/{id}/{side}", {}).status_code in (404, 409)
    assert vote(served, id, "better").status_code == 400
    assert vote(served, id, "tie").status_code == 200
    again = vote(served, id, "left")
    assert again.status_code == 409 and "投过" in again.json()["error"]["message"]
    assert vote(served, "没有这局", "left").status_code == 404
    assert served.post(f"{HERE}/battles/{id}/middle", {}).status_code == 404


def test_a_side_that_fails_does_not_tell_whose_it_is(served):
    id, _ = draw(served, [{"role": "user", "content": "坏"}])
    for side in ("left", "right"):
        text = answer(served, id, side)[1].text
        assert "没有答上来" in text and "secret" not in text and "scripted" not in text
    assert vote(served, id, "left").status_code == 409


@pytest.mark.parametrize(
    "body",
    [{}, {"messages": []}, {"messages": ASKED, "voter": 3}, {"messages": ASKED, "voter": "长" * 99},
     {"messages": ASKED, "temperature": -1}, {"messages": ASKED, "tools": [{}]}],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_at_once(served, body):
    assert served.post(f"{HERE}/battles", body).status_code == 400


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from(["messages", "voter", "role", "content", "stop", "seed", "vote"])


def _nested(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)


@settings(max_examples=20)
@given(st.recursive(PLAIN, _nested, max_leaves=8))
def test_no_body_breaks_it(served, body):
    for path in ("battles", "compared", "battles/x/vote"):
        response = served.http.post(
            f"{HERE}/{path}", content=json.dumps(body), headers={"content-type": "application/json"}
        )
        assert response.status_code in (200, 400, 404, 409)


def test_a_page_of_another_site_cannot_vote(served):
    id, _ = draw(served)
    path = f"{HERE}/battles/{id}/vote"
    assert served.http.post(path, content='{"vote": "left"}', headers={"content-type": "text/plain"}).status_code == 415
    assert served.post(path, {"vote": "left"}, headers={"origin": "https://elsewhere.example"}).status_code == 403


def test_a_vote_that_cannot_be_kept_is_told_and_may_be_cast_again(tmp_path):
    with arena(tmp_path) as served:
        id, _ = draw(served)
        for side in ("left", "right"):
            answer(served, id, side)
        blocked = tmp_path / "state" / "votes.sqlite3"
        blocked.mkdir(parents=True)
        response = vote(served, id, "left")
        assert response.status_code == 507 and "secret" not in response.text and str(tmp_path) not in response.text
        blocked.rmdir()
        assert vote(served, id, "left").status_code == 200
        assert served.http.get(f"{HERE}/standings").json()["votes"] == 1
    with arena(tmp_path) as again:  # a server started anew has the votes
        assert again.http.get(f"{HERE}/standings").json()["votes"] == 1


def test_the_answers_of_a_comparison_are_voted_on(tmp_path):
    write_jsonl(tmp_path / "out" / "answers.jsonl", compared(3))
    with arena(tmp_path, models=["only=scripted-one"], arena=str(tmp_path / "out")) as served:
        assert served.http.get(HERE).json() == {"models": False, "compared": 3}
        assert served.post(f"{HERE}/battles", {"messages": ASKED}).status_code == 409
        for _ in range(3):
            drawn = served.post(f"{HERE}/compared", {"voter": "一"})
            assert "secret" not in drawn.text
            body = drawn.json()
            assert body["asked"][0]["content"].startswith("第")
            side = "left" if body["answers"][0][0] == "蓝" else "right"
            assert served.post(f"{HERE}/battles/{body['id']}/{side}", {}).status_code == 404
            assert vote(served, body["id"], side).json()[side] == "secret-two"
        assert served.post(f"{HERE}/compared", {"voter": "一"}).json() == {}
        assert served.post(f"{HERE}/compared", {"voter": "二"}).json()["id"]
        assert served.http.get(f"{HERE}/standings").json()["votes"] == 0
        best = served.http.get(f"{HERE}/standings?of=compared").json()["table"]["ratings"][0]
        assert (best["name"], best["wins"]) == ("secret-two", 3)
