"""Summaries of shards, added up: what each step took, gave, dropped and changed, with a few examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cornucopia.factory.profile import Profile
from cornucopia.factory.samples import Samples


class Totals:
    """Summaries of shards, added up in their order.

    Args:
        labels: of the steps, in their order, `output` last.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.stages = {label: _Stage() for label in labels}
        self.profile = Profile()
        self.seconds: Counter[str] = Counter()

    def add(self, summaries: Iterable[dict[str, Any]]) -> None:
        """Add the shards of a pass."""
        for summary in summaries:
            self.seconds.update(summary["seconds"])
            for row in summary["stages"]:
                self.stages[row["label"]].add(row)
            if "profile" in summary:
                self.profile.merge(summary["profile"])


class _Stage:
    def __init__(self) -> None:
        self.taken = self.given = 0
        self.dropped: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.samples, self.changes = Samples(), list[tuple[str, str, str]]()

    def add(self, row: dict[str, Any]) -> None:
        self.taken += row["in"]
        self.given += row["out"]
        self.dropped.update(row["dropped"])
        self.changed.update(row["changed"])
        self.samples.merge(row["drop_examples"])
        shown = [(one["rule"], one["before"], one["after"]) for one in row["change_examples"]]
        held = Samples.of_changes([*self.changes, *shown])
        self.changes = [(one["rule"], one["before"], one["after"]) for one in held]

    def counts(self) -> dict[str, Any]:
        """JSON-ready, without examples."""
        dropped = dict(sorted(self.dropped.items(), key=lambda pair: (-pair[1], pair[0])))
        changed = dict(sorted(self.changed.items(), key=lambda pair: (-pair[1], pair[0])))
        return {"in": self.taken, "out": self.given, "dropped": dropped, "changed": changed}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with examples."""
        rows = [{name: text for name, text in row.items() if name != "key"} for row in self.samples.rows()]
        return {**self.counts(), "drop_examples": rows, "change_examples": Samples.of_changes(self.changes)}
