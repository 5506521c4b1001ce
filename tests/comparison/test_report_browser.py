"""The report in a real browser: columns, filters, search, sorting, safety, without a network."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from browser import Browser, find_browser, open_browser
from comparison_fakes import FakeEngine, Lab, make_recipe, make_records
from cornucopia.comparison.report import write_report
from cornucopia.comparison.run import compare
from cornucopia.comparison.summary import summarise
from cornucopia.core.errors import ModelError
from cornucopia.records.schema import Message, Record

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium with chromedriver"),
]

EVIL = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"
SHOWN = "return [...document.querySelectorAll('#grid tbody')].map((body) => body.dataset.id)"


def _make(folder: Path) -> Path:
    """24 questions in five domains; every third is answered alike by the first two; one contestant does not open."""
    records = make_records(23)
    records.append(
        Record((Message("user", f"脚本{EVIL}？"), Message("assistant", EVIL)), id="evil", domain="基金<b>", kind="qa")
    )
    golden = {record.question: record.golden for record in records}

    def base(question: str) -> str:
        return golden[question][:8] if list(golden).index(question) % 3 == 0 else "不知道。" * 120

    def tuned(question: str) -> str:
        place = list(golden).index(question)
        return (
            EVIL
            if question.startswith("脚本")
            else golden[question][:8]
            if place % 3 == 0
            else f"{golden[question]}每年收12.5%。"
        )

    names = ("基座", "调优<i>", "坏的")
    engines = dict(zip(names, (FakeEngine(base), FakeEngine(tuned), ModelError("适配器坏了")), strict=True))
    comparison = compare(make_recipe(folder, *names), records, Lab(engines))
    write_report(folder / "report.html", comparison, summarise(comparison))
    return folder / "report.html"


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> str:
    return _make(tmp_path_factory.mktemp("report")).as_uri()


@pytest.fixture(scope="module")
def chromium():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, url: str):
    chromium.open(url)
    yield chromium
    assert chromium.console() == [], "the page must write nothing to the console"


def test_columns_rows_and_pages(page):
    heads = page.run("return [...document.querySelectorAll('#heads th')].map((th) => th.textContent)")
    assert heads == ["参考答案", "基座", "调优<i>", "坏的"]
    assert page.run(SHOWN) == [f"q{n}" for n in range(20)]
    page.click("#next")
    assert page.run(SHOWN) == ["q20", "q21", "q22", "evil"]
    page.choose("#size", "50")
    assert len(page.run(SHOWN)) == 24
    errors = page.run("return document.querySelectorAll('td.error').length")
    assert errors == 24


def test_filter_by_domain_and_kind(page):
    page.choose("#domain", "保险")
    assert page.run(SHOWN) == ["q0", "q5", "q10", "q15", "q20"]
    page.choose("#kind", "问答")
    assert page.run(SHOWN) == ["q5", "q15"]
    assert page.run("return document.getElementById('count').textContent") == "2 / 24 题"


def test_kinds_are_told_apart_and_domains_fold_away(page):
    rows = "return [...document.querySelectorAll('#kinds tbody th')].map((th) => th.textContent)"
    assert page.run(rows) == ["问答", "没练过的事实"]
    visible = "return document.querySelector('#domains table').checkVisibility()"
    assert not page.run(visible)
    page.click("#domains summary")
    assert page.run(visible)


def test_numbers_without_support_are_marked(page):
    marked = "return [...document.querySelectorAll('.stray')].map((node) => node.textContent)"
    assert set(page.run(marked)) == {"12.5%"}
    page.click("label:has(#strays)")
    assert page.run(marked) == []


def test_only_what_differs(page):
    # The broken contestant's cells are no answers: rows differ only where the two that answered do.
    page.click("label:has(#differ)")
    shown = page.run(SHOWN)
    assert "q0" not in shown and "q3" not in shown and {"q1", "q2", "q4"} <= set(shown)


def test_search_marks_what_it_finds(page):
    page.type("#search", "第7问")
    assert page.run(SHOWN) == ["q7"]
    assert set(page.run("return [...document.querySelectorAll('mark')].map((m) => m.textContent)")) == {"第7问"}
    page.run("document.getElementById('search').value = ''")
    page.type("#search", "没有这样的话")
    assert page.run(SHOWN) == [] and page.run("return !document.getElementById('nothing').hidden")
    page.click("#reset")
    assert len(page.run(SHOWN)) == 20


def test_sort_by_score_and_by_gain(page):
    page.choose("#size", "50")
    scores = (
        "return [...document.querySelectorAll('#grid tbody')]"
        ".map((b) => +b.querySelectorAll('td')[2].textContent.match(/F1 ([\\d.]+)/)[1])"
    )
    page.choose("#sort", "f1-1")
    falling = page.run(scores)
    assert falling == sorted(falling, reverse=True) and falling[0] > falling[-1]
    page.choose("#sort", "-f1-1")
    assert page.run(scores) == sorted(falling)
    page.choose("#sort", "gap-1")
    assert page.run(SHOWN)[0] not in {f"q{n}" for n in range(0, 23, 3)}
    page.choose("#sort", "domain")
    order = page.run("return [...document.querySelectorAll('#grid .number + .chip')].map((c) => c.textContent)")
    assert len([1 for a, b in itertools.pairwise(order) if a != b]) == len(set(order)) - 1


def test_marks_of_the_golden_answer_can_be_put_off(page):
    assert page.run("return document.querySelectorAll('.m').length") > 10
    page.click("label:has(#marks)")
    assert page.run("return document.querySelectorAll('.m').length") == 0


def test_long_answers_open_and_close(page):
    height = "return document.querySelector('tbody[data-id=q1] td:nth-child(2) .text').clientHeight"
    closed = page.run(height)
    page.click("tbody[data-id=q1] .more")
    assert page.run(height) > closed + 100
    page.click("tbody[data-id=q1] .more")
    assert page.run(height) == closed


def test_state_lives_in_the_address(page, url):
    page.choose("#domain", "股票")
    page.click("label:has(#expand)")
    state = page.run("return location.hash.slice(1)")
    assert parse_qs(state) == {"domain": ["股票"], "expand": ["true"]}
    page.open(f"{url}#{state}")
    assert page.run(SHOWN) == ["q1", "q6", "q11", "q16", "q21"]
    assert page.run("return document.getElementById('expand').checked")
    page.open(f"{url}#domain=没有&page=99&sort=f1-9")
    assert page.run(SHOWN) == ["q20", "q21", "q22", "evil"]


def test_keyboard(page):
    page.type("body", "j")
    page.type("body", "j")
    assert page.run("return document.querySelector('tbody.here').dataset.id") == "q1"
    page.type("body", "e")
    assert page.run("return document.querySelector('tbody.here').classList.contains('open')")
    page.type("body", "n")
    assert page.run(SHOWN)[0] == "q20"
    page.type("body", "/")
    assert page.run("return document.activeElement.id") == "search"


def test_answers_are_text_and_nothing_is_fetched(page):
    page.type("#search", "window.broken")
    text = page.run("return document.querySelector('tbody[data-id=evil] td:nth-child(3) .text').textContent")
    assert text == EVIL
    assert page.run("return window.broken === undefined")
    assert page.run("return document.querySelectorAll('img, script').length") == 2  # the data and the page's own script
    assert page.run("return performance.getEntriesByType('resource').length") == 0


def test_exports_hold_the_shown_rows(page):
    page.run(
        "window.saved = []; HTMLAnchorElement.prototype.click = () => {};"
        "URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return 'blob:x' }"
    )
    page.choose("#domain", "保险")
    page.click("#jsonl")
    page.click("#csv")
    jsonl, csv = page.call(
        "POST", "/execute/async", {"script": "setTimeout(() => arguments[0](saved), 100)", "args": []}
    )
    rows = [json.loads(line) for line in jsonl.splitlines()]
    assert [row["id"] for row in rows] == ["q0", "q5", "q10", "q15", "q20"] and rows[1]["answers"]["调优<i>"]["answer"]
    assert len(csv.split("\r\n")) == 7 and '"调优<i> F1"' in csv.splitlines()[0]


def test_everything_is_there_in_print(page):
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    assert len(page.run(SHOWN)) == 24
    page.run("window.dispatchEvent(new Event('afterprint'))")
    assert len(page.run(SHOWN)) == 20


@pytest.mark.parametrize("width", [500, 640, 701, 760, 780, 800, 880, 960, 1100, 1312, 1500, 1920])
def test_the_page_is_never_wider_than_its_window(page, width):
    page.resize(width, 900)
    try:
        page.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        root = "const root = document.documentElement; return [root.scrollWidth, root.clientWidth, innerWidth]"
        wide, room, window = page.run(root)
        assert wide <= room < window, "scrollbars take room, and nothing stands behind them"
        assert page.run("return document.querySelector('main').getBoundingClientRect().right") <= room
    finally:
        page.resize(1440, 1000)


def test_a_link_leads_to_one_answer(page, url):
    page.choose("#size", "10")
    page.choose("#domain", "保险")
    page.run("document.querySelector('tbody[data-id=q20] td:nth-child(3) .link').click()")
    state = parse_qs(page.run("return location.hash.slice(1)"))
    assert state == {"row": ["q20"], "cell": ["1"]}
    page.open(f"{url}#row=q22&cell=0")
    top = "return document.querySelector('td.target').getBoundingClientRect().top"
    assert page.run(SHOWN)[0] == "q20" and 0 <= page.run(top) < 1000
    assert page.run("return document.querySelector('td.target').closest('tbody').dataset.id") == "q22"
    page.open(f"{url}#row=没有&cell=99")
    assert len(page.run(SHOWN)) == 20


def test_verdicts_are_kept_and_given_out(page, url):
    cell = "tbody[data-id={}] td:nth-child({}) .{}"
    page.click(cell.format("q1", 2, "fail"))
    page.click(cell.format("q1", 3, "pass"))
    page.type(cell.format("q4", 3, "comment"), "漏了日期")
    page.click("#search")  # leaves the field
    page.open(url)  # loaded again
    pressed = "return document.querySelector(arguments[0]).getAttribute('aria-pressed')"
    assert page.run(pressed, cell.format("q1", 3, "pass")) == "true"
    assert "「调优<i>」合格 1、不合格 0" in page.run("return document.getElementById('verdicts').textContent")
    page.choose("#judged", "fail")
    assert page.run(SHOWN) == ["q1"]
    page.run(
        "window.saved = []; HTMLAnchorElement.prototype.click = () => {};"
        "URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return 'blob:x' }"
    )
    page.click("#votes")
    page.click("#pairs")
    votes, pairs = page.call(
        "POST", "/execute/async", {"script": "setTimeout(() => arguments[0](saved), 100)", "args": []}
    )
    votes = [json.loads(line) for line in votes.splitlines()]
    assert [(v["id"], v["contestant"], v["verdict"], v["comment"]) for v in votes] == [
        ("q1", "基座", "fail", ""), ("q1", "调优<i>", "pass", ""), ("q4", "调优<i>", "", "漏了日期"),
    ]  # fmt: skip
    (pair,) = [json.loads(line) for line in pairs.splitlines()]
    assert pair["chosen"] == votes[1]["answer"] and pair["rejected"] == votes[0]["answer"] and pair["instruction"]
    page.click(cell.format("q1", 2, "fail"))  # a second click takes it back
    page.choose("#judged", "")
    assert page.run(pressed, cell.format("q1", 2, "fail")) == "false"
    assert page.run("return document.getElementById('pairs').hidden")
    page.run("localStorage.clear()")


def test_settings_are_in_sight_without_a_click(page):
    text = page.run("return document.getElementById('settings').innerText")
    assert all(word in text for word in ("指纹", "题目指纹", "词元合计", "回答字数", "transformers"))
