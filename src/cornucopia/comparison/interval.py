"""How sure a number is: percentile bootstrap over the questions. Knows nothing of answers.

Efron 1979, "Bootstrap methods: another look at the jackknife"; Efron & Tibshirani 1993, chapter 13 (percentile
interval). The questions are drawn again with replacement; two contestants are compared on the same draws (paired), so
that hard questions, which are hard for both, do not blur the difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cornucopia.comparison.metrics import Metric, Pair

DRAWS = 2000
LEVEL = 0.95
FEW = 10  # below this many questions a percentile interval is known to be too narrow


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% interval over `count` questions; all None when there is nothing to measure."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int = 0

    @property
    def sign(self) -> int:
        """+1 or -1 when the whole interval lies above or below zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def estimate(metric: Metric, pairs: Sequence[Pair | None]) -> Estimate:
    """A contestant's value with its interval; questions without a value (None) are left out."""
    kept = [pair for pair in pairs if pair is not None]
    if not kept:
        return Estimate()
    return _summary(_point(metric, kept), _drawn(metric, kept), len(kept))


def difference(metric: Metric, pairs: Sequence[Pair | None], reference: Sequence[Pair | None]) -> Estimate:
    """`pairs` minus `reference`, over the questions where both have a value."""
    both = [(ours, theirs) for ours, theirs in zip(pairs, reference, strict=True) if ours and theirs]
    if not both:
        return Estimate()
    ours, theirs = [pair[0] for pair in both], [pair[1] for pair in both]
    return _summary(
        _point(metric, ours) - _point(metric, theirs), _drawn(metric, ours) - _drawn(metric, theirs), len(both)
    )


def _point(metric: Metric, pairs: Sequence[Pair]) -> float:
    return float(metric.value(sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)))


def _drawn(metric: Metric, pairs: Sequence[Pair]) -> Any:
    """The metric on each draw, shape [DRAWS]."""
    import numpy as np

    sums = _times(len(pairs)) @ np.asarray(pairs, dtype=float)  # [DRAWS, 2]
    return metric.value(sums[:, 0], sums[:, 1])


@lru_cache(maxsize=8)
def _times(count: int) -> Any:
    """How often each draw takes each question, shape [DRAWS, count]; always the same, which makes the draws paired."""
    import numpy as np

    return np.random.default_rng(count).multinomial(count, [1 / count] * count, size=DRAWS).astype(float)


def _summary(value: float, drawn: Any, count: int) -> Estimate:
    import numpy as np

    if math.isnan(value):
        return Estimate()
    if count < 2 or not np.isfinite(drawn).all():
        return Estimate(value, None, None, count)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Estimate(value, float(low), float(high), count)
