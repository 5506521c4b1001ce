"""Answers that seem to contradict the golden answer, a calculator or the handbook, and those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from comparison_fakes import FakeEngine, Lab, make_recipe
from cornucopia.comparison.cells import describe, make_questions
from cornucopia.comparison.doubts import CALCULATOR, GOLDEN, HANDBOOK, cited, doubts
from cornucopia.comparison.report import write_report
from cornucopia.comparison.run import compare
from cornucopia.comparison.summary import summarise
from cornucopia.core.paths import project_root
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Record

SPAN = "loan/01-equal-payment 第1-400字"


def cell(answer: str, **more: Any) -> dict[str, Any]:
    return {"answer": answer, "question": "额度最高多少？", **more}


@pytest.mark.parametrize(
    ("golden", "answer", "suspected"),
    [
        ("最高20万元。", "最高30万元。", [("30万元", "20万元")]),
        ("年利率3.6%。", "大约是3.9%，请以合同为准。", [("3.9%", "3.6%")]),
        ("最高20万元。", "最高二十万元，超过的部分另算。", []),
        ("最高20万元。", "最高20万元；成年后50万元。", []),
        ("最高20万元。", "30天内到账。", []),
        ("最高20万元。", "看各家公司的规定。", []),
        ("看合同怎么写。", "最高30万元。", None),
    ],
)
def test_against_the_golden_answer(golden, answer, suspected):
    found = doubts(cell(answer, golden=golden))
    if suspected is None:
        assert found is None
    else:
        assert [(one.said, one.wanted) for one in found] == suspected and all(one.by == GOLDEN for one in found)


def test_against_the_calculator_that_the_record_names():
    made = {"calculator": "equal-payment", "inputs": {"principal": "100万", "rate": "3.5%", "months": "30年"}}
    question = "贷款100万元，30年，年利率3.5%，等额本息，月供多少？"
    wrong = doubts({"answer": "月供5200.18元。", "question": question, **made})
    assert [(one.by, one.said, one.source) for one in wrong] == [(CALCULATOR, "5200.18元", "equal-payment")]
    assert "4490.45" in wrong[0].wanted and "疑似说错" in wrong[0].text
    right = "月供4490.45元，还款总额1616560.88元，总利息616560.88元。"
    assert doubts({"answer": right, "question": question, **made}) == []
    assert doubts({"answer": "要看银行。", "question": question, **made}) == []


def test_against_the_figures_of_the_handbook_that_the_record_cites():
    text, source = cited(SPAN)
    assert "每月约4490元" in text and source.startswith("《")
    found = doubts(cell("等额本息每月约4590元，共360期。", span=SPAN))
    assert [(one.by, one.said, one.wanted, one.source) for one in found] == [(HANDBOOK, "4590元", "4490元", source)]
    assert doubts(cell("等额本息每月约4490元，月供还可以有别的数，如5000元。", span=SPAN)) == []
    assert doubts(cell("每月约4590元。", question="每月约4590元对吗？", span=SPAN)) == []


@pytest.mark.parametrize("span", ["", "别的出处", "../../etc/passwd 第1-9字", "loan/没有 第1-9字"])
def test_no_handbook_is_held_against_what_cites_none(span):
    assert cited(span) is None and doubts(cell("每月约4590元。", span=span)) is None


def test_the_bundled_golden_answers_are_not_suspected():
    records = read_records(project_root() / "instruction_data" / "infer.json").records[::5]
    cells = [describe("甲", question) | {"answer": question.record.golden} for question in make_questions(records)]
    assert sum(cited(one.get("span", "")) is not None for one in cells) > 30
    assert not [found for one in cells for found in doubts(one) or ()]


def test_the_count_of_each_model_and_the_source_are_in_the_report(tmp_path):
    records = [
        Record((Message("user", f"额度最高多少（{n}）？"), Message("assistant", "最高20万元。")), id=f"q{n}")
        for n in range(4)
    ]
    engines = {"基座": FakeEngine(lambda asked: "最高30万元。"), "调优后": FakeEngine(lambda asked: "最高20万元。")}
    comparison = compare(make_recipe(tmp_path, "基座", "调优后"), records, Lab(engines))
    summary = summarise(comparison)
    assert "「基座」有 4 题的数字疑似说错（对照参考答案 4 题），请看这些回答。" in summary.conclusion
    assert not any("「调优后」有" in sentence for sentence in summary.conclusion)
    assert [line.values["doubts"].value for line in summary.overall] == [1, 0]
    assert summary.overall[1].differences["doubts"].value == -1
    write_report(tmp_path / "report.html", comparison, summary)
    assert "疑似说错：30万元，参考答案是 20万元" in (tmp_path / "report.html").read_text(encoding="utf-8")
