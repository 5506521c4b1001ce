"""What a reviewer decided of each record: one append-only file beside the data, the last word counts.

A decision belongs to what was read (turns, text, material), not to a place in a file: when the file is made anew, a
record that is the same keeps its decision, and one that has changed asks for another.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import Appender, read_jsonl
from cornucopia.records.native import pack
from cornucopia.records.schema import Record

VERDICTS = {"accept": "采纳", "edit": "改后采纳", "reject": "不要"}
DECISIONS_SUFFIX = ".review.jsonl"


@dataclass(frozen=True)
class Decision:
    """One verdict.

    Args:
        verdict: a key of VERDICTS, or '' where it was taken back.
        turns: number of the turn, from 0 -> its new words ("text" for a plain document); only for an edit.
        note: the reviewer's own words.
        at: when, UTC, ISO 8601.
    """

    verdict: str
    turns: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    at: str = ""


class Decisions:
    """The decisions of one file of records; open while a review runs, which no second one can join.

    Raises:
        DataError: another review has the file open, or the file is none of this kind.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._by_key = read_decisions(self.path)
        self._file = Appender(self.path)
        if not self._file.lock():
            self._file.close()
            fix = "关掉那一个，或用 --decisions 另起一个文件"
            raise DataError("这个审阅记录正被另一个审阅页使用", where=str(self.path), fix=fix)

    def get(self, key: str) -> Decision | None:
        """The last word on a record, or None."""
        return self._by_key.get(key)

    def decide(self, key: str, decision: Decision) -> Decision:
        """Keep a decision; it is on the disk when this returns.

        Raises:
            DataError: no such verdict. OSError: the disk is full; the decision is not taken.
        """
        if decision.verdict not in ("", *VERDICTS):
            raise DataError("没有这种裁决", found=decision.verdict, fix="、".join(VERDICTS))
        made = replace(decision, at=datetime.now(UTC).isoformat(timespec="seconds"))
        self._file.write({"key": key, **_filled(made)})
        _keep(self._by_key, key, made)
        return made

    def counts(self, keys: list[str]) -> Counter[str]:
        """How many of the records have which verdict; '' for none."""
        return Counter(found.verdict if (found := self._by_key.get(key)) else "" for key in keys)

    def close(self) -> None:
        self._file.close()


def read_decisions(path: str | Path) -> dict[str, Decision]:
    """Key of a record -> the last word on it; empty where the file does not exist.

    Raises:
        DataError: the file is none of this kind.
    """
    found: dict[str, Decision] = {}
    try:
        for row in read_jsonl(path):
            key = row.pop("key")
            _keep(found, key, Decision(**row))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DataError("不是审阅记录", where=str(path), fix="核对文件；审阅记录由 cornucopia data review 写") from None
    return found


def key_of(record: Record) -> str:
    """32 hex digits over what a reviewer reads: turns, text, material, answers not chosen."""
    read = Record(messages=record.messages, text=record.text, passages=record.passages, rejected=record.rejected)
    return hashlib.sha256(pack(read)).hexdigest()[:32]


def edited(record: Record, decision: Decision) -> Record:
    """The record with the decision's words, which are marked as a person's.

    Raises:
        DataError: a turn is named that the record does not have.
    """
    messages, text = list(record.messages), record.text
    for name, words in decision.turns.items():
        if name == "text" and not messages:
            text = words
        elif name.isdecimal() and int(name) < len(messages):
            messages[int(name)] = replace(messages[int(name)], content=words)
        else:
            raise DataError("审阅记录里改的那一轮不存在", where=record.id, found=name)
    return replace(record, messages=tuple(messages), text=text)


def reviewed(record: Record, decision: Decision) -> Record:
    """As `edited`, with the verdict in `extra["review"]`."""
    mark: dict[str, Any] = {"verdict": decision.verdict, "at": decision.at}
    mark |= {"note": decision.note} if decision.note else {}
    changed = edited(record, decision)
    return replace(changed, extra={**changed.extra, "review": mark})


def _keep(found: dict[str, Decision], key: str, decision: Decision) -> None:
    if decision.verdict:
        found[key] = decision
    else:
        found.pop(key, None)


def _filled(decision: Decision) -> dict[str, Any]:
    row: dict[str, Any] = {"verdict": decision.verdict, "at": decision.at}
    return row | {name: value for name in ("turns", "note") if (value := getattr(decision, name))}
