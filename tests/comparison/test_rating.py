"""Ratings against hand-computed, published and independently computed ones, and where no maximum exists."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.comparison.bradley_terry import Game, fit, has_maximum
from cornucopia.comparison.rating import SCALE, SURE, Match, elo, rate
from cornucopia.core.errors import DataError

# The American League of 1987, row's wins over column: Agresti 2002, "Categorical Data Analysis", table 10.10; fitted by
# Turner & Firth 2012, "Bradley-Terry Models in R: The BradleyTerry2 Package", J. Stat. Software 48(9).
TEAMS = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
WINS = [
    [0, 7, 9, 7, 7, 9, 11], [6, 0, 7, 5, 11, 9, 9], [4, 6, 0, 7, 7, 8, 12], [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12], [4, 4, 5, 6, 6, 0, 6], [2, 4, 1, 3, 1, 7, 0],
]  # fmt: skip
PUBLISHED = [1.581, 1.436, 1.294, 1.248, 1.108, 0.684, 0.0]
DEVIATIONS = [0.343, 0.340, 0.337, 0.336, 0.334, 0.332]


def games(*results):
    """Games of (i, j, score), each a cluster of its own."""
    return [Game(i, j, score, number) for number, (i, j, score) in enumerate(results)]


def times(count, a, b, score):
    return [Match(a, b, score)] * count


def test_the_american_league_of_1987_as_published():
    played = [(i, j, 1.0) for i, row in enumerate(WINS) for j, wins in enumerate(row) for _ in range(wins)]
    fitted = fit(7, games(*played))
    assert [round(float(one - fitted.strength[6]), 3) for one in fitted.strength] == PUBLISHED
    model = fitted.covariances[0]
    errors = [(model[i, i] + model[6, 6] - 2 * model[i, 6]) ** 0.5 for i in range(6)]
    assert errors == pytest.approx(DEVIATIONS, abs=6e-4)
    assert not fitted.steadied


def test_two_players_have_the_odds_of_their_wins():
    table = rate(times(6, "甲", "乙", 1.0) + times(2, "甲", "乙", 0.0))
    first, second = table.ratings
    assert first.name == "甲" and first.rating - second.rating == pytest.approx(SCALE * math.log(3))
    # The difference's variance is 1/(n p q); each rating moves half as far.
    assert first.high - first.rating == pytest.approx(SCALE * SURE * (1 / (8 * 0.75 * 0.25)) ** 0.5 / 2, rel=0.1)
    assert (first.wins, first.ties, first.losses, first.matches) == (6, 0, 2, 8)
    assert not table.notes


def test_ties_of_two_players_have_davidsons_closed_form():
    fitted = fit(2, games(*[(0, 1, 1.0)] * 8, *[(0, 1, 0.0)] * 2, *[(0, 1, 0.5)] * 4))
    assert float(fitted.strength[0] - fitted.strength[1]) == pytest.approx(math.log(8 / 2))
    assert math.exp(fitted.tie) == pytest.approx(4 / (8 * 2) ** 0.5)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=8, max_size=60))
def test_the_fit_is_the_one_that_minorisation_finds(drawn):
    """Hunter 2004, MM algorithms for generalized Bradley-Terry models: slow, and no code in common with ours."""
    played = [(i, j, float(won)) for i, j, won in drawn if i != j]
    played += [(i, j, score) for i, j in combinations(range(4), 2) for score in (1.0, 0.0)]
    strength = [1.0] * 4
    for _ in range(3000):
        wins = [sum(s if x == i else 1 - s for x, y, s in played if i in (x, y)) for i in range(4)]
        meets = [sum(1 / (strength[x] + strength[y]) for x, y, _ in played if i in (x, y)) for i in range(4)]
        new = [win / meet for win, meet in zip(wins, meets, strict=True)]
        middle = math.prod(new) ** 0.25
        new = [one / middle for one in new]
        done = max(abs(one - old) for one, old in zip(new, strength, strict=True)) < 1e-10
        strength = new
        if done:
            break
    assert list(fit(4, games(*played)).strength) == pytest.approx([math.log(one) for one in strength], abs=1e-6)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from("甲乙丙丁戊"), st.sampled_from("甲乙丙丁戊"), st.sampled_from([0.0, 0.5, 1.0])),
        min_size=1, max_size=25,
    ).map(lambda rows: [Match(a, b, score) for a, b, score in rows if a != b])
)  # fmt: skip
def test_any_verdicts_give_finite_ratings_whatever_their_order(matches):
    table, back = rate(matches), rate([Match(m.b, m.a, 1 - m.score) for m in reversed(matches)])
    for line in table.ratings:
        other = next(one for one in back.ratings if one.name == line.name)
        assert math.isfinite(line.rating) and line.low < line.rating < line.high
        assert (other.rating, other.low, other.rank) == (
            pytest.approx(line.rating, abs=1e-3), pytest.approx(line.low, abs=1e-3), line.rank
        )  # fmt: skip
    for group in {line.group for line in table.ratings}:
        own = [line.rating for line in table.ratings if line.group == group]
        assert sum(own) / len(own) == pytest.approx(1000)


@pytest.mark.parametrize(
    ("played", "exists"),
    [
        ([(0, 1, 1.0)], False),
        ([(0, 1, 1.0), (0, 1, 0.0)], True),
        ([(0, 1, 0.5)], False),  # nothing but ties: their share grows without end
        ([(0, 1, 1.0), (0, 1, 0.5)], False),  # strength and ties grow together, a loss grows ever less likely
        ([(0, 1, 1.0), (0, 1, 0.5), (0, 1, 0.0)], True),
        ([(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0)], True),
        ([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)], False),
        ([(0, 1, 1.0), (1, 0, 1.0), (2, 0, 0.5), (2, 1, 0.5)], True),
        ([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 0.5)], True),  # two steps up, and yet a tie
    ],
)
def test_where_the_likelihood_has_a_maximum(played, exists):
    count = 1 + max(max(i, j) for i, j, _ in played)
    assert has_maximum(count, games(*played)) is exists
    assert fit(count, games(*played)).steadied is not exists


def test_one_who_only_won_is_steadied_and_that_is_told():
    table = rate(times(3, "甲", "乙", 1.0))
    first, second = table.ratings
    assert 1000 < first.rating < 1500 and first.low < 1000  # three games prove little
    assert first.rank == second.rank == 1
    assert "加了半局" in table.notes[0]
    many = rate(times(60, "甲", "乙", 1.0))
    assert many.ratings[0].low > 1000 and [line.rank for line in many.ratings] == [1, 2]


def test_groups_that_never_met_are_told_apart():
    matches = [*times(3, "甲", "乙", 1.0), *times(2, "甲", "乙", 0.0), *times(1, "乙", "丙", 1.0)]
    table = rate([*matches, *times(1, "丙", "乙", 1.0), *times(4, "子", "丑", 1.0), *times(4, "丑", "子", 1.0)])
    assert [(line.name, line.group) for line in table.ratings[3:]] == [("丑", 1), ("子", 1)]
    assert {line.group for line in table.ratings[:3]} == {0}
    assert table.ratings[3].rating == pytest.approx(1000)
    assert "组内比" in table.notes[-1]


def test_verdicts_that_repeat_one_another_make_no_interval_narrower():
    alone = [Match("甲", "乙", score) for score in (1.0, 1.0, 0.0, 1.0) * 10]
    repeated = [Match("甲", "乙", score, f"第{n % 4}题") for n, score in enumerate((1.0, 1.0, 0.0, 1.0) * 10)]
    narrow, wide = rate(alone).ratings[0], rate(repeated).ratings[0]
    assert wide.rating == pytest.approx(narrow.rating) and wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_elo_by_hand():
    assert elo([Match("甲", "乙", 1.0)]) == {"甲": 1002.0, "乙": 998.0}
    assert elo([Match("甲", "乙", 1.0), Match("甲", "乙", 0.5)], step=32)["甲"] == pytest.approx(1014.53, abs=0.01)


@pytest.mark.parametrize("match", [Match("甲", "甲", 1.0), Match("甲", "乙", 0.7), Match("甲", "乙", float("nan"))])
def test_a_verdict_that_is_none_is_refused(match):
    with pytest.raises(DataError, match=r"自己|只能"):
        rate([match])


def test_no_verdict_no_table():
    assert rate([]).ratings == ()
