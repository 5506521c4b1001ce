"""Votes of people on two answers to one question, in a SQLite file that is only ever added to.

Whoever votes has not been told who answered. A voter has one vote on a battle; taking it back is a row of its own.
Several processes may write at once: the server, and terminals.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cornucopia.core.database import Database
from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import mended, to_json
from cornucopia.records.native import pack, unpack
from cornucopia.records.schema import Record

VERDICTS = {"a": "甲好", "b": "乙好", "tie": "不相上下", "bad": "都不行"}
UNDONE = "undone"
FILE = "votes.sqlite3"  # in the folder of a comparison, and in the server's folder

_TABLES = """
CREATE TABLE IF NOT EXISTS battles (
    id TEXT PRIMARY KEY, prompt BLOB NOT NULL, a_model TEXT NOT NULL, a_answer TEXT NOT NULL, a_settings TEXT NOT NULL,
    b_model TEXT NOT NULL, b_answer TEXT NOT NULL, b_settings TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS votes (
    number INTEGER PRIMARY KEY, battle TEXT NOT NULL REFERENCES battles (id), voter TEXT NOT NULL,
    turn INTEGER NOT NULL, verdict TEXT NOT NULL CHECK (verdict IN ('a', 'b', 'tie', 'bad', 'undone')),
    left TEXT NOT NULL CHECK (left IN ('a', 'b')), at TEXT NOT NULL, UNIQUE (battle, voter, turn));
CREATE TRIGGER IF NOT EXISTS votes_stay BEFORE UPDATE ON votes BEGIN SELECT RAISE(ABORT, 'votes are kept'); END;
CREATE TRIGGER IF NOT EXISTS votes_last BEFORE DELETE ON votes BEGIN SELECT RAISE(ABORT, 'votes are kept'); END;
CREATE TRIGGER IF NOT EXISTS battles_stay BEFORE UPDATE ON battles BEGIN SELECT RAISE(ABORT, 'votes are kept'); END;
CREATE TRIGGER IF NOT EXISTS battles_last BEFORE DELETE ON battles BEGIN SELECT RAISE(ABORT, 'votes are kept'); END;
"""


@dataclass(frozen=True)
class Side:
    """One of the two answers.

    Args:
        model: who gave it, by the name the table of ratings shows.
        answer: its text.
        settings: what it was made with, JSON-ready and without secrets.
    """

    model: str
    answer: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Battle:
    """Two answers to one question.

    Args:
        id: the same battle has the same one, whichever side is shown first.
        prompt: the question, without an answer.
        a, b: the answers, by two models.
        source: where it comes from: arena, or a comparison's folder.
    """

    id: str
    prompt: Record
    a: Side
    b: Side
    source: str = ""


@dataclass(frozen=True)
class Vote:
    """A vote that stands.

    Args:
        battle: what was voted on.
        voter: who voted.
        verdict: a key of VERDICTS.
        left: the side that was shown first: a or b.
        at: when, UTC, ISO 8601.
    """

    battle: Battle
    voter: str
    verdict: str
    left: str
    at: str


class VotedAlready(DataError):
    """A second vote of one voter on one battle."""


class Votes:
    """The votes of one file, which is made with the first of them."""

    def __init__(self, path: str | Path) -> None:
        self._base = Database(path, _TABLES)
        self.path = self._base.path

    def cast(self, battle: Battle, voter: str, verdict: str, left: str = "a") -> None:
        """Keep a vote; it is on the disk when this returns.

        Args:
            battle: kept with its first vote.
            voter: who votes, not empty.
            verdict: a key of VERDICTS.
            left: the side that was shown first: a or b.

        Raises:
            VotedAlready: this voter has. DataError: there is no such verdict, or the file cannot be written.
        """
        if verdict not in VERDICTS or left not in ("a", "b") or not voter:
            raise DataError("这不是一张选票", found=f"{voter or '没有投票人'}：{verdict}", fix="、".join(VERDICTS))

        def write(base: sqlite3.Connection) -> None:
            base.execute("INSERT OR IGNORE INTO battles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(battle))
            standing, turn = _last(base, battle.id, voter)
            if standing not in ("", UNDONE):
                raise VotedAlready("这一局投过了", found=VERDICTS[standing], fix="要改先撤回")
            _add(base, battle.id, voter, turn + 1, verdict, left)

        self._base.write(write)

    def undo(self, battle: str, voter: str) -> bool:
        """Take back this voter's vote on a battle; False where none stands.

        Raises:
            DataError: the file cannot be written.
        """

        def write(base: sqlite3.Connection) -> bool:
            standing, turn = _last(base, battle, voter)
            if standing in ("", UNDONE):
                return False
            _add(base, battle, voter, turn + 1, UNDONE, "a")
            return True

        return self._base.write(write)

    def standing(self, voter: str = "", source: str = "") -> list[Vote]:
        """The votes that stand, in the order in which they were cast.

        Args:
            voter: only this one's; '' for all.
            source: only of battles from there; '' for all.

        Raises:
            DataError: the file cannot be read.
        """
        if not self.path.exists():
            return []
        rows = self._base.read(lambda base: base.execute(_STANDING, (voter, voter, source, source)).fetchall())
        return [Vote(_battle(row[4:]), *row[:4]) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()


_STANDING = """
SELECT v.voter, v.verdict, v.left, v.at, b.* FROM votes v JOIN battles b ON b.id = v.battle
WHERE v.verdict != 'undone' AND (? = '' OR v.voter = ?) AND (? = '' OR b.source = ?)
    AND v.turn = (SELECT MAX(turn) FROM votes WHERE battle = v.battle AND voter = v.voter)
ORDER BY v.number"""


def _last(base: sqlite3.Connection, battle: str, voter: str) -> tuple[str, int]:
    """The voter's last word on a battle, and its turn; ('', 0) where there is none."""
    asked = "SELECT verdict, turn FROM votes WHERE battle = ? AND voter = ? ORDER BY turn DESC LIMIT 1"
    return base.execute(asked, (battle, mended(voter))).fetchone() or ("", 0)


def _add(base: sqlite3.Connection, battle: str, voter: str, turn: int, verdict: str, left: str) -> None:
    added = "INSERT INTO votes (battle, voter, turn, verdict, left, at) VALUES (?, ?, ?, ?, ?, ?)"
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    base.execute(added, (battle, mended(voter), turn, verdict, left, at))


def _row(battle: Battle) -> tuple[Any, ...]:
    sides = [
        (mended(one.model), mended(one.answer), mended(to_json(dict(one.settings)))) for one in (battle.a, battle.b)
    ]
    return battle.id, pack(battle.prompt), *sides[0], *sides[1], battle.source


def _battle(row: tuple[Any, ...]) -> Battle:
    name, prompt, a_model, a_answer, a_settings, b_model, b_answer, b_settings, source = row
    a, b = Side(a_model, a_answer, json.loads(a_settings)), Side(b_model, b_answer, json.loads(b_settings))
    return Battle(name, unpack(prompt), a, b, source)
