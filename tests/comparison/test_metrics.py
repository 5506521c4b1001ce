"""Scores with values computed by hand, and the laws they must keep."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.comparison.metrics import METRICS, repetition

BY_KEY = {metric.key: metric for metric in METRICS}


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
        "f1": 1, "rouge_l": 1, "numbers": 1, "doubts": 0, "perplexity": 3, "length": 4, "repetition": 0, "empty": 0,
        "cut_off": 1, "tokens": 10, "seconds": 4, "speed": 2.5,
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
