"""What one judge's verdicts come to: wins, ties, losses with intervals and a test; grades; ratings; its bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from cornucopia.comparison.interval import Estimate, difference, estimate
from cornucopia.comparison.judging.verdicts import Bench, Winner
from cornucopia.comparison.metrics import Metric
from cornucopia.comparison.rating import Match, Table, rate
from cornucopia.core.sign_test import sign_test

SHARE = Metric("win_share", "胜率", "胜的份额，平算半胜", lambda cell: None, "up", percent=True)
GRADE = Metric("grade", "评分", "评委给的分数，对题目取平均", lambda cell: None, "up")
_SQUARE = 1.959963984540054**2  # of a 95 % interval


@dataclass(frozen=True)
class Meeting:
    """Two contestants on one question, and who was better; `winner` is '' where there is no verdict."""

    id: str
    first: str
    second: str
    winner: Winner
    by_order: bool = False
    same: bool = False

    @property
    def score(self) -> float:
        """Of the first: 1 for a win, 0.5 for a tie, 0 for a loss."""
        return {"first": 1.0, "second": 0.0}.get(self.winner, 0.5)

    def seen_from(self, first: str) -> Meeting:
        """With that contestant standing first."""
        if first == self.first:
            return self
        turned: Winner = {"first": "second", "second": "first"}.get(self.winner, self.winner)  # type: ignore[assignment]
        return replace(self, first=self.second, second=self.first, winner=turned)


@dataclass(frozen=True)
class Versus:
    """One contestant against another.

    Args:
        first, second: their names; all counts are of the first.
        wins, ties, losses: questions.
        by_order: of the ties, those where the two orders gave different verdicts.
        same: of the ties, those where the two answers are the same text, and nothing was asked.
        none: questions without a verdict.
        share: (wins + ties / 2) / all of the three, with its interval.
        p: of the exact sign test on wins and losses.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    by_order: int
    same: int
    none: int
    share: Estimate
    p: float

    @property
    def sign(self) -> int:
        """+1 where the first is told to be better, -1 where the second is, else 0."""
        return (self.wins > self.losses) - (self.wins < self.losses) if self.p < 0.05 else 0


@dataclass(frozen=True)
class GradeLine:
    """One contestant's grades: the mean, the difference from the baseline, and how many there are none of."""

    name: str
    mean: Estimate
    gap: Estimate
    none: int


@dataclass(frozen=True)
class Tally:
    """All of one judge.

    Args:
        bench: its verdicts.
        baseline: the contestant that others are compared with.
        versus: pairs of contestants; of grades, by which is higher.
        grades: a line for each contestant, where answers were graded.
        by_order: of the questions with a verdict that were asked about, the share whose verdict hangs on the order.
        first_place: of the replies that prefer one, the share that prefer the first.
        why: replies without a verdict by reason.
        replies: all replies.
        table: ratings, None where there is nothing to rate.
    """

    bench: Bench
    baseline: str
    versus: list[Versus]
    grades: list[GradeLine]
    by_order: Estimate
    first_place: Estimate
    why: Counter[str]
    replies: int
    table: Table | None

    @property
    def unparsed(self) -> int:
        """Replies without a verdict."""
        return sum(self.why.values())


def tally(bench: Bench, names: Sequence[str], baseline: str = "") -> Tally:
    """Count one judge's verdicts.

    Args:
        bench: the verdicts.
        names: the contestants in their order; the first is the baseline where none is named.
    """
    baseline = baseline or names[0]
    met = meetings(bench)
    opinions = bench.opinions()
    asked = [duel for duel in bench.duels if duel.opinions and duel.winner]
    chosen = [one.choice for one in opinions if one.choice in ("A", "B")]
    grades = _grade_lines(bench, names, baseline) if bench.grades else []
    return Tally(
        bench, baseline, _all_versus(met, names, baseline, all_pairs=bool(bench.duels)), grades,
        share_of([float(duel.depends_on_order) for duel in asked]), share_of([float(one == "A") for one in chosen]),
        Counter(one.why for one in opinions if one.why), len(opinions), _rated(met),
    )  # fmt: skip


def meetings(bench: Bench) -> list[Meeting]:
    """Every two contestants on every question that both were judged on."""
    if bench.grades:
        return _by_grade(bench)
    return [
        Meeting(duel.id, duel.first, duel.second, duel.winner, duel.depends_on_order, not duel.opinions)
        for duel in bench.duels
    ]


def share_of(scores: Sequence[float]) -> Estimate:
    """The mean of scores between 0 and 1; where all are 0 or all 1, which a bootstrap makes a point of, by Wilson."""
    found = estimate(SHARE, [(score, 1.0) for score in scores])
    count = len(scores)
    if not count or found.low != found.high:
        return found
    if found.value == 1:
        return replace(found, low=count / (count + _SQUARE), high=1.0)
    if found.value == 0:
        return replace(found, low=0.0, high=_SQUARE / (count + _SQUARE))
    return replace(found, low=None, high=None)


def _all_versus(met: Sequence[Meeting], names: Sequence[str], baseline: str, *, all_pairs: bool) -> list[Versus]:
    """Each pair that met, the baseline second; of grades only those with the baseline in them."""
    found: dict[tuple[str, str], list[Meeting]] = {}
    for one in met:
        turned = one.seen_from(one.second) if one.first == baseline else one
        if all_pairs or turned.second == baseline:
            found.setdefault((turned.first, turned.second), []).append(turned)
    order = {name: place for place, name in enumerate(names)}
    pairs = sorted(found, key=lambda pair: (pair[1] != baseline, order.get(pair[1], 0), order.get(pair[0], 0)))
    return [_versus(*pair, found[pair]) for pair in pairs]


def _versus(first: str, second: str, met: Sequence[Meeting]) -> Versus:
    decided = [one for one in met if one.winner]
    wins, losses = (sum(one.winner == place for one in decided) for place in ("first", "second"))
    return Versus(
        first, second, wins, len(decided) - wins - losses, losses,
        sum(one.by_order for one in decided), sum(one.same for one in decided),
        len(met) - len(decided), share_of([one.score for one in decided]), sign_test(wins, losses),
    )  # fmt: skip


def _by_grade(bench: Bench) -> list[Meeting]:
    """Grades as meetings: the higher wins; two that differ by no more than a hundredth of the scale are a tie."""
    alike = bench.settings.get("most", 10.0) / 100 + 1e-9
    items: dict[str, dict[str, float | None]] = {}
    for grade in bench.grades:
        items.setdefault(grade.id, {})[grade.name] = grade.opinion.score
    return [
        Meeting(name, second, first, _higher(its, score, alike))
        for name, scores in items.items()
        for (first, score), (second, its) in combinations(scores.items(), 2)
    ]


def _higher(one: float | None, other: float | None, alike: float) -> Winner:
    if one is None or other is None:
        return ""
    if abs(one - other) <= alike:
        return "tie"
    return "first" if one > other else "second"


def _grade_lines(bench: Bench, names: Sequence[str], baseline: str) -> list[GradeLine]:
    ids = list(dict.fromkeys(grade.id for grade in bench.grades))
    scores = {(grade.id, grade.name): grade.opinion.score for grade in bench.grades}

    def column(name: str) -> list[tuple[float, float] | None]:
        found = [scores.get((key, name)) for key in ids]
        return [None if score is None else (score, 1.0) for score in found]

    lines = []
    for name in names:
        none = sum(grade.name == name and grade.opinion.score is None for grade in bench.grades)
        gap = Estimate() if name == baseline else difference(GRADE, column(name), column(baseline))
        lines.append(GradeLine(name, estimate(GRADE, column(name)), gap, none))
    return lines


def _rated(met: Sequence[Meeting]) -> Table | None:
    matches = [Match(one.first, one.second, one.score, one.id) for one in met if one.winner]
    return rate(matches) if matches else None
