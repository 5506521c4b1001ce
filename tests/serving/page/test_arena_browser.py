"""The arena in a real browser: a battle by keys, names after the vote alone, the table, a phone."""

from __future__ import annotations

import pytest

from cornucopia.core.jsonl import write_jsonl
from running_server import until
from serving.page.test_arena import arena, compared

pytestmark = pytest.mark.browser

TEXT = "return document.querySelector('#panel-arena').innerText"
READY = "return !document.querySelector('.ballot button[data-choice=left]').disabled"
LEFT = "return document.querySelector('.side .body').innerText"
PRESS = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"


def fight(page, question):
    page.type(".asking textarea", question)
    until(lambda: page.run(READY), 30)


def test_a_battle_is_voted_on_blind_by_key_and_by_click(chromium, tmp_path):
    page = chromium
    with arena(tmp_path) as served:
        page.open(f"{served.url}/#arena")
        fight(page, "退保<img src=x onerror='window.ran=1'><script>window.ran=1</script>\n")
        seen, left = page.run(TEXT), page.run(LEFT)
        assert "secret" not in seen and "红" in seen and "蓝" in seen and "回答 1" in seen
        assert page.run("return window.ran === undefined && !document.querySelector('.duel img, .duel script')")
        page.run(PRESS, "1")
        until(lambda: "secret" in page.run(TEXT))
        winner = "secret-one" if left.startswith("红") else "secret-two"
        assert page.run("return document.querySelector('.side.won h3').textContent") == winner
        until(lambda: page.run("return document.querySelectorAll('.standings tbody tr').length") == 2)
        assert page.run("return document.querySelector('.standings tbody th').textContent") == winner
        page.run(PRESS, "n")
        assert "secret" not in page.run("return document.querySelector('.duel').textContent")
        fight(page, "再问一次\n")
        page.click(".ballot button[data-choice=bad]")
        until(lambda: "2 票" in page.run(TEXT))
        assert "都不行的 1 票" in page.run(TEXT)
        page.resize(390, 800)
        assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
        page.resize(1440, 1000)
        assert page.console() == []


def test_a_side_that_fails_and_the_answers_of_a_comparison(chromium, tmp_path):
    page = chromium
    write_jsonl(tmp_path / "out" / "answers.jsonl", compared(1))
    with arena(tmp_path, arena=str(tmp_path / "out")) as served:
        page.open(f"{served.url}/#arena")
        page.type(".asking textarea", "坏\n")
        until(lambda: "有一边没有答上来" in page.run(TEXT), 30)
        page.run(PRESS, "1")  # nothing to vote on
        page.choose(".arena-page > select", "compared")
        until(lambda: page.run(READY), 30)
        seen = page.run(TEXT)
        assert "第0问" in seen and "红0" in seen and "secret" not in seen and "还没有投票" in seen
        page.run(PRESS, "3")
        until(lambda: "1 票" in page.run(TEXT), 30)
        page.run(PRESS, "n")
        until(lambda: "都投过了" in page.run(TEXT), 30)
        assert not [line for line in page.console() if "500" not in line["message"]]  # the browser notes the failure
