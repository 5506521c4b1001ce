"""Scores with values computed by hand, and the laws they must keep."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.comparison.metrics import METRICS, character_f1, lcs_length, normalise, repetition, rouge_l

BY_KEY = {metric.key: metric for metric in METRICS}
words = st.text(alphabet="保险金额%0.5，。 aＡ", max_size=12)


@pytest.mark.parametrize(("text", "left"), [
    ("ＡＢＣ１２３", "abc123"), ("年利率３．５％。", "年利率3.5%"), ("3.5% 不是 35%", "3.5%不是35%"),
    ("约 1,000 元", "约1000元"),
    ("（一）“保本”？！", "一保本"), ("结束.", "结束"), (".5", "5"), ("第1.条", "第1条"),
    ("\u3000\n\t", ""), ("¥100+", "¥100+"),
])  # fmt: skip
def test_normalise(text, left):
    assert normalise(text) == left


@pytest.mark.parametrize(("answer", "golden", "f1", "rouge"), [
    ("等待期90天", "等待期180天", 2 * 5 / 13, 2 * 5 / 13),  # shared: 等待期0天
    ("天气", "保险", 0, 0),
    ("险保", "保险", 1, 0.5),  # the same characters, in another order
    ("保保保", "保", 0.5, 0.5),
    ("", "保险", 0, 0), ("保险", "", 0, 0), ("", "", 1, 1), ("。", "", 1, 1),
    ("３．５％", "3.5%", 1, 1), ("35%", "3.5%", 2 * 3 / 7, 2 * 3 / 7),
])  # fmt: skip
def test_scores_by_hand(answer, golden, f1, rouge):
    assert character_f1(answer, golden) == pytest.approx(f1)
    assert rouge_l(answer, golden) == pytest.approx(rouge)


@given(words, words)
def test_laws_of_the_scores(left, right):
    for score in (character_f1, rouge_l):
        assert 0 <= score(left, right) <= 1 and score(left, right) == score(right, left) and score(left, left) == 1
    same = sorted(normalise(left)) == sorted(normalise(right))
    assert (character_f1(left, right) == 1) == same
    assert (rouge_l(left, right) == 1) == (normalise(left) == normalise(right))
    assert rouge_l(left, right) <= character_f1(left, right) + 1e-12


@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_bit_parallel_lcs_equals_the_table(left, right):
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert lcs_length(left, right) == table[-1][-1]


def test_repetition():
    assert repetition("一二三四五") == 0 and repetition("") == 0 and repetition("一二") == 0
    assert repetition("一二一二一二") == pytest.approx(1 / 3)  # 一二一二 二一二一 一二一二
    assert repetition("一" * 103) == pytest.approx(0.99)


@given(st.text(max_size=40))
def test_repetition_is_a_share(text):
    assert 0 <= repetition(text) < 1


def numbers(answer, **cell):
    pair = BY_KEY["numbers"].of({"answer": answer, "question": "", "golden": "", **cell})
    return pair and pair[0] / pair[1]


def test_numbers_of_a_cell_are_judged_by_the_golden_answer_or_the_calculator():
    asked = {"question": "退货险的10万保额怎么赔？", "golden": "等待期90天，最高10万元，赔80%。"}
    assert numbers("90天，80%", **asked) == 1 and numbers("不清楚。", **asked) == 0 and numbers("90天", **asked) == 0.5
    assert numbers("30天", golden="30天", material="30天") == 1  # a task on its material
    assert numbers("涨到8元", golden="没有数字") is None and numbers("涨到8元") is None
    inputs = {"principal": "1000000", "rate": "0.049", "months": "360"}
    made = {"kind": "calc", "calculator": "等额本息", "inputs": inputs, "golden": "每月还1元"}
    assert numbers("每月还5307.27元", **made) == 1 and numbers("每月还1元", **made) == 0 and numbers("", **made) == 0
    assert numbers("这么算", golden="", calculator="等额本息", inputs=inputs) == 0


@pytest.mark.parametrize("made", [
    {"calculator": 5, "inputs": {}}, {"calculator": "没有这个", "inputs": {}}, {"calculator": "等额本息"},
    {"calculator": "等额本息", "inputs": [1]}, {"calculator": "等额本息", "inputs": {"principal": None, "x": {}}},
])  # fmt: skip
def test_a_calculator_that_cannot_run_leaves_the_golden_answer(made):
    assert numbers("3元", golden="3元", **made) == 1 and numbers("4元", golden="3元", **made) == 0


def test_values_of_a_cell():
    cell = {"answer": "保5天。", "golden": "保5天", "finish_reason": "length", "completion_tokens": 10, "seconds": 4.0,
            "golden_nll": 2 * math.log(3), "golden_tokens": 2, "error": ""}  # fmt: skip
    values = {key: float(metric.value(*metric.of(cell))) for key, metric in BY_KEY.items()}
    assert values == pytest.approx({
        "f1": 1, "rouge_l": 1, "numbers": 1, "perplexity": 3, "length": 4, "repetition": 0, "empty": 0, "cut_off": 1,
        "tokens": 10, "seconds": 4, "speed": 2.5,
    })  # fmt: skip


@pytest.mark.parametrize(
    "cell", [{}, {"answer": "", "error": "坏了", "golden": "保险", "golden_nll": 1.0, "golden_tokens": 1}]
)
def test_a_cell_without_an_answer_has_no_values(cell):
    assert [metric.of(cell) for metric in METRICS] == [None] * len(METRICS)


def test_missing_parts_leave_out_their_metric_only():
    cell = {
        "answer": "保险",
        "golden": "",
        "golden_nll": None,
        "golden_tokens": 0,
        "seconds": 0,
        "completion_tokens": 0,
    }
    have = {key for key, metric in BY_KEY.items() if metric.of(cell) is not None}
    assert have == {"length", "repetition", "empty", "cut_off"}


def test_showing():
    assert BY_KEY["f1"].show(0.236, sign=True) == "+0.24" and BY_KEY["f1"].show(None) == "—"
    assert (
        BY_KEY["cut_off"].show(0.0041) == "0.4%"
        and BY_KEY["cut_off"].show(0.286) == "29%"
        and BY_KEY["empty"].show(0) == "0%"
    )
    assert (
        BY_KEY["perplexity"].show(float("inf")) == "inf"
        and BY_KEY["perplexity"].show(12345.678) == "12,346"
        and BY_KEY["f1"].show(-0.001) == "0.00"
    )
