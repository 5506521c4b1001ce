"""Voting on a finished comparison: its answers in pairs, nobody's name shown, in an order and on sides drawn by seed.

Knows the comparison's files and the votes; nothing of terminals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from cornucopia.comparison.cells import Cell
from cornucopia.comparison.votes import Battle, Side, Votes
from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import read_jsonl, to_json
from cornucopia.records.schema import Message, Passage, Record


@dataclass(frozen=True)
class Offer:
    """A battle as it is shown.

    Args:
        battle: the question and two answers.
        left: the side shown first: a or b.
    """

    battle: Battle
    left: str

    @property
    def answers(self) -> tuple[str, str]:
        """The texts, the first one shown first."""
        a, b = self.battle.a.answer, self.battle.b.answer
        return (a, b) if self.left == "a" else (b, a)

    @property
    def models(self) -> tuple[str, str]:
        """Who gave them, in the same order: not to be shown before the vote."""
        a, b = self.battle.a.model, self.battle.b.model
        return (a, b) if self.left == "a" else (b, a)

    def verdict_of(self, pressed: str) -> str:
        """What a choice of left, right, tie or bad says of a and b."""
        if pressed in ("tie", "bad"):
            return pressed
        return self.left if pressed == "left" else {"a": "b", "b": "a"}[self.left]


@dataclass(frozen=True)
class Answers:
    """What can be voted on in a comparison.

    Args:
        battles: every two contestants on every question that both answered differently.
        alike: pairs of answers that are the same to the letter.
        failed: answers that are not there.
    """

    battles: tuple[Battle, ...]
    alike: int
    failed: int


def read_answers(folder: str | Path) -> Answers:
    """The battles of a comparison's folder.

    Raises:
        DataError: there are no answers, or the files are not those of `compare`.
    """
    path = Path(folder) / "answers.jsonl"
    if not path.is_file():
        fix = "先 cornucopia compare 配方.yaml，再给它的结果文件夹（--output-dir）"
        raise DataError("这里没有比较的结果", where=str(path), fix=fix)
    try:
        settings_path = path.with_name("settings.json")
        settings = json.loads(settings_path.read_text(encoding="utf-8")) if settings_path.exists() else {}
        rows: dict[str, dict[str, Cell]] = {}
        for cell in read_jsonl(path):
            rows.setdefault(str(cell["id"]), {})[str(cell["contestant"])] = cell
        return _answers(list(rows.values()), settings, str(folder))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fix = "它应是 cornucopia compare 写的；移走它再比一次"
        raise DataError("比较的结果读不懂", where=str(path), found=str(error)[:100], fix=fix) from None


def _answers(rows: Sequence[dict[str, Cell]], settings: dict[str, Any], source: str) -> Answers:
    battles, alike, failed = [], 0, 0
    for row in rows:
        given = [cell for cell in row.values() if str(cell.get("answer", "")).strip() and not cell.get("error")]
        failed += len(row) - len(given)
        for one, other in combinations(given, 2):
            if one["answer"] == other["answer"]:
                alike += 1
            else:
                battles.append(_battle(one, other, settings, source))
    return Answers(tuple(battles), alike, failed)


def _battle(one: Cell, other: Cell, settings: dict[str, Any], source: str) -> Battle:
    a, b = sorted(
        (
            Side(cell["contestant"], cell["answer"], settings.get(str(cell.get("fingerprint")), {}))
            for cell in (one, other)
        ),
        key=lambda side: (side.model, side.answer),
    )
    prompt = _prompt(one)
    what = to_json([prompt.asked(), a.model, a.answer, b.model, b.answer])
    return Battle(hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:24], prompt, a, b, source)


def _prompt(cell: Cell) -> Record:
    earlier = tuple(Message(turn["role"], turn["content"]) for turn in cell.get("earlier", ()))
    material = cell.get("material", "")
    fields: dict[str, Any] = {"messages": (*earlier, Message("user", cell["question"])), "id": str(cell["id"])}
    fields |= {"passages": (Passage(material),)} if material else {}
    return Record.build(fields | {key: cell[key] for key in ("domain", "kind") if cell.get(key)})


class Voting:
    """One voter's way through the battles: those voted on before are not shown again.

    Args:
        battles: to be voted on.
        votes: where they are kept.
        voter: who votes.
        seed: with the voter's name it gives the order and the sides.
        limit: how many at most in this sitting.
    """

    def __init__(
        self, battles: Sequence[Battle], votes: Votes, voter: str, seed: int = 0, limit: int | None = None
    ) -> None:
        self._votes, self._voter, self._seed = votes, voter, seed
        done = {vote.battle.id for vote in votes.standing(voter=voter)}
        self.total, self.before = len(battles), sum(battle.id in done for battle in battles)
        order = sorted(battles, key=lambda battle: self._draw("order", battle))
        self._waiting = [battle for battle in order if battle.id not in done][:limit][::-1]
        self._undo: list[Battle] = []

    @property
    def cast_now(self) -> int:
        """How many votes of this sitting stand."""
        return len(self._undo)

    @property
    def left(self) -> int:
        """How many wait in this sitting."""
        return len(self._waiting)

    def offers(self) -> Iterator[Offer]:
        """What to show, until nothing waits; the same again until it is voted on or skipped."""
        while self._waiting:
            battle = self._waiting[-1]
            yield Offer(battle, "ab"[self._draw("side", battle)[0] % 2])

    def cast(self, offer: Offer, pressed: str) -> None:
        """Keep a vote.

        Args:
            offer: the one shown.
            pressed: left, right, tie or bad.

        Raises:
            DataError: it cannot be kept; the battle waits on.
        """
        self._votes.cast(offer.battle, self._voter, offer.verdict_of(pressed), offer.left)
        self._undo.append(self._waiting.pop())

    def skip(self) -> None:
        """Leave the one shown for another sitting."""
        self._waiting.pop()

    def undo(self) -> bool:
        """Take the last vote of this sitting back and show its battle again; False when there is none."""
        if not self._undo:
            return False
        self._votes.undo(self._undo[-1].id, self._voter)
        self._waiting.append(self._undo.pop())
        return True

    def _draw(self, what: str, battle: Battle) -> bytes:
        text = f"{self._seed}\0{self._voter}\0{what}\0{battle.id}"
        return hashlib.sha256(text.encode("utf-8", "replace")).digest()
