"""Which facts of an answer a text carries, and which it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.records.grounding import check, check_answer, facts
from cornucopia.records.schema import Message, Record

SOURCE = (
    "公司于2024年3月1日发行债券10亿元，票面利率3.25%，期限五年。"
    "依据《中华人民共和国公司法》第一百四十七条，募集说明书称之为「绿色债券」。"
)


def missing(answer, text=SOURCE, **more):
    return [fact.text for fact in check_answer(answer, text, **more).missing]


@pytest.mark.parametrize(
    "answer",
    [
        "发行了1,000,000,000元。",
        "发行100000万元，利率千分之三十二点五。",
        "2024-03-01发行，期限60个月。",
        "依据公司法第147条。",
        "按《公司法》（2023年修订）办。",
        "这叫“绿色债券”。",
        "利率3.250%。",
        "这里没有要核对的东西。",
    ],
)
def test_another_spelling_is_the_same_fact(answer):
    assert missing(answer) == []


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        ("发行了10万元。", ["10万元"]),
        ("利率3.52%。", ["3.52%"]),
        ("发行10亿美元。", ["10亿美元"]),
        ("2023年3月1日发行。", ["2023年3月1日"]),
        ("依据《证券法》第148条。", ["《证券法》", "第148条"]),
        ("这叫「蓝色债券」。", ["「蓝色债券」"]),
        ("期限3年，利率3.25%。", ["3年"]),
    ],
)
def test_what_the_text_does_not_carry_is_missing(answer, gone):
    assert missing(answer) == gone


def test_what_the_question_says_or_arithmetic_gives_needs_no_source():
    told = check_answer("您投的20万元，利息＝20万元×3.25%＝6500元。", SOURCE, question="我投了20万元，利息多少？")
    assert not told.missing and {fact.text for fact in told.given} == {"20万元", "6500元"}
    assert missing("利息＝20万元×3.25%＝6600元。", question="我投了20万元") == ["6600元"]
    assert missing("共3×4000=12000元。") == ["4000", "12000元"], "operands out of nowhere give nothing"


def test_the_marks_of_json_quote_nothing():
    assert missing('{"期限": "3年", "名称": "债券"}') == ["3年"]
    assert missing('它叫"蓝色债券"。') == ['"蓝色债券"']


def test_what_the_assistant_said_before_is_no_source():
    turns = [("user", "发行多少？"), ("assistant", "12亿元。"), ("user", "真的吗？"), ("assistant", "是，12亿元。")]
    record = Record(tuple(Message(role, text) for role, text in turns))
    assert [fact.text for fact in check(record, SOURCE).missing] == ["12亿元"]
    assert check(record, SOURCE).share == 0 and check(record, SOURCE).told() == "数字「12亿元」"


def test_facts_lie_where_they_say():
    answer = "《公司法》第147条：10亿元、3.25%、2024年3月1日、“绿色债券”。"
    found = facts(answer)
    assert [fact.kind for fact in found] == ["法规", "条款", "数字", "百分比", "日期", "引语"]
    assert all(answer[fact.start : fact.end] == fact.text for fact in found)


@given(st.text(alphabet="第一百四条《》「」“”年月日0123456789.,%万亿元利率=×约（）\n\u3000", max_size=60))
def test_any_text_carries_itself_and_nothing_raises(text):
    whole = check_answer(text, text)
    assert not whole.missing
    empty = check_answer(text, "")
    assert not empty.found
    assert len(empty.given) + len(empty.missing) == len(whole.found) == len(facts(text))
