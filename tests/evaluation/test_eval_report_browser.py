"""The report in a real browser: sorting, filters, what cannot be compared; no network, no error, answers as text."""

from __future__ import annotations

import pytest

from browser import find_browser, open_browser
from cornucopia.evaluation.report import write_reports
from cornucopia.evaluation.results import Item, TaskResult
from cornucopia.evaluation.settings import EvalSettings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium with chromedriver"),
]
EVIL = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"
ROWS = "return [...document.querySelectorAll('#overview tbody tr:not([hidden])')].map((row) => row.dataset.task)"
SECTIONS = "return [...document.querySelectorAll('section:not([hidden])')].map((one) => one.dataset.task)"


def result(task, right, *, asked="same", tokens=100, seconds=2.0):
    items = [
        Item(
            str(place), str(place), f"类{place % 2}", f"{task}第{place}题{EVIL}", "A", EVIL, {"acc": float(yes)}, "stop"
        )
        for place, yes in enumerate(right)
    ]
    return TaskResult(
        task, task, items, "aa", asked, tokens=tokens, seconds=seconds, memory=3 * 10**8, card_memory=10**9
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    wrong, half, right = [False] * 40, [True, False] * 20, [True] * 40
    table = {
        "基座": {
            "fineval": result("fineval", wrong),
            "finre": result("finre", half),
            "conduct": result("conduct", right),
        },
        "调优<b>": {
            "fineval": result("fineval", right, tokens=900),
            "finre": result("finre", half),
            "conduct": result("conduct", wrong, asked="other"),
        },
    }
    write_reports(folder, table, EvalSettings(), {"基座": "nano", "调优<b>": EVIL})
    with open_browser() as browser:
        browser.open((folder / "report.html").as_uri())
        yield browser


def test_nothing_is_fetched_and_no_answer_becomes_code(page):
    assert page.console() == []
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.run("return window.broken === undefined && document.images.length === 0")
    assert EVIL in page.run("return document.querySelector('details pre').textContent")


def test_a_click_on_a_head_sorts_by_its_numbers(page):
    click = "document.querySelectorAll('#overview thead th')[3].click();" + ROWS
    assert page.run(click) == ["conduct", "finre", "fineval"]
    assert page.run(click) == ["fineval", "finre", "conduct"]
    costs = "return [...document.querySelectorAll('#costs tbody tr')].map((row) => row.cells[1].textContent)"
    assert page.run("document.querySelectorAll('#costs thead th')[1].click();" + costs) == ["1100", "300"]
    assert "300.0 MB" in page.run("return document.getElementById('costs').textContent")
    assert "1.0 GB" in page.run("return document.getElementById('costs').textContent")


def test_words_and_differences_filter_the_tasks(page):
    page.type("#filter", "finre")
    assert page.run(SECTIONS) == ["finre"] and page.run(ROWS) == ["finre"]
    page.run("const one = document.getElementById('filter'); one.value = ''; one.dispatchEvent(new Event('input'))")
    assert len(page.run(SECTIONS)) == 3
    page.click("#telling")
    assert page.run(SECTIONS) == ["fineval"]
    page.click("#telling")
    off = "return [...document.querySelectorAll('#overview td.off')].map((cell) => cell.parentNode.dataset.task)"
    assert page.run(off) == ["conduct"]
    assert page.console() == []
