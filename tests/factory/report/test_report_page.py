"""The report of a real run opens in a browser, shows what was made and dropped, and asks nobody for anything."""

from __future__ import annotations

import json

import pytest

from browser import find_browser, open_browser
from cornucopia.core.errors import DataError
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.report.page import write_report
from cornucopia.factory.run import build

EVIL = "<script>document.title='坏'</script>"


@pytest.fixture
def folder(tmp_path):
    rows = [
        {"instruction": f"第{n}个问题{EVIL if n == 3 else ''}", "output": f"回答{n}" * (n % 5 + 1), "domain": "保险"}
        for n in range(30)
    ]
    rows += rows[:5]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows] + ["不是 JSON " + EVIL]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    recipe = {
        "output_dir": str(tmp_path / "out"), "workers": 1,
        "sources": [{"kind": "records", "path": str(tmp_path / "a.jsonl"), "name": "客服"}],
        "steps": ["deduplicate"],
    }  # fmt: skip
    build(DataRecipe.build(recipe))
    return tmp_path / "out"


@pytest.mark.browser
@pytest.mark.skipif(find_browser() is None, reason="no Chromium")
def test_it_opens_in_a_browser(folder):
    with open_browser() as browser:
        browser.open((folder / "report.html").as_uri())
        text = browser.run("document.querySelectorAll('details').forEach(d => d.open = true);"
                           "return document.body.innerText")  # fmt: skip
        assert "35 条，写出 30 条" in text and "读不了 1 处" in text and "exact" in text
        assert browser.run("return document.querySelectorAll('svg').length") >= 5
        assert browser.run("return document.querySelectorAll('script').length") == 0
        assert browser.run("return document.title") == "out · 聚宝盆数据报告"
        assert browser.console() == []
        sizes = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert sizes[0] <= sizes[1]
        browser.resize(500, 900)
        sizes = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert sizes[0] <= sizes[1]


def test_it_is_one_file_without_script_or_address(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "http://" not in page and "https://" not in page
    assert "&lt;script&gt;" in page and "客服" in page


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="data build"):
        write_report(tmp_path)
