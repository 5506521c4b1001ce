"""Agreement and kappa against values reckoned by hand."""

from __future__ import annotations

import pytest

from cornucopia.comparison.judging.agreement import Both, agreement


def pairs(counts: dict[tuple[str, str], int]) -> list[Both]:
    words = [words for words, count in counts.items() for _ in range(count)]
    return [Both(one, other, f"q{place}") for place, (one, other) in enumerate(words)]


def test_kappa_by_hand():
    # Marginals 25/25 and 30/20 of 50: chance is .5; observed 35/50; kappa (.7 - .5) / .5.
    counts = {("first", "first"): 20, ("first", "second"): 5, ("second", "first"): 10, ("second", "second"): 15}
    found = agreement("甲", "乙", pairs(counts))
    assert found.share.value == pytest.approx(0.7) and found.kappa.value == pytest.approx(0.4)
    assert found.share.low < 0.7 < found.share.high and found.kappa.low < 0.4 < found.kappa.high
    assert found.decided == found.share


def test_ties_are_a_category_of_their_own_and_are_left_out_where_both_decided():
    counts = {("first", "first"): 4, ("tie", "tie"): 3, ("tie", "first"): 2, ("second", "first"): 1}
    found = agreement("甲", "乙", pairs(counts))
    assert found.share.value == pytest.approx(0.7) and (found.decided.value, found.decided.count) == (0.8, 5)
    chance = (4 * 7 + 1 * 0 + 5 * 3) / 100
    assert found.kappa.value == pytest.approx((0.7 - chance) / (1 - chance))


def test_where_kappa_is_undefined_or_questions_are_few_nothing_is_claimed():
    same = agreement("甲", "乙", pairs({("tie", "tie"): 5}))
    assert same.share.value == 1 and same.kappa.value is None and same.decided.value is None
    assert agreement("甲", "乙", []).share.count == 0
    one = agreement("甲", "乙", [Both("first", "first", "q"), Both("first", "second", "q")])
    assert one.share.value == 0.5 and one.share.low is None


def test_votes_on_one_question_count_as_a_cluster():
    counts = {("first", "first"): 20, ("first", "second"): 20}
    alone = agreement("甲", "乙", pairs(counts))
    clustered = agreement(
        "甲", "乙", [Both(one.one, one.other, f"q{place // 10}") for place, one in enumerate(pairs(counts))]
    )
    assert clustered.share.high - clustered.share.low > 1.5 * (alone.share.high - alone.share.low)
