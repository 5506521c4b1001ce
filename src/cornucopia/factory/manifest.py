"""What a run was made of and what came out: manifest.json (the same bytes for the same input), timings.json, and
report_data.json, which the report is drawn from.

report_data.json:

    title         name of the output folder
    recipe        the resolved recipe
    sources       [{name, kind, records, rejects}] in the recipe's order
    stages        [{label, name, summary, in, out, dropped: {rule: n}, changed: {rule: n},
                    drop_examples: [{rule, detail, id, origin, text, answer}] up to 20 a rule,
                    change_examples: [{rule, before, after}] up to 20 a rule,
                    report: what the stage left in its folder as report.json, or null}]; the last one is `output`
    rejects       {count, examples: [{where, reason, raw}] up to 20}
    profile       Profile.to_dict() of what was written
    outputs       [{path, split, records, bytes, sha256}]
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.version import __version__
from cornucopia.factory.profile import Profile
from cornucopia.factory.samples import MOST, Samples
from cornucopia.factory.shards import REJECTS, Shards


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

    def examples(self) -> dict[str, Any]:
        """JSON-ready examples."""
        rows = [{name: text for name, text in row.items() if name != "key"} for row in self.samples.rows()]
        return {"drop_examples": rows, "change_examples": Samples.of_changes(self.changes)}


def versions() -> dict[str, str]:
    """What the result may depend on, beyond the versions of the stages."""
    import numpy
    import orjson

    found = {"cornucopia": __version__, "python": platform.python_version()}
    return found | {"numpy": numpy.__version__, "orjson": orjson.__version__}


def reject_examples(shards: Sequence[tuple[Shards, int]]) -> list[dict[str, str]]:
    """The first bad rows."""
    rows: list[dict[str, str]] = []
    for folder, count in shards:
        for number in range(count):
            for line in folder.lines(number, REJECTS):
                rows.append({key: text[:300] for key, text in json.loads(line).items()})
                if len(rows) == MOST:
                    return rows
    return rows


def stage_report(folder: Path) -> Any:
    """What a stage left for the report; None where it left nothing."""
    path = folder / "report.json"
    return json.loads(path.read_bytes()) if path.is_file() else None
