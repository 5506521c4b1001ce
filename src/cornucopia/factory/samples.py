"""A few examples of each rule out of any number, the same few however the records were dealt out to processes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from cornucopia.records.schema import Record
from cornucopia.records.stage import Dropped

MOST = 20  # examples a rule
_LONGEST = 300  # characters shown of a text


class Samples:
    """Dropped records by rule: those whose id has the smallest checksum."""

    def __init__(self) -> None:
        self._rules: dict[str, list[tuple[int, dict[str, str]]]] = {}

    def add_dropped(self, one: Dropped) -> None:
        """Take it in if it belongs to the few."""
        key = zlib.crc32(one.record.id.encode("utf-8", "surrogatepass"))
        if self._wanted(one.rule, key):
            self._put(one.rule, key, {"rule": one.rule, "detail": one.detail[:_LONGEST], **shown(one.record)})

    def merge(self, rows: Iterable[dict[str, Any]]) -> None:
        """Take in what another one gave as `rows`."""
        for row in rows:
            self._put(row["rule"], row["key"], {name: text for name, text in row.items() if name != "key"})

    def rows(self) -> list[dict[str, Any]]:
        """The few, by rule."""
        return [{**row, "key": key} for rule in sorted(self._rules) for key, row in self._rules[rule]]

    @staticmethod
    def of_changes(examples: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
        """The first few changes of each rule."""
        counts: dict[str, int] = {}
        rows = []
        for rule, before, after in examples:
            counts[rule] = counts.get(rule, 0) + 1
            if counts[rule] <= MOST:
                rows.append({"rule": rule, "before": before[:_LONGEST], "after": after[:_LONGEST]})
        return rows

    def _wanted(self, rule: str, key: int) -> bool:
        held = self._rules.get(rule, [])
        return len(held) < MOST or key < held[-1][0]

    def _put(self, rule: str, key: int, row: dict[str, str]) -> None:
        held = self._rules.setdefault(rule, [])
        held.append((key, row))
        held.sort(key=lambda pair: (pair[0], pair[1]["id"]))
        del held[MOST:]


def shown(record: Record) -> dict[str, str]:
    """A record as an example shows it."""
    text = record.text or record.question
    row = {"id": record.id, "origin": record.origin, "text": text[:_LONGEST], "answer": record.golden[:_LONGEST]}
    return {name: value.encode("utf-8", "backslashreplace").decode() for name, value in row.items()}
