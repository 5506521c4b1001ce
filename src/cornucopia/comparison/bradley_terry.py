"""Bradley-Terry strengths by maximum likelihood, ties by Davidson's model. Knows nothing of votes or of names.

Bradley & Terry 1952, "Rank analysis of incomplete block designs", Biometrika 39. Ties: Davidson 1970, "On extending the
Bradley-Terry model to accommodate ties in paired comparison experiments", JASA 65(329): with strengths s on the log
scale, a win of i over j has weight exp((s_i - s_j)/2), a loss exp((s_j - s_i)/2), a tie exp(d), d one number for all
pairs. Covariance: inverse information, and the sandwich of Huber 1967 over clusters (White 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PHANTOM = 0.5  # games won and lost against a phantom of middling strength, where the likelihood has no maximum
_NEAR = 1e-9  # largest slope at which Newton's steps end


@dataclass(frozen=True)
class Game:
    """One comparison.

    Args:
        i, j: numbers of the two players.
        score: 1 when i won, 0 when j did, 0.5 for a tie.
        cluster: games that may agree for a reason of their own (one question, one voter) share a number.
    """

    i: int
    j: int
    score: float
    cluster: int


@dataclass(frozen=True)
class Fit:
    """Strengths of players who have met, directly or through others.

    Args:
        strength: log scale, their sum zero; [players].
        tie: d above; -inf where no game was tied.
        covariances: of the strengths: by the model, and by the sandwich; each [players, players].
        steadied: the likelihood had no maximum (somebody only won), so that PHANTOM games were added.
    """

    strength: Any
    tie: float
    covariances: tuple[Any, Any]
    steadied: bool

    def deviation(self, i: int, j: int | None = None) -> float:
        """Standard error of a strength, or of the difference of two: the larger of the two covariances'.

        The sandwich alone is far too small for somebody who only won (all residuals are small), the model's where
        games of a cluster repeat one another.
        """
        if j is None:
            return max(float(one[i, i]) for one in self.covariances) ** 0.5
        return max(float(one[i, i] + one[j, j] - 2 * one[i, j]) for one in self.covariances) ** 0.5


def fit(count: int, games: Sequence[Game]) -> Fit:
    """The strengths of `count` players whom the games connect."""
    import numpy as np

    steadied = not has_maximum(count, games)
    ties = any(game.score == 0.5 for game in games)
    design, outcome = _design(count, games)
    weight = np.ones(len(games))
    if steadied:
        phantoms = [Game(i, count, score, -1) for i in range(count) for score in (1.0, 0.0)]
        more, their = _design(count, phantoms)
        design, outcome = np.concatenate([design, more]), np.concatenate([outcome, their])
        weight = np.concatenate([weight, np.full(len(phantoms), PHANTOM)])
    parameters = _climb(design, outcome, weight, ties)
    slopes, information = _derivatives(parameters, design, outcome, weight, ties)
    inverse = np.linalg.inv(_pinned(information, ties))
    robust = _sandwich(inverse, slopes[: len(games)], [game.cluster for game in games])
    centre = np.eye(count) - 1 / count
    model, robust = (centre @ one[:count, :count] @ centre for one in (inverse, robust))
    tie = float(parameters[count]) if ties else -np.inf
    return Fit(centre @ parameters[:count], tie, (model, robust), steadied)


def has_maximum(count: int, games: Sequence[Game]) -> bool:
    """Whether the likelihood has a maximum: no direction in which every game that was played grows no less likely.

    Along strengths v and tie e a win of i over j does so when v_i >= v_j and (v_i - v_j)/2 >= e, a tie when
    e >= |v_i - v_j|/2. With e = 0 (Ford 1957; Zermelo 1929) only v constant is left when wins, and ties both ways,
    lead from everybody to everybody. With e = 1/2 the conditions are v_j - v_i <= -1 and |v_i - v_j| <= 1, which
    nothing fulfils just when their graph has a negative cycle.
    """
    edges = set()
    for game in games:
        won, lost = (game.i, game.j) if game.score >= 0.5 else (game.j, game.i)
        length = 1 if game.score == 0.5 else -1
        edges |= {(won, lost, length)} | ({(lost, won, length)} if length == 1 else set())
    there, back = {(i, j) for i, j, _ in edges}, {(j, i) for i, j, _ in edges}
    if len(reached(0, there)) < count or len(reached(0, back)) < count:
        return False
    return all(length == -1 for *_, length in edges) or _has_negative_cycle(count, edges)


def reached(start: int, edges: set[tuple[int, int]]) -> set[int]:
    """The players to whom the edges lead from this one, itself among them."""
    following: dict[int, list[int]] = {}
    for i, j in edges:
        following.setdefault(i, []).append(j)
    seen, waiting = {start}, [start]
    while waiting:
        for other in following.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def _has_negative_cycle(count: int, edges: set[tuple[int, int, int]]) -> bool:
    """Bellman-Ford from a source at distance zero from everybody."""
    distance = [0] * count
    for _ in range(count):
        changed = False
        for i, j, length in edges:
            if distance[i] + length < distance[j]:
                distance[j], changed = distance[i] + length, True
        if not changed:
            return False
    return True


def _design(count: int, games: Sequence[Game]) -> tuple[Any, Any]:
    """What multiplies the parameters in the difference of strengths, [games, players + 1]; and the outcomes.

    A number beyond the last player is the phantom, whose strength is zero.
    """
    import numpy as np

    design = np.zeros((len(games), count + 1))
    for row, game in zip(design, games, strict=True):
        for player, sign in ((game.i, 1.0), (game.j, -1.0)):
            if player < count:
                row[player] = sign
    return design, np.array([game.score for game in games])


def _chances(parameters: Any, design: Any, ties: bool) -> tuple[Any, Any, Any]:
    """Log chances of a win, a tie and a loss in each game."""
    import numpy as np

    half = design @ parameters / 2
    tie = np.full_like(half, parameters[-1] if ties else -np.inf)
    total = np.logaddexp(np.logaddexp(half, -half), tie)
    return half - total, tie - total, -half - total


def _likelihood(parameters: Any, design: Any, outcome: Any, weight: Any, ties: bool) -> float:
    import numpy as np

    win, tie, loss = _chances(parameters, design, ties)
    return float(weight @ np.where(outcome == 1, win, np.where(outcome == 0, loss, tie)))


def _derivatives(parameters: Any, design: Any, outcome: Any, weight: Any, ties: bool) -> tuple[Any, Any]:
    """The slope of each game's log likelihood, [games, parameters]; the information, [parameters, parameters]."""
    import numpy as np

    win, tie, loss = (np.exp(one) for one in _chances(parameters, design, ties))
    slopes = ((2 * outcome - 1) / 2 - (win - loss) / 2)[:, None] * design
    slopes[:, -1] = ((outcome == 0.5) - tie) if ties else 0
    spread = (win + loss - (win - loss) ** 2) / 4  # variance of half the signed outcome
    information = design.T @ (design * (weight * spread)[:, None])
    if ties:
        cross = design.T @ (weight * -(win - loss) / 2 * tie)
        information[-1], information[:, -1] = cross, cross
        information[-1, -1] = weight @ (tie * (1 - tie))
    return weight[:, None] * slopes, information


def _climb(design: Any, outcome: Any, weight: Any, ties: bool) -> Any:
    """Newton's method; the log likelihood is concave, and a step that overshoots is halved."""
    import numpy as np

    parameters = np.zeros(design.shape[1])
    height = _likelihood(parameters, design, outcome, weight, ties)
    for _ in range(200):
        slopes, information = _derivatives(parameters, design, outcome, weight, ties)
        slope = slopes.sum(axis=0)
        if np.abs(slope).max() < _NEAR * max(1, len(outcome)):
            break
        step = np.linalg.solve(_pinned(information, ties), slope)
        while (higher := _likelihood(parameters + step, design, outcome, weight, ties)) < height - 1e-12:
            step = step / 2
        parameters, height = parameters + step, higher
    return parameters


def _pinned(information: Any, ties: bool) -> Any:
    """The information with an inverse: what no game tells of (the strengths' sum, the tie of none) is held at zero."""
    pinned = information.copy()
    pinned[:-1, :-1] += 1
    pinned[-1, -1] += not ties
    return pinned


def _sandwich(inverse: Any, slopes: Any, clusters: Sequence[int]) -> Any:
    import numpy as np

    names, place = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(names), slopes.shape[1]))
    np.add.at(sums, place, slopes)
    few = len(names) / max(len(names) - 1, 1)  # as many as clusters, not infinitely many
    return few * inverse @ (sums.T @ sums) @ inverse
