"""Two data sets compared: records that came, that went and that changed, told by id and else by what they ask.

Both files are gone through once to pair their records (some 30 bytes a record are kept) and once more for the texts of
those that differ; no file is ever whole in memory.
"""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.native import native_row, pack, unpack
from cornucopia.records.sameness import comparable
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream

Kind = Literal["added", "removed", "changed"]
_IGNORED = ("origin",)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_LONGEST = 4000  # characters that are compared one by one; of longer texts, lines are


@dataclass(frozen=True)
class Change:
    """One record that is not the same in both.

    Args:
        kind: what happened to it.
        id: the record's, '' where it has none of its own.
        question: what it asks (or its text), shortened.
        left, right: where it stands, '' on the side that lacks it.
        fields: field -> (before, after) of a changed one.
    """

    kind: Kind
    id: str
    question: str
    left: str = ""
    right: str = ""
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass
class Counted:
    """How many records are what; complete once the changes were gone through."""

    left: int = 0
    right: int = 0
    same: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    by_field: dict[str, int] = field(default_factory=dict)


@dataclass
class _Side:
    """What is kept of one file's records: hashes of id (0 for none of its own), question and whole, in order."""

    ids: NDArray[np.uint64]
    asked: NDArray[np.uint64]
    whole: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.ids)


class Comparison:
    """Two data sets, compared while `changes` is gone through.

    Args:
        left, right: files or folders of any format.
        columns: known key -> the files' own name for it.
        ignore: fields of Record, and `extra.NAME`, whose changes do not count.
    """

    def __init__(
        self, left: Path, right: Path, *, columns: Mapping[str, str] | None = None, ignore: Sequence[str] = ()
    ) -> None:
        self.left, self.right = left, right
        self._columns, self._ignore = columns or {}, frozenset((*_IGNORED, *ignore))
        self.counts = Counted()
        self.rejects = 0

    def changes(self) -> Iterator[Change]:
        """Removed and changed records in the left file's order, then the added ones in the right file's.

        Raises:
            DataError: if a file cannot be read.
        """
        left, right = self._side(self.left), self._side(self.right)
        counts = self.counts
        counts.left, counts.right = len(left), len(right)
        partner = _paired(left, right)
        same = partner >= 0
        same[same] = left.whole[same] == right.whole[partner[same]]
        counts.same = int(same.sum())
        met = np.zeros(len(right), bool)
        met[partner[partner >= 0]] = True
        changed = (partner >= 0) & ~same
        others = self._texts(self.right, set(partner[changed].tolist()))
        for index, record in self._records(self.left):
            if same[index]:
                continue
            if partner[index] < 0:
                counts.removed += 1
                yield Change("removed", _own_id(record), _shown(record), left=record.origin)
                continue
            change = self._changed(record, unpack(others.pop(int(partner[index]))))
            if change.fields:
                counts.changed += 1
                yield change
            else:
                counts.same += 1
        for index, record in self._records(self.right):
            if not met[index]:
                counts.added += 1
                yield Change("added", _own_id(record), _shown(record), right=record.origin)

    def _records(self, path: Path) -> Iterator[tuple[int, Record]]:
        number = 0
        for item in RecordStream(path, columns=self._columns):
            if isinstance(item, Record):
                yield number, item
                number += 1

    def _side(self, path: Path) -> _Side:
        ids, asked, whole = array("Q"), array("Q"), array("Q")
        for item in RecordStream(path, columns=self._columns):
            if not isinstance(item, Record):
                self.rejects += 1
                continue
            ids.append(_hash(_own_id(item)))
            asked.append(_hash(comparable(item)))
            whole.append(_hash(repr(self._flat(item))))
        return _Side(*(np.frombuffer(one, np.uint64) if one else np.zeros(0, np.uint64) for one in (ids, asked, whole)))

    def _texts(self, path: Path, wanted: set[int]) -> dict[int, bytes]:
        """The records at the places wanted, packed: as many as changed."""
        return {number: pack(record) for number, record in self._records(path) if number in wanted} if wanted else {}

    def _changed(self, left: Record, right: Record) -> Change:
        before, after = self._flat(left), self._flat(right)
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        for name in names:
            self.counts.by_field[name] = self.counts.by_field.get(name, 0) + 1
        pairs = {name: (before.get(name), after.get(name)) for name in names}
        return Change("changed", _own_id(left) or _own_id(right), _shown(left), left.origin, right.origin, pairs)

    def _flat(self, record: Record) -> dict[str, Any]:
        """The record by parts that can be told apart: question, answer, material, each key of extra ..."""
        row = {name: value for name, value in native_row(record).items() if name not in ("cornucopia", "messages")}
        row.pop("origin", None)
        row["id"] = _own_id(record)
        turns = list(record.messages)
        final = turns.pop() if record.answer else None
        if final:
            row |= {"answer": final.content, "reasoning": final.reasoning, "answer.calls": repr(final.tool_calls)}
            row["answer.marks"] = repr((final.learnt, final.name, sorted(final.extra.items(), key=repr)))
        if turns and turns[-1].role == "user":
            row["question"] = turns.pop().content
        row["history"] = "\n".join(f"{turn.role}: {turn.content}" for turn in turns)
        row["turns"] = repr([(t.role, t.reasoning, t.tool_calls, t.name, t.images, t.learnt) for t in turns])
        row["material"] = record.material
        row |= {f"extra.{key}": value for key, value in row.pop("extra", {}).items()}
        return {
            name: value
            for name, value in sorted(row.items())
            if name not in self._ignore and name.partition(".")[0] not in self._ignore and value not in ("", None)
        }


def _paired(left: _Side, right: _Side) -> NDArray[np.int64]:
    """Of each left record the place of its right one, -1 for none: by id, then by question, in the order they stand."""
    partner = np.full(len(left), -1, np.int64)
    taken = np.zeros(len(right), bool)
    for ours, theirs in ((left.ids, right.ids), (left.whole, right.whole), (left.asked, right.asked)):
        free, open_ = np.flatnonzero((partner < 0) & (ours != 0)), np.flatnonzero(~taken & (theirs != 0))
        one, two = _matched(ours[free], theirs[open_])
        partner[free[one]] = open_[two]
        taken[open_[two]] = True
    return partner


def _matched(one: NDArray[np.uint64], two: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of equal values in both; the nth of a value goes with the nth."""
    first, second = np.argsort(one, kind="stable"), np.argsort(two, kind="stable")
    codes = [_numbered(values[order]) for values, order in ((one, first), (two, second))]
    _, a, b = np.intersect1d(codes[0], codes[1], return_indices=True)
    return first[a], second[b]


def _numbered(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Of sorted values, a number for each that differs for the first, the second ... of the same value."""
    if not len(values):
        return values
    start = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    place = np.arange(len(values)) - np.repeat(start, np.diff([*start, len(values)]))
    return values + place.astype(np.uint64) * _STEP


def pieces(before: str, after: str) -> Iterator[tuple[str, str]]:
    """(" " | "-" | "+", text) runs that lead from one text to the other; by character, in long texts by line."""
    long = max(len(before), len(after)) > _LONGEST
    one, two = (before.splitlines(True), after.splitlines(True)) if long else (list(before), list(after))
    for tag, a, b, c, d in difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if tag == "equal":
            yield " ", "".join(one[a:b])
            continue
        if b > a:
            yield "-", "".join(one[a:b])
        if d > c:
            yield "+", "".join(two[c:d])


def _own_id(record: Record) -> str:
    """The id that the data gave; '' for one made of the position."""
    made = bool(record.origin) and record.id.split("#")[0] == record.origin
    return "" if made else record.id


def _shown(record: Record) -> str:
    return " ".join((record.question or record.text).split())[:80]


def _hash(text: str) -> int:
    """64 bits of a text; 0 for an empty one."""
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1
