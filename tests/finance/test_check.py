"""Problems are read back and solved, right answers pass in any wording, wrong ones are caught."""

from __future__ import annotations

import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from cornucopia.finance.check import check_numbers
from cornucopia.finance.equations import evaluate, read_equations
from cornucopia.finance.problems import generate, phrasings, read_question, records

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from calc_roundtrip import faults

QUESTION = "房贷100万，利率4.9%，期限30年，选等额本息的话月供是多少？"


def test_problems_round_trip_and_corruptions_are_caught() -> None:
    random = Random(7)
    assert [fault for problem in generate(100, 7) for fault in faults(problem, random)] == []


def test_enough_calculators_each_with_several_phrasings() -> None:
    assert len(phrasings()) >= 40 and all(len(row.asks) >= 2 for row in phrasings())
    asks = [ask for row in phrasings() for ask in row.asks]
    assert len(set(asks)) == len(asks) >= 150


def test_same_seed_same_problems() -> None:
    assert generate(30, 3) == generate(30, 3) != generate(30, 4)


@pytest.mark.parametrize(
    "answer",
    ["每月还5,307.27元。", "大约5307元一个月", "月供约0.531万元", "五千三百零七元左右", "5307.27块，总利息91.06万元",
     "月利率是4.9%÷12=0.4083%，所以月供5307.27元，前12个月共还63687.24元"],
)  # fmt: skip
def test_right_in_other_words(answer: str) -> None:
    verdict = check_numbers(QUESTION, answer)
    assert verdict.right is True, verdict


@pytest.mark.parametrize(
    "answer",
    ["每月还5307.37元。", "大约5400元", "月供约0.5万元", "看银行规定", "月供5307.27元，也就是每月5807.27元",
     "月供5307.27元，总利息810616.19元", "月供约1万元", "100万×4.9%÷12=4183.33元，月供5307.27元"],
)  # fmt: skip
def test_wrong_is_caught(answer: str) -> None:
    verdict = check_numbers(QUESTION, answer)
    assert verdict.right is False and verdict.expected == {"月供": "5307.27元"}


def test_named_calculator_with_inputs() -> None:
    inputs = {"born": "1970-05", "kind": "男"}
    asked = {"calculator": "退休年龄", "inputs": inputs}
    assert check_numbers("我爸什么时候退休？", "2031年10月", **asked).right is True
    assert check_numbers("我爸什么时候退休？", "2031年11月", **asked).right is False
    assert check_numbers("我爸什么时候退休？", "2031年10月").right is None
    assert check_numbers("", "1元", calculator="等额本息", inputs={"principal": -1}).right is None


def test_equations() -> None:
    text = "利息=10万元×0.1%×90天÷360=25元，(7800元+7020元)÷2×30×1%=2223元，3×4=13"
    assert [(one.text[-5:], one.holds) for one in read_equations(text)] == [
        ("0=25元", True),
        ("2223元", True),
        ("×4=13", False),
    ]
    assert read_equations("本金×月利率=100元，收益率×365÷90=6.08%") == []
    assert evaluate([Decimal(2), "^", Decimal(3), "^", Decimal(2)]) == 512
    assert evaluate([Decimal(1), "/", Decimal(0)]) is None and evaluate(["(", Decimal(1)]) is None


def test_records_are_short_sourced_and_solvable() -> None:
    rows = records(200, 5)
    assert len({row["instruction"] for row in rows}) == len({row["id"] for row in rows}) == 200
    assert all(60 <= len(row["output"]) <= 200 and row["source"] and row["as_of"] for row in rows)
    assert len(Counter(row["domain"] for row in rows)) == 8 and len({row["calculator"] for row in rows}) >= 20
    for row in rows[:40]:
        given = {"calculator": row["calculator"], "inputs": row["inputs"]}
        assert check_numbers(row["instruction"], row["output"], **given).right is True


def test_other_questions_are_not_read() -> None:
    for question in ("手上有20万存款，可以作什么投资", "", "等额本息是什么意思？", QUESTION + "还有别的办法吗？"):
        assert read_question(question) is None
