"""Intervals and tests with values from tables or computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.evaluation.aggregates import entity_f1, expected_calibration_error, macro_f1, weighted_f1
from cornucopia.evaluation.statistics import difference, estimate, wilson


def test_wilson_by_hand():
    found = wilson(8, 10)  # Newcombe 1998 gives 0.4901 to 0.9433
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 20).low == 0 and wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)
    assert wilson(20, 20).high == 1 and wilson(0, 0).low is None


def test_a_difference_needs_the_same_questions_to_disagree():
    ours, theirs = [1.0] * 12 + [0.0] * 8, [0.0] * 4 + [1.0] * 8 + [0.0] * 8
    gap = difference(ours, theirs)
    assert gap.value == pytest.approx(0.2) and gap.p == pytest.approx(0.125) and gap.sign == 0
    gap = difference([1.0] * 10, [0.0] * 10)
    assert gap.p == pytest.approx(2 / 1024) and gap.sign == 1 and (gap.low, gap.high) == (1, 1)
    assert difference([0.0] * 10, [1.0] * 10).sign == -1


def test_shares_that_are_no_right_or_wrong_have_a_bootstrap_interval():
    found = estimate([0.2, 0.4, 0.6, 0.8] * 25)
    assert found.value == pytest.approx(0.5) and found.low < 0.5 < found.high and found.high - found.low < 0.2
    assert found == estimate([0.2, 0.4, 0.6, 0.8] * 25) and estimate([0.3]).low is None
    assert estimate([0.25] * 9).low is None  # draws that are all the same tell nothing
    gap = difference([0.5] * 30, [0.4] * 30)
    assert gap.p is None and gap.sign == 1


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_holds_the_share(right, count):
    found = wilson(min(right, count), count)
    assert 0 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1


def test_f1_by_hand():
    pairs = [(["甲"], ["甲"]), (["甲"], ["乙"]), (["乙"], ["乙"]), (["乙"], []), (["丙"], ["甲"])]
    # 甲: wanted 2, said 2, both 1 -> 1/2; 乙: wanted 2, said 2, both 1 -> 1/2; 丙: 0
    assert macro_f1(pairs) == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert weighted_f1(pairs) == pytest.approx((0.5 * 2 + 0.5 * 2 + 0) / 5)
    assert entity_f1([(["甲", "乙"], ["甲", "丙"]), ([], ["丁"]), (["戊"], ["戊"])]) == pytest.approx(2 * 2 / (3 + 4))
    assert entity_f1([([], [])]) == 1 and macro_f1([([], ["甲"])]) == 0
    triples = [(["甲|收购|乙", "丙|持股|丁"], ["甲|收购|乙"])]
    assert entity_f1(triples) == pytest.approx(2 / 3)


def test_calibration_by_hand():
    # bin 0.9-1: confidence 0.95 and 0.9, one right of two; bin 0.6-0.7: 0.6, right
    pairs = [[0.95, 1], [0.9, 0], [0.6, 1]]
    assert expected_calibration_error(pairs) == pytest.approx((abs(1.85 - 1) + abs(0.6 - 1)) / 3)
    assert expected_calibration_error([[1.0, 1], [1.0, 1]]) == 0
