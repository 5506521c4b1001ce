"""Bootstrap intervals: what they must contain, when there are none, and that differences are paired."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.comparison.interval import Estimate, difference, estimate
from cornucopia.comparison.metrics import METRICS

BY_KEY = {metric.key: metric for metric in METRICS}
F1, PERPLEXITY, SPEED = BY_KEY["f1"], BY_KEY["perplexity"], BY_KEY["speed"]


def ones(values):
    return [(float(value), 1.0) for value in values]


def test_nothing_and_one_have_no_interval():
    assert estimate(F1, []) == estimate(F1, [None, None]) == Estimate()
    assert estimate(F1, [None, (0.5, 1.0)]) == Estimate(0.5, None, None, 1)
    assert difference(F1, [None, (1.0, 1.0)], [(1.0, 1.0), None]) == Estimate()


def test_equal_values_have_no_width():
    assert estimate(F1, ones([0.5] * 20)) == Estimate(0.5, 0.5, 0.5, 20)


def test_interval_of_a_mean_is_about_two_standard_errors():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    found = estimate(F1, ones(values))
    width = 1.96 * values.std() / math.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - width, abs=0.002)
    assert found.high == pytest.approx(values.mean() + width, abs=0.002)


def test_ratios_weigh_long_rows_more():
    assert estimate(SPEED, [(10.0, 1.0), (90.0, 9.0)]).value == 10
    assert estimate(PERPLEXITY, [(2 * math.log(2), 2.0), (6 * math.log(4), 6.0)]).value == pytest.approx(2 ** (14 / 8))


def test_pairing_sees_a_small_steady_gain_that_the_spread_hides():
    hard = np.random.default_rng(1).uniform(0, 1, 50)
    gain = difference(F1, ones(hard + 0.02), ones(hard))
    assert gain.value == pytest.approx(0.02) and gain.sign == 1
    assert estimate(F1, ones(hard)).high - estimate(F1, ones(hard)).low > 0.1
    assert difference(F1, ones(hard), ones(hard + 0.02)).sign == -1
    assert difference(F1, ones(hard), ones(hard)).sign == 0


def test_differences_use_only_questions_both_answered():
    found = difference(F1, [(1.0, 1.0), None, (0.5, 1.0)], [(0.0, 1.0), (0.9, 1.0), (0.5, 1.0)])
    assert (found.value, found.count) == (0.5, 2)


def test_a_huge_perplexity_does_no_harm():
    assert math.isinf(estimate(PERPLEXITY, [(1e6, 1.0), (1e6, 1.0)]).value)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_intervals_lie_within_the_data_and_repeat(values):
    found = estimate(F1, ones(values))
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert estimate(F1, ones(values)) == found
