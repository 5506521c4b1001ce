"""The instrument itself: numbers as models write them, each judged by hand as right or wrong (final_numbers.txt)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.evaluation.final_number import final_number_is

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/evaluation"))
from number_table import flexible_extract, judged_otherwise, ours, read_table

TABLE = read_table(Path(__file__).with_name("final_numbers.txt"))
KNOWN = {("最大回撤为-8%", "8%")}  # whether a drawdown has a sign is told by neither text


def test_the_table_is_large_and_holds_both_kinds():
    assert len(TABLE) >= 400 and len({row[:2] for row in TABLE}) == len(TABLE)
    assert min(sum(right for *_, right in TABLE), sum(not right for *_, right in TABLE)) >= 120


def test_less_than_one_percent_of_the_table_is_judged_otherwise():
    wrong = [row for row in TABLE if (final_number_is(row[0], row[1]) is True) != row[2]]
    theirs = sum(lm_eval_says(answer, golden) != right for answer, golden, right in TABLE)
    told = f"{len(TABLE)} 条，判错 {len(wrong) / len(TABLE):.2%}"
    print(f"{told}；lm_eval 的正则判错 {theirs / len(TABLE):.2%}")
    assert len(wrong) < len(TABLE) / 100 and {row[:2] for row in wrong} <= KNOWN, wrong


@pytest.mark.parametrize(
    ("answer", "question", "golden", "right"),
    [
        ("贷款20万元，30年，每月还1061.45元", "贷款20万元，30年，每月还多少？", "1061.45元", True),
        ("每月还1061.45元，贷款20万元", "贷款20万元，30年，每月还多少？", "1061.45元", True),
        ("贷款20万元", "贷款20万元，30年，每月还多少？", "1061.45元", False),
        ("还是20万元", "原来20万元，后来呢？", "20万元", True),
    ],
)
def test_numbers_of_the_question_are_not_taken_for_the_result(answer, question, golden, right):
    assert final_number_is(answer, golden, question) is right


def test_what_has_no_number_is_not_judged():
    assert final_number_is("说不好", "5元") is None and final_number_is("5元", "没有") is None


@given(st.text(alphabet='0123456789.,-()（）亿万千百元%％年月日=＝≈答案所以：:\\boxed{}"$ \n一二三半WkM', max_size=40))
def test_no_text_breaks_it(text):
    assert final_number_is(text, "5.2亿元") in (True, False, None)
