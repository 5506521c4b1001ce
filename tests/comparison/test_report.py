"""Table, summary and report as text: nothing lost, nothing run, nothing claimed beyond the intervals."""

from __future__ import annotations

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparison_fakes import FakeEngine, Lab, make_recipe, make_records
from cornucopia.comparison.report import write_report
from cornucopia.comparison.report_settings import questions_digest
from cornucopia.comparison.run import compare
from cornucopia.comparison.summary import differ, summarise
from cornucopia.comparison.table import escape, markdown, markdown_scores, show_summary
from cornucopia.core.errors import ModelError
from cornucopia.records.schema import Message, Passage, Record

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028{{ 'inner' ~ 'most' }}"


def made(tmp_path, records, **answers):
    engines = {
        name: answer if isinstance(answer, Exception) else FakeEngine(answer) for name, answer in answers.items()
    }
    comparison = compare(make_recipe(tmp_path, *answers), records, Lab(engines))
    return comparison, summarise(comparison)


def page_of(tmp_path, comparison, summary) -> str:
    write_report(tmp_path / "report.html", comparison, summary)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))


def test_the_page_holds_everything_and_fetches_nothing(tmp_path):
    records = make_records(7)
    page = page_of(
        tmp_path, *made(tmp_path, records, 基座=lambda q: "不知道", 调优=lambda q: q, 坏=ModelError("打不开"))
    )
    rows = data_of(page)["rows"]
    assert [row["id"] for row in rows] == [record.id for record in records] and rows[3]["material"] == "材料一则"
    assert rows[0]["cells"][1]["answer"] == records[0].question and "打不开" in rows[0]["cells"][2]["error"]
    assert "default-src 'none'" in html.unescape(page) and not re.search(r'(?:src|href)="(?!data:)', page)
    assert not re.search(
        r"(?<![\w.])(https?:)?//[a-z]", re.sub(r"(?m)^\s*//.*$|// .*$", "", page).replace("http://www.w3.org", "")
    )
    assert "<svg" in page and "指纹" in page and "torch" in page


def test_answers_cannot_become_markup(tmp_path):
    turns = (Message("user", EVIL), Message("assistant", EVIL))
    record = Record(turns, passages=(Passage(EVIL),), domain=EVIL, kind=EVIL, source=EVIL)
    comparison, summary = made(tmp_path, [record] * 2, **{EVIL: lambda q: EVIL, "坏": ModelError(EVIL)})
    page = page_of(tmp_path, comparison, summary)
    assert (
        page.count("<script") == 2 and page.count("</script>") == 2 and "<img" not in page and "innermost" not in page
    )
    assert data_of(page)["rows"][0]["cells"][0]["answer"] == EVIL


@pytest.mark.parametrize("records", [
    [Record((Message("user", "没有参考答案的问题"),))],
    make_records(1),
    [Record((Message("user", "问"), Message("assistant", "。")), domain="x")],
])  # fmt: skip
@pytest.mark.parametrize("answer", [lambda q: "", lambda q: "答", ModelError("坏")])
def test_small_and_broken_comparisons_still_make_a_page(tmp_path, records, answer, capsys):
    comparison, summary = made(tmp_path, records, 甲=answer)
    assert len(data_of(page_of(tmp_path, comparison, summary))["rows"]) == 1 and summary.conclusion
    show_summary(comparison, summary)
    assert ("甲" in capsys.readouterr().out) != isinstance(answer, ModelError)  # no scores, no line


def test_the_conclusion_is_as_strong_as_the_interval(tmp_path):
    records = make_records(20)
    golden = {record.question: record.golden for record in records}
    _, better = made(tmp_path / "1", records, 基座=lambda q: "不知道", 调优=golden.get)
    assert better.conclusion[0].startswith("「调优」比「基座」：字符F1 ") and "提高是可信的" in better.conclusion[0]
    _, worse = made(tmp_path / "2", records, 基座=golden.get, 调优=lambda q: "不知道")
    assert "下降是可信的" in worse.conclusion[0]
    _, same = made(tmp_path / "3", records, 基座=lambda q: "条款", 调优=lambda q: "条款" if "1" in q else "费率")
    assert "分不出高下" in same.conclusion[0]
    _, one = made(tmp_path / "4", records[:1], 基座=lambda q: "不知道", 调优=golden.get)
    assert "不能下结论" in one.conclusion[0]
    _, few = made(tmp_path / "5", records[:5], 基座=lambda q: "不知道", 调优=golden.get)
    assert "只有 5 道题" in few.conclusion[1]
    _, failed = made(tmp_path / "6", records, 基座=golden.get, 调优=ModelError("坏"))
    assert "20 题全部出错" in failed.conclusion[-1] and "比「基座」" not in "".join(failed.conclusion)
    _, cut = made(tmp_path / "7", records, 基座=lambda q: "长" * 300)
    assert "截断" in cut.conclusion[-1]


def test_groups_by_domain_and_kind_add_up(tmp_path):
    _, summary = made(tmp_path, make_records(10), 基座=lambda q: "不知道", 调优=lambda q: q)
    assert {name: lines[0].values["f1"].count for name, lines in summary.by_domain.items()} == dict.fromkeys(
        ["保险", "股票", "基金", "贷款", "社保"], 2
    )
    assert {name: lines[1].differences["f1"].count for name, lines in summary.by_kind.items()} == {
        "问答": 5,
        "没练过的事实": 5,
    }


def numbered(kind: str, number: int) -> Record:
    turns = (Message("user", f"{kind}第{number}问？"), Message("assistant", f"等待期{number + 30}天。"))
    return Record(turns, id=f"{kind}{number}", domain="保险", kind=kind)


def test_scores_by_kind_are_printed_and_written(tmp_path, capsys):
    inputs = {"principal": "1000000", "rate": "0.049", "months": "360"}
    turns = (Message("user", "月供多少？"), Message("assistant", "5307.27元"))
    sums = Record(turns, id="c", kind="calc", extra={"calculator": "等额本息", "inputs": inputs})
    records = [*(numbered(kind, n) for kind in ("own", "unseen", "paraphrase") for n in range(4)), sums]
    golden = {record.question: record.golden for record in records}
    engines = {"基座": lambda q: "要等900天，每月还3元", "调优": golden.get, "坏": ModelError("坏")}
    comparison, summary = made(tmp_path, records, **engines)
    assert list(summary.by_kind) == ["转述", "没练过的事实", "计算", "own"]  # known ones first, in the reader's words
    shares = {kind: [line.values["numbers"].value for line in lines] for kind, lines in summary.by_kind.items()}
    assert shares == {kind: [0.0, 1.0, None] for kind in summary.by_kind}
    show_summary(comparison, summary)
    printed, written = capsys.readouterr(), markdown_scores(comparison, summary)
    for text in (printed.out, written):
        assert "按题型" in text and "没练过的事实" in text and "100%" in text and "坏" not in text
    assert "数字正确率 0% → 100%，差 +100 个百分点" in printed.err and "「坏」13 题全部出错" in printed.err
    assert "| 没练过的事实 | 基座 | " in written and "\n|  | 调优 | 1.00 \\[1.00, 1.00\\] | 4 | 100% " in written
    cells = data_of(page_of(tmp_path, comparison, summary))["rows"][-1]["cells"]
    assert [cell["numbers"] for cell in cells] == [0, 1, None] and "月供5307.27元" in cells[0]["numbers_note"]
    assert cells[0]["strays"] == [[10, 12]] and cells[1]["strays"] == []


def test_without_kinds_there_are_no_tables_by_kind(tmp_path, capsys):
    records = [Record(numbered("", n).messages) for n in range(4)]
    comparison, summary = made(tmp_path, records, 甲=lambda q: "等30天")
    show_summary(comparison, summary)
    assert "题型" not in capsys.readouterr().out + markdown_scores(comparison, summary)
    assert 'id="kinds"' not in (page := page_of(tmp_path, comparison, summary)) and 'id="domains"' not in page


def test_the_first_may_fail_and_the_rest_is_still_told(tmp_path):
    _, summary = made(tmp_path, make_records(12), 坏=ModelError("坏"), 甲=lambda q: "先看条款")
    assert summary.conclusion[0].startswith("「甲」的字符F1 是 ") and "「坏」12 题全部" in summary.conclusion[1]


def test_stray_numbers_are_placed_as_the_page_counts(tmp_path):
    record = numbered("qa", 0)
    comparison, summary = made(tmp_path, [record], 甲=lambda q: "😀等9天")
    assert data_of(page_of(tmp_path, comparison, summary))["rows"][0]["cells"][0]["strays"] == [[3, 5]]


def test_what_was_thought_is_in_the_page_beside_the_answer(tmp_path):
    comparison, summary = made(tmp_path, make_records(2), 甲=lambda q: "能退", 乙=lambda q: "不能")
    for cell in comparison.column("甲"):
        cell["reasoning"] = "先想条款"
    cells = data_of(page_of(tmp_path, comparison, summary))["rows"][0]["cells"]
    assert [(cell["reasoning"], cell["answer"]) for cell in cells] == [("先想条款", "能退"), ("", "不能")]


def test_perplexity_is_not_compared_over_different_bases(tmp_path):
    contestants = [
        {"name": "甲", "base": "b"},
        {"name": "乙", "base": "b", "adapter": "l"},
        {"name": "丙", "base": "c"},
    ]
    lab = Lab({name: FakeEngine(lambda q: q) for name in "甲乙丙"})
    lines = summarise(compare(make_recipe(tmp_path, contestants=contestants), make_records(), lab)).overall
    assert [line.differences["perplexity"].value for line in lines] == [None, 0.0, None]
    assert [round(line.values["perplexity"].value, 2) for line in lines] == [7.39] * 3


def test_differ_ignores_space_punctuation_and_failures():
    assert not differ([{"answer": "保险。"}, {"answer": " 保险"}, {"answer": "", "error": "坏"}])
    assert differ([{"answer": "保险"}, {"answer": ""}])


def test_markdown_has_one_line_a_question(tmp_path):
    records = [Record((Message("user", "a|b\nc"), Message("assistant", "<b>*粗*\r\n二")))]
    comparison, _ = made(tmp_path, records, 甲=lambda q: "`x`|\\", 坏=ModelError("打|不开"))
    lines = markdown(comparison).splitlines()
    assert lines[0] == "| 问题 | 参考答案 | 甲 | 坏 |" and lines[1] == "| --- | --- | --- | --- |" and len(lines) == 3
    assert lines[2] == "| a\\|b<br>c | &lt;b&gt;\\*粗\\*<br>二 | \\`x\\`\\|\\\\ | （出错：打\\|不开） |"


@given(st.text())
def test_markdown_cells_are_whole_and_shown_as_written(text):
    cell = escape(text)
    assert not re.search(r"(?<!\\)(\\\\)*\|", cell) and len(cell.splitlines()) <= 1
    read = html.unescape(re.sub(r"\\([\\|`*_~\[\]])", r"\1", cell.replace("<br>", "\n")))
    assert "\n".join(read.splitlines()) == "\n".join(text.splitlines())


def test_the_page_says_how_its_results_came_about(tmp_path):
    comparison, summary = made(tmp_path, make_records(4), 甲=lambda q: "能退", 坏=ModelError("坏"))
    page = html.unescape(page_of(tmp_path, comparison, summary))
    settings = page.split('id="settings"')[1].split("</details>")[0]
    assert comparison.fingerprints["甲"] in settings and "随机种子" in settings and "最短 2，中位 2，最长 2" in settings
    assert "0 / 4 题" in settings and "题目指纹" in settings
    other, _ = made(tmp_path / "2", make_records(3), 甲=lambda q: "能退")
    assert questions_digest(other) != questions_digest(comparison)
    assert "0 是毫无相同，1 是完全相同" in page and "95% 区间" in page  # in sight, not in a title


def test_a_conversation_keeps_its_turns_for_pairs(tmp_path):
    turns = ("user", "保什么？"), ("assistant", "重疾。"), ("user", "等多久？"), ("assistant", "90天。")
    record = Record(tuple(Message(role, text) for role, text in turns))
    rows = data_of(page_of(tmp_path, *made(tmp_path, [record, *make_records(1)], 甲=lambda q: "x")))["rows"]
    assert [turn["content"] for turn in rows[0]["turns"]] == ["保什么？", "重疾。", "等多久？"] and rows[1][
        "turns"
    ] == []
