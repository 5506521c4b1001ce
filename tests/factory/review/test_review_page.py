"""The page and its server: driven by keys in a real browser, closed to everybody else."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("fastapi")
import uvicorn
from fastapi.testclient import TestClient

from browser import find_browser, open_browser
from cornucopia.factory.review.app import make_app
from cornucopia.factory.review.decisions import Decisions, key_of
from cornucopia.factory.review.session import Session
from cornucopia.records.evidence import Evidence
from cornucopia.records.schema import Message, Passage, Record

TOKEN = "测试用".encode().hex()
EVIL = "<script>document.title='坏'</script><img src=x onerror=\"document.title='坏'\">"
QUOTE = "等待期为90天"
RECORDS = [
    Record(
        messages=(Message("user", f"问题{n}{EVIL}"), Message("assistant", f"回答{n}")),
        passages=(Passage("😀甲乙" + QUOTE + "丙", "条款" + EVIL),),
        id=f"r{n}",
        extra={"evidence": [Evidence("a.pdf", QUOTE, 1).to_dict()], "scores": {"judge": 0.5}},
    )
    for n in range(4)
]


@pytest.fixture
def session(tmp_path):
    decisions = Decisions(tmp_path / "d.review.jsonl")
    yield Session(RECORDS, decisions)
    decisions.close()


def test_only_the_page_served_here_may_ask(session):
    client = TestClient(make_app(session, TOKEN), base_url="http://127.0.0.1")
    assert client.get("/api/summary").status_code == 403
    assert client.get("/api/summary", headers={"x-token": "falsch"}).status_code == 403
    assert client.get("/api/summary", headers={"x-token": TOKEN}).json()["total"] == 4
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"host": "127.0.0.1.evil.example"}).status_code == 403
    page = client.get("/")
    assert TOKEN in page.text and "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "body",
    [{"number": 99, "verdict": "accept"}, {"number": 0, "verdict": "maybe"},
     {"number": 0, "verdict": "edit", "turns": {"1": ""}}, {"number": 0, "verdict": "edit", "turns": {"8": "a"}}],
)  # fmt: skip
def test_a_wrong_decision_is_told_and_not_taken(session, body):
    client = TestClient(make_app(session, TOKEN), base_url="http://127.0.0.1", headers={"x-token": TOKEN})
    answer = client.post("/api/decisions", json=body)
    assert answer.status_code == 400 and answer.json()["error"]
    assert session.summary()["undecided"] == 4
    assert client.post("/api/decisions", json={"verdict": []}).status_code == 422
    assert client.get("/api/records/7").status_code == 400


@pytest.fixture
def address(session):
    server = uvicorn.Server(uvicorn.Config(make_app(session, TOKEN), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def wait(browser, script):
    for _ in range(200):
        if browser.run(script):
            return
        time.sleep(0.05)
    raise AssertionError(script)


@pytest.mark.browser
@pytest.mark.skipif(find_browser() is None, reason="no Chromium")
def test_a_reviewer_goes_through_by_keys(address, session):
    with open_browser() as browser:
        browser.open(address)
        on = "return document.querySelector('#record').textContent.includes('{}')".format
        wait(browser, on("回答0"))
        assert browser.run("return document.querySelector('mark').textContent") == QUOTE
        browser.run(
            "window.press = key => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
        )
        browser.run("press('a')")
        wait(browser, on("回答1"))
        browser.run("press('r')")
        wait(browser, on("回答2"))
        browser.run("press('e')")
        wait(browser, "return document.activeElement.tagName === 'TEXTAREA'")
        browser.run("document.activeElement.value = '改过的回答'; document.activeElement.dispatchEvent("
                    "new KeyboardEvent('keydown', {key: 'Enter', ctrlKey: true, bubbles: true}))")  # fmt: skip
        wait(browser, on("回答3"))
        assert session.summary()["counts"] == {"accept": 1, "edit": 1, "reject": 1}
        assert session._decisions.get(key_of(RECORDS[2])).turns == {"1": "改过的回答"}
        browser.run("press('u')")
        wait(browser, on("回答2"))
        assert session.summary()["undecided"] == 2
        browser.choose("#show", "reject")
        wait(browser, on("回答1"))
        wait(browser, "return document.querySelector('#record').textContent.includes('已定：不要')")
        assert browser.run("return document.title") == "审阅 · 聚宝盆"
        assert [entry for entry in browser.console() if entry["level"] == "SEVERE"] == []
        browser.open(address)  # a page opened anew goes on where it was
        wait(browser, on("回答2"))
        assert browser.run("return document.querySelector('#counts').textContent").startswith("2 / 4")
