"""Who is better, from pairwise verdicts of people or judges: Bradley-Terry ratings with intervals, and Elo.

    table = rate([Match("调优后", "基座", 1.0, cluster="第1题"), ...])

Ratings stand on Elo's scale (400 points are odds of 10 to 1), their mean 1000 in each group of contestants that met.
Which model of ties, and where the intervals come from: `bradley_terry`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cornucopia.comparison.bradley_terry import Fit, Game, fit, reached
from cornucopia.core.errors import DataError

START = 1000.0
SCALE = 400 / math.log(10)  # points for a unit of log odds
SURE = 1.959963984540054  # standard errors to either side of a 95 % interval


@dataclass(frozen=True)
class Match:
    """One verdict.

    Args:
        a, b: names of the contestants, which differ.
        score: 1 when a is better, 0 when b is, 0.5 when neither is.
        cluster: shared by verdicts that may agree for a reason of their own (one question); '' where it stands alone.
    """

    a: str
    b: str
    score: float
    cluster: str = ""


@dataclass(frozen=True)
class Rating:
    """A line of the table.

    Args:
        name: of the contestant.
        rating, low, high: points, with the 95 % interval (of the distance to the group's mean).
        rank: 1 + how many of the group are better with 95 % confidence; ranks repeat.
        wins, ties, losses: its matches.
        group: number of the group, the largest first; ratings of two groups cannot be compared.
        elo: the old way, see `elo`.
    """

    name: str
    rating: float
    low: float
    high: float
    rank: int
    wins: int
    ties: int
    losses: int
    group: int
    elo: float

    @property
    def matches(self) -> int:
        return self.wins + self.ties + self.losses


@dataclass(frozen=True)
class Table:
    """Ratings, group after group, the best first; and in Chinese what a reader has to know of them."""

    ratings: tuple[Rating, ...]
    notes: tuple[str, ...]


def rate(matches: Iterable[Match]) -> Table:
    """Ratings of all contestants that the matches name.

    Contestants who never met, not even through others, come in groups of their own. In a group whose likelihood has no
    maximum (somebody only won) each gets half a game won and half a game lost against a middling one; a note says so.

    Raises:
        DataError: a contestant against itself, or a score that is none of the three.
    """
    matches = list(matches)
    _check(matches)
    points, ratings, notes = elo(matches), [], []
    groups = _groups(matches)
    for number, names in enumerate(groups):
        own = [match for match in matches if match.a in names]
        fitted = fit(len(names), _games(own, names))
        ratings += _lines(names, own, fitted, number, points)
        if fitted.steadied:
            notes.append(_steadied(names, len(groups)))
    if len(groups) > 1:
        notes.append(f"选手分成 {len(groups)} 组，组与组之间没有对局：分数只能在组内比")
    return Table(tuple(ratings), tuple(notes))


def elo(matches: Iterable[Match], step: float = 4.0) -> dict[str, float]:
    """Elo's ratings: after each match a step towards its result. They depend on the order of the matches.

    Elo 1978, "The Rating of Chessplayers, Past and Present", 1.6; a step of 4 is what FastChat's arena took.

    Args:
        matches: in the order in which they were played.
        step: most points that one match moves.
    """
    points: dict[str, float] = {}
    for match in matches:
        a, b = points.setdefault(match.a, START), points.setdefault(match.b, START)
        moved = step * (match.score - 1 / (1 + 10 ** ((b - a) / 400)))
        points[match.a], points[match.b] = a + moved, b - moved
    return points


def _check(matches: Sequence[Match]) -> None:
    for match in matches:
        if match.a == match.b:
            raise DataError("选手不能和自己比", found=match.a)
        if match.score not in (0, 0.5, 1):
            raise DataError("胜负只能是 1、0.5、0", where=f"{match.a} 对 {match.b}", found=str(match.score))


def _groups(matches: Sequence[Match]) -> list[list[str]]:
    """Names that the matches connect; large groups first, names in the order in which they came."""
    names = list(dict.fromkeys(name for match in matches for name in (match.a, match.b)))
    place = {name: number for number, name in enumerate(names)}
    met = {(place[one], place[other]) for match in matches for one, other in ((match.a, match.b), (match.b, match.a))}
    groups, seen = [], set[int]()
    for number in range(len(names)):
        if number not in seen:
            group = reached(number, met)
            seen |= group
            groups.append([names[index] for index in sorted(group)])
    return sorted(groups, key=len, reverse=True)


def _games(matches: Sequence[Match], names: Sequence[str]) -> list[Game]:
    place = {name: number for number, name in enumerate(names)}
    clusters: dict[object, int] = {}
    return [
        Game(place[match.a], place[match.b], match.score, clusters.setdefault(match.cluster or number, len(clusters)))
        for number, match in enumerate(matches)
    ]


def _lines(
    names: Sequence[str], matches: Sequence[Match], fitted: Fit, group: int, points: dict[str, float]
) -> list[Rating]:
    """The group's lines, the best first."""
    lines = []
    for i, name in enumerate(names):
        own = [match for match in matches if name in (match.a, match.b)]
        scores = [match.score if match.a == name else 1 - match.score for match in own]
        middle, half = START + SCALE * float(fitted.strength[i]), SCALE * SURE * fitted.deviation(i)
        rank = 1 + sum(_surely_better(fitted, j, i) for j in range(len(names)) if j != i)
        lines.append(
            Rating(
                name, middle, middle - half, middle + half, rank,
                scores.count(1), scores.count(0.5), scores.count(0), group, points[name],
            )
        )  # fmt: skip
    return sorted(lines, key=lambda line: (-line.rating, line.name))


def _surely_better(fitted: Fit, i: int, j: int) -> bool:
    return float(fitted.strength[i] - fitted.strength[j]) > SURE * fitted.deviation(i, j)


def _steadied(names: Sequence[str], groups: int) -> str:
    where = "" if groups == 1 else f"{'、'.join(names[:3])}{'…' * (len(names) > 3)} 这一组："
    return (
        f"{where}有的选手只赢不输（或只输不赢，或局局平手），最大似然没有解："
        "每人加了半局胜、半局负（对一个中等的虚拟选手），分数偏向中间；票多了自然不用加"
    )
