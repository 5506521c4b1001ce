"""What a reward is: a pure function of a data row and of what a model answered, from 0 to 1, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cornucopia.core.errors import ConfigError, nearest
from cornucopia.records.episode import Episode
from cornucopia.records.schema import Record


@dataclass(frozen=True)
class Verdict:
    """A score from 0 to 1, and why it is not 1 (one Chinese sentence, '' where nothing is amiss)."""

    score: float
    reason: str = ""


Check = Callable[[Record, Episode, Any], Verdict | None]


@dataclass(frozen=True)
class Reward:
    """One reward.

    Args:
        name: as in a recipe.
        about: one Chinese line.
        check: judges an episode by its row and the recipe's settings; None where the row gives nothing to judge by.
        always: it can judge any answer, whatever the row; such rewards alone say nothing about what is asked.
    """

    name: str
    about: str
    check: Check
    always: bool = False


@dataclass(frozen=True)
class Judged:
    """What an episode is worth: the weighted mean of the rewards that apply, and each of these by name."""

    score: float
    verdicts: Mapping[str, Verdict]


def weights(given: Sequence[str], known: Mapping[str, Reward]) -> dict[str, float]:
    """Rewards with their weights, as a recipe lists them.

    Args:
        given: each `name` (weight 1) or `name=weight`.
        known: the table.

    Raises:
        ConfigError: none given, one that is not in the table, a weight that is no number above 0.
    """
    found: dict[str, float] = {}
    for text in given:
        name, _, weight = (part.strip() for part in text.partition("="))
        if name not in known:
            close = nearest(name, known)
            fix = f"最接近的是 {close}" if close else f"有：{'、'.join(known)}"
            raise ConfigError("没有这种奖励", where="rewards", found=name, fix=fix)
        try:
            found[name] = float(weight or 1)
        except ValueError:
            found[name] = 0.0
        if not 0 < found[name] < float("inf"):
            raise ConfigError("奖励的权重应是大于 0 的数", where="rewards", found=text, fix=f"写成 {name}=0.5")
    if not found:
        raise ConfigError("没有给奖励", where="rewards", fix=f"从这些里选：{'、'.join(known)}")
    return found


def judge(
    row: Record, episode: Episode, chosen: Mapping[str, float], known: Mapping[str, Reward], settings: Any
) -> Judged:
    """The worth of an episode; an answer that failed is worth nothing."""
    verdicts = {name: verdict for name in chosen if (verdict := known[name].check(row, episode, settings)) is not None}
    total = sum(chosen[name] for name in verdicts)
    score = sum(chosen[name] * verdict.score for name, verdict in verdicts.items()) / total if total else 0.0
    return Judged(0.0 if episode.finish == "error" else score, verdicts)


def checkable(row: Record, chosen: Mapping[str, float], known: Mapping[str, Reward], settings: Any) -> bool:
    """Whether any reward but those that judge every answer can judge answers to this row."""
    asked = [known[name] for name in chosen]
    if all(one.always for one in asked):
        return True
    silent = Episode(row.prompt())
    return any(one.check(row, silent, settings) is not None for one in asked if not one.always)
