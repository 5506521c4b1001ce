"""What a data set looks like, in numbers that two halves of it can be added up from: for the report.

Nothing grows with the number of records: lengths fall into bins, and of the names of domains, sources and the like
only the most frequent are kept apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cornucopia.records.schema import Record

MOST_NAMES = 500  # different domains, sources ... counted by themselves; the rest is OTHER
OTHER = "（其他）"
UNNAMED = "（未标）"
_FIELDS = ("domains", "kinds", "sources", "licences", "intakes", "splits", "turns")


class Profile:
    """Counts over records."""

    def __init__(self) -> None:
        self.records = self.documents = 0
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in _FIELDS}
        self.lengths: dict[str, Counter[int]] = {"question": Counter(), "answer": Counter(), "document": Counter()}
        self.characters: Counter[str] = Counter()
        self.scores: dict[str, Counter[float]] = {}

    def add(self, record: Record) -> None:
        """Count one record."""
        self.records += 1
        counts = self.counts
        counts["domains"][record.domain or UNNAMED] += 1
        counts["kinds"][record.kind or UNNAMED] += 1
        counts["sources"][record.source or UNNAMED] += 1
        counts["licences"][record.licence or UNNAMED] += 1
        counts["intakes"][record.id.partition(":")[0]] += 1
        counts["splits"][str(record.extra.get("split") or "train")] += 1
        if record.text:
            self.documents += 1
            self._length("document", len(record.text))
        else:
            counts["turns"][str(sum(message.role == "user" for message in record.messages))] += 1
            self._length("question", len(record.question))
            self._length("answer", len(record.golden))
        scores = record.extra.get("scores")
        if isinstance(scores, dict):
            for name, value in scores.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    self.scores.setdefault(name, Counter())[float(f"{value:.2g}")] += 1

    def _length(self, name: str, size: int) -> None:
        self.lengths[name][bin_of(size)] += 1
        self.characters[name] += size

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what another one gave as `to_dict`."""
        self.records += other["records"]
        self.documents += other["documents"]
        self.characters.update(other["characters"])
        for name, held in self.counts.items():
            held.update(other["counts"][name])
        for name, bins in other["lengths"].items():
            self.lengths[name].update({int(size): count for size, count in bins})
        for name, values in other["scores"].items():
            self.scores.setdefault(name, Counter()).update({float(value): count for value, count in values})
        self.counts = {name: _few(held) for name, held in self.counts.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `counts` by frequency, `lengths` as [lower edge in characters, records], `scores` as
        [value to two digits, records]."""
        return {
            "records": self.records,
            "documents": self.documents,
            "characters": dict(sorted(self.characters.items())),
            "counts": {name: dict(_ranked(_few(held))) for name, held in self.counts.items()},
            "lengths": {name: sorted(held.items()) for name, held in self.lengths.items()},
            "scores": {name: sorted(held.items()) for name, held in sorted(self.scores.items())},
        }


def bin_of(size: int) -> int:
    """Lower edge of the bin of a length in characters."""
    if size < 100:
        return size // 10 * 10
    if size < 1000:
        return size // 50 * 50
    return size // 500 * 500 if size < 10_000 else min(size // 10_000 * 10_000, 100_000)


def _ranked(counter: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))


def _few(counter: Counter[str]) -> Counter[str]:
    if len(counter) <= MOST_NAMES:
        return counter
    kept = [pair for pair in _ranked(counter) if pair[0] != OTHER][: MOST_NAMES - 1]
    return Counter({**dict(kept), OTHER: counter.total() - sum(count for _, count in kept)})
