"""Verdicts of one judge: of two answers in both orders, or of one answer with a grade."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cornucopia.comparison.judging.reading import Opinion

Winner = Literal["first", "second", "tie", ""]
_FORWARD: dict[str, Winner] = {"A": "first", "B": "second", "tie": "tie", "": ""}
_BACKWARD: dict[str, Winner] = {"A": "second", "B": "first", "tie": "tie", "": ""}


@dataclass(frozen=True)
class Duel:
    """Two answers to one question, compared twice.

    Args:
        id: of the item.
        first, second: the contestants.
        forward, backward: what was said with the first's answer in place A, and in place B; None where the two answers
            are the same to the letter and nothing was asked.
    """

    id: str
    first: str
    second: str
    forward: Opinion | None = None
    backward: Opinion | None = None

    @property
    def winner(self) -> Winner:
        """Who is better; `tie` also where the verdict depends on the order; '' where a reply gives none."""
        if self.forward is None or self.backward is None:
            return "tie"
        one, other = _FORWARD[self.forward.choice], _BACKWARD[self.backward.choice]
        if not one or not other:
            return ""
        return one if one == other else "tie"

    @property
    def depends_on_order(self) -> bool:
        """Whether the two orders gave different verdicts."""
        if self.forward is None or self.backward is None or not self.winner:
            return False
        return _FORWARD[self.forward.choice] != _BACKWARD[self.backward.choice]

    @property
    def opinions(self) -> list[Opinion]:
        """What was said, in the order asked."""
        return [one for one in (self.forward, self.backward) if one]

    def row(self, judge: str) -> dict[str, Any]:
        """As a row of verdicts.jsonl."""
        said = {name: asdict(one) for name, one in (("forward", self.forward), ("backward", self.backward)) if one}
        for one in said.values():
            del one["score"]
        return {
            "judge": judge, "how": "pairwise", "id": self.id, "first": self.first, "second": self.second,
            "winner": self.winner, "depends_on_order": self.depends_on_order, "same_text": not said, **said,
        }  # fmt: skip


@dataclass(frozen=True)
class Grade:
    """One answer, graded."""

    id: str
    name: str
    opinion: Opinion

    def row(self, judge: str, most: float) -> dict[str, Any]:
        """As a row of verdicts.jsonl; `most` is the best grade."""
        one = self.opinion
        said = {"score": one.score, "why": one.why, "text": one.text}
        return {"judge": judge, "how": "graded", "id": self.id, "contestant": self.name, "most": most, **said}


@dataclass
class Bench:
    """One judge's work.

    Args:
        judge: its name.
        settings: everything that decides its verdicts, and what it cost; JSON-ready.
        duels, grades: the verdicts; one of the two is empty.
    """

    judge: str
    settings: dict[str, Any] = field(default_factory=dict)
    duels: list[Duel] = field(default_factory=list)
    grades: list[Grade] = field(default_factory=list)

    def opinions(self) -> list[Opinion]:
        """Every reply."""
        return [one for duel in self.duels for one in duel.opinions] + [grade.opinion for grade in self.grades]

    def rows(self) -> list[dict[str, Any]]:
        """As rows of verdicts.jsonl."""
        return [duel.row(self.judge) for duel in self.duels] + [
            grade.row(self.judge, self.settings.get("most", 10.0)) for grade in self.grades
        ]
