"""Questions that differ in a value are different; those that differ in writing only are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.records.overlap import overlap
from cornucopia.records.sameness import comparable, normalized
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stats import compute_stats

DIFFERENT = (
    "费率0.35%多少|费率35%多少;费率0.35%|费率3.5%;涨-3%|涨3%;涨－3%|涨3%;涨+3%|涨-3%;误差±2%|误差2%;费率3%|费率3‰;3%|3;"
    "$100|¥100;￥100|€100;收益>5%|收益<5%;收益≥5%|收益≤5%;5-10年|510年;5~10年|510年;3%–5%|35%;"
    "2025-11-2|2025-1-12;2025/1/12|2025/11/2;1/2|12;比例1:10|比例110;9:30开盘|930开盘;10²|102;3×4|34;"
    "T+0|T-0;A>B吗|A<B吗;买1,2|买12;1、12|11、2;−0.5|0.5;–5%|5%;.5%|5%;x=1|x≠1;2^3|23;3—5年|35年;-$8|$8;"
    "(-8)|(8);1,5|15;USD/CNY 7|USDCNY 7.0;"
    "由20→30|由2030;₹5|5;亏(8)万元|亏8万元;甲∪乙|甲∩乙;用C#算|用C算;"
)
SAME = (
    "费率０．３５％多少？|费率0.35%多少;什么是 ETF ？|什么是etf;１,０００元|1000元;"
    "12,345,678.5元|12345678.5元;涨 -3% 吗|涨−3%吗？;你好，请问。|你好请问;“复利”是什么|复利是什么!;"
    "5 － 10 年|5-10年;￥100|¥100;"
    "（股票）|(股票);3 %|3%;—— 股票|股票;甲、乙|甲乙;在吗~|在吗;(8)股票|8股票;"
)


def pairs(table):
    return [tuple(pair.split("|")) for pair in table.split(";") if pair]


@pytest.mark.parametrize(("one", "two"), pairs(DIFFERENT))
def test_another_value_is_another_question(one, two):
    assert normalized(one) != normalized(two)


@pytest.mark.parametrize(("one", "two"), pairs(SAME))
def test_another_writing_is_the_same_question(one, two):
    assert normalized(one) == normalized(two)


def asked(*turns, material=""):
    messages = tuple(Message(("user", "assistant")[n % 2], text) for n, text in enumerate(turns))
    return Record(messages, passages=(Passage(material),) if material else ())


def test_a_conversation_is_compared_whole():
    one, two = (
        asked("保单丢了怎么办", "补发。", "要多久？", "三天"),
        asked("卡丢了怎么办", "挂失。", "要多久？", "七天"),
    )
    assert comparable(one) != comparable(two)
    assert comparable(one) == comparable(asked("保单丢了怎么办？", "补发", "要多久", "另答"))
    stats = compute_stats([one, two, asked("要多久", "一天")])
    assert (stats.exact_duplicates, stats.contradictions) == (0, 0)
    assert comparable(asked("总结", "答", material="甲")) != comparable(asked("总结", "答", material="乙"))


def test_only_the_same_question_has_leaked_whole():
    data, exam = (
        [asked("年费率0.25%，十万元付多少？", "250"), asked("ababababab", "x")],
        [asked("年费率25%，十万元付多少？"), asked("babababababa")],
    )
    assert all(pair.similarity < 1 for pair in overlap(data, exam, 0.1))
    (leaked,) = overlap(data, [asked("年费率０.２５%,十万元付多少")])
    assert (leaked.left, leaked.right, leaked.similarity) == (0, 0, 1.0)


@given(st.text())
def test_any_text_is_compared_as_itself(text):
    assert normalized(text) == normalized(f" {text} ") or not normalized(text).strip()
    assert normalized(normalized(text)) is not None


@given(st.decimals(-(10**6), 10**6, places=2), st.decimals(-(10**6), 10**6, places=2))
def test_numbers_are_equal_only_when_they_are(one, two):
    same = normalized(f"值为{one}%吗？") == normalized(f"值为 {two}% 吗")
    assert same == (f"{one}" == f"{two}")
