"""How sure a score is, and whether two models differ. Knows numbers only.

Right-or-wrong scores: Wilson's interval (Wilson 1927) and McNemar's exact test on the questions where two models differ
(McNemar 1947). Any other: percentile bootstrap over the questions (Efron & Tibshirani 1993, chapter 13), two models on
the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from cornucopia.core.sign_test import sign_test

DRAWS = 1000
Z = 1.959963984540054  # of a 95% interval
Aggregate = Callable[[Sequence[Any]], float]


@dataclass(frozen=True)
class Interval:
    """A value with its 95% interval; the ends are None where there is too little to tell.

    Args:
        value: of all questions.
        low, high: the interval's ends.
        p: of a difference of right-or-wrong scores, the probability of one so large by chance; None elsewhere.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def sign(self) -> int:
        """+1 or -1 where a difference is told from zero: by its p below 0.05 if it has one, else by its interval."""
        if self.p is not None:
            return 0 if self.p >= 0.05 else (self.value > 0) - (self.value < 0)
        if self.low is None or self.high is None:
            return 0
        return (self.low > 0) - (self.high < 0)


def wilson(right: int, count: int) -> Interval:
    """The share of `right` in `count` with its interval."""
    if not count:
        return Interval(0.0)
    share, square = right / count, Z * Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def estimate(values: Sequence[Any], aggregate: Aggregate | None = None, seed: int = 0) -> Interval:
    """A score over all questions with its interval.

    Args:
        values: one of each question.
        aggregate: what makes one figure of them; the mean by default.
        seed: of the draws.
    """
    if aggregate is None and all(value in (0, 1) for value in values):
        return wilson(round(sum(values)), len(values))
    figure = aggregate or _mean
    if not values:
        return Interval(0.0)
    if len(values) < 2:
        return Interval(figure(values))
    drawn = sorted(figure([values[place] for place in draw]) for draw in _draws(len(values), seed))
    if drawn[0] == drawn[-1]:  # all the same, such as an F1 of 0: the draws know nothing of what was not asked
        return Interval(figure(values))
    return Interval(figure(values), *_ends(drawn))


def difference(
    ours: Sequence[Any], theirs: Sequence[Any], aggregate: Aggregate | None = None, seed: int = 0
) -> Interval:
    """Our score minus theirs on the same questions, in the same order."""
    figure = aggregate or _mean
    if not ours:
        return Interval(0.0)
    value = figure(ours) - figure(theirs)
    if len(ours) < 2:
        return Interval(value)
    drawn = sorted(
        figure([ours[place] for place in draw]) - figure([theirs[place] for place in draw])
        for draw in _draws(len(ours), seed)
    )
    p = None
    if aggregate is None and all(one in (0, 1) for one in (*ours, *theirs)):
        pairs = list(zip(ours, theirs, strict=True))
        p = sign_test(sum(a > b for a, b in pairs), sum(a < b for a, b in pairs))
    return Interval(value, *_ends(drawn), p)


def _mean(values: Sequence[Any]) -> float:
    return float(sum(values) / len(values))


def _draws(count: int, seed: int) -> list[list[int]]:
    """Questions drawn with replacement, DRAWS times; fewer where there are very many."""
    random = Random(seed * 1_000_003 + count)
    times = DRAWS if count <= 3000 else 300
    return [random.choices(range(count), k=count) for _ in range(times)]


def _ends(drawn: Sequence[float]) -> tuple[float, float]:
    last = len(drawn) - 1
    return drawn[round(0.025 * last)], drawn[round(0.975 * last)]
