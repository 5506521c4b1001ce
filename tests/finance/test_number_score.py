"""数字正确率: what counts, what does not, and that it cannot be had without saying the right numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.finance.score import score_numbers

GOLDEN = "等待期90天，免赔额1万元，赔80%，2024年7月1日起施行。"
INPUTS = {"principal": "1000000", "rate": "0.049", "months": "360"}
texts = st.text(alphabet="0123456789.,%万亿元年月天期=×÷+-()一二十百半成到第，。错钱😀", max_size=40)


@pytest.mark.parametrize(("answer", "share"), [
    (GOLDEN, 1), ("", 0), ("看合同怎么写。", 0),
    ("九十天，10000元，八成，2024年7月。", 1),  # other spellings, the date to the month
    ("90天，1万元", 0.5), ("90天，90天", 0.25),
    ("180天，1万元，80%，2024年7月1日", 3 / 5),  # 180天 for 90天 costs twice: not said, and wrong
    ("1. 90天\n2. 1万元\n3. 80%\n4. 2024年7月1日", 1),  # numbers of a list are no claims
    ("90天，1万元，80%，2024年7月1日，共3份合同", 1),  # 份 contradicts nothing
    ("1:2:15:90:80:10:1", 0),  # nor does a model that stutters small bare numbers hit 90天 or 80%
    ("90天30天60天1万元2万元3万元80%70%60%2024年7月1日", 4 / 10),  # to name many does not pay
])  # fmt: skip
def test_by_the_golden_answer(answer, share):
    assert score_numbers(answer, question="医疗险怎么赔？", golden=GOLDEN).share == pytest.approx(share)


def test_numbers_of_the_question_earn_and_cost_nothing():
    asked = {"question": "10万保额，等待期90天，怎么赔？", "golden": "90天后赔10万元的80%，也就是8万元。"}
    assert score_numbers("10万保额，90天", **asked).share == 0
    assert score_numbers("10万元的80%，8万元", **asked).share == 1
    assert score_numbers("3万元", golden="2万元", question="总结", given="一期2万元，二期3万元").strays == ()


def test_spans_of_time_and_money_in_other_units():
    assert score_numbers("6个月", question="", golden="半年").share == 1
    assert score_numbers("两年", question="", golden="24个月").share == 1
    assert score_numbers("100美元", question="", golden="100元").share == 0
    assert score_numbers("约5307元", question="", golden="5307.27元").share == 1
    assert score_numbers("5307.27元", question="", golden="约5307元").share == 1
    assert score_numbers("约0.5万元", question="", golden="5307.27元").share == 0


def test_what_is_said_without_support_is_shown():
    answer = "😀等180天，赔80%，另收3万元"
    score = score_numbers(answer, question="", golden="等90天，赔80%")
    assert [answer[slice(*span)] for span in score.strays] == ["180天", "3万元"]
    assert score.explanation == "没说：90天；说错：180天；没有依据：3万元"
    none = score_numbers("年化12%，赚3万元", question="这只基金怎么样？", golden="不能推荐个股和基金。")
    assert none.share is None and len(none.strays) == 2


def test_a_calculator_judges_before_the_golden_answer():
    asked = {"question": "月供多少？", "golden": "每月1元", "calculator": "等额本息", "inputs": INPUTS}
    assert score_numbers("每月还5307.27元", **asked).share == 1
    wrong = score_numbers("每月还5308元", **asked)
    assert wrong.share == 0 and wrong.strays == ((3, 8),) and "月供5307.27元" in wrong.explanation
    read = "房贷100万，利率4.9%，期限30年，选等额本息的话月供是多少？"
    assert score_numbers("5307元", question=read).share == 1 and score_numbers("", question=read).share == 0
    assert score_numbers("3元", question="", golden="3元", calculator="没有", inputs={}).share == 1


@given(texts, texts, texts)
def test_laws(answer, golden, question):
    score = score_numbers(answer, question=question, golden=golden)
    assert score.share is None or 0 <= score.share <= 1
    assert all(0 <= start < end <= len(answer) for start, end in score.strays)
    own, empty = (score_numbers(text, question=question, golden=golden) for text in (golden, "不知道"))
    assert own.share in (None, 1) and empty.share in (None, 0)
    assert (own.share is None) == (empty.share is None) == (score.share is None)  # which questions count


@settings(max_examples=25)
@given(st.sampled_from("09一万亿%.="), st.integers(1, 400), st.sampled_from(["", "元", "年", "%", "×3=1"]))
def test_a_model_that_stutters_is_merely_wrong(char, times, tail):
    answer = char * times + tail
    asked = {"question": "月供多少？", "calculator": "等额本息", "inputs": INPUTS}
    assert score_numbers(answer, **asked).share == 0
    assert score_numbers(answer, question="", golden=GOLDEN).share in (0, 0.25)
