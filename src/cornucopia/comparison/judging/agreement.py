"""How far two raters agree on who is better: share, Cohen's kappa, both with intervals. Knows no judges and no files.

Cohen 1960, "A coefficient of agreement for nominal scales"; the categories are first, second and tie. Intervals:
percentile bootstrap over the questions, of which several verdicts may be on one. Without ties as in Zheng et al. 2023
("Judging LLM-as-a-judge"), setup S2: only where both raters decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cornucopia.comparison.interval import DRAWS, LEVEL, Estimate

CATEGORIES = ("first", "second", "tie")
_SOUND = 0.95  # share of the draws in which kappa must be defined for an interval to be told


@dataclass(frozen=True)
class Both:
    """Two verdicts on the same pair of answers: keys of CATEGORIES, and the question they are on."""

    one: str
    other: str
    question: str


@dataclass(frozen=True)
class Agreement:
    """How far two raters agree.

    Args:
        one, other: their names.
        share: of all verdicts that both gave, those that are the same.
        kappa: what of the agreement is beyond chance.
        decided: the share where neither said tie.
    """

    one: str
    other: str
    share: Estimate
    kappa: Estimate
    decided: Estimate


def agreement(one: str, other: str, pairs: Sequence[Both]) -> Agreement:
    """Of two raters with those names; estimates are empty where there is nothing to compare."""
    import numpy as np

    if not pairs:
        return Agreement(one, other, Estimate(), Estimate(), Estimate())
    places = {question: place for place, question in enumerate(dict.fromkeys(pair.question for pair in pairs))}
    tables = np.zeros((len(places), 3, 3))
    for pair in pairs:
        tables[places[pair.question], CATEGORIES.index(pair.one), CATEGORIES.index(pair.other)] += 1
    times = np.random.default_rng(len(places)).multinomial(len(places), [1 / len(places)] * len(places), size=DRAWS)
    drawn = np.tensordot(times, tables, axes=1)
    whole = tables.sum(axis=0)[None]
    return Agreement(
        one, other, _estimate(_share, whole, drawn, len(places)), _estimate(_kappa, whole, drawn, len(places)),
        _estimate(lambda table: _share(table[:, :2, :2]), whole, drawn, len(places), decided=True),
    )  # fmt: skip


def _estimate(figure: Any, whole: Any, drawn: Any, questions: int, *, decided: bool = False) -> Estimate:
    import numpy as np

    value, count = float(figure(whole)[0]), int((whole[:, :2, :2] if decided else whole).sum())
    if not np.isfinite(value):
        return Estimate(count=count)
    values = figure(drawn)
    sound = values[np.isfinite(values)]
    if questions < 2 or len(sound) < _SOUND * len(values) or sound.min() == sound.max():
        return Estimate(value, None, None, count)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(sound, [tail, 100 - tail])
    return Estimate(value, float(low), float(high), count)


def _share(tables: Any) -> Any:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2))


def _kappa(tables: Any) -> Any:
    """(observed - by chance) / (1 - by chance); nan where both always say the same one thing."""
    import numpy as np

    total = tables.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / total**2
        return (_share(tables) - chance) / np.where(chance < 1, 1 - chance, np.nan)
