"""What a data set looks like, in numbers that two halves of it can be added up from: for the report.

Nothing grows with the number of records: lengths fall into bins, and of the names of domains, sources and the like
only the most frequent are kept apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

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

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count records, each as its `native_row`. What they say of themselves is counted together and taken apart
        for the few kinds there are."""
        self.records += len(rows)
        for names, count in Counter([_told(row) for row in rows]).items():
            for name, value in zip(_FIELDS, names, strict=True):
                if value is not None:
                    self.counts[name][value] += count
        documents = [len(row["text"]) for row in rows if "text" in row]
        talks = [_sizes(row.get("messages", ())) for row in rows if "text" not in row]
        self.documents += len(documents)
        self._lengths("document", documents)
        self._lengths("question", [asked for asked, _ in talks])
        self._lengths("answer", [given for _, given in talks])
        for row in rows:
            if "extra" in row and isinstance(scores := row["extra"].get("scores"), dict):
                self._score(scores)

    def _score(self, scores: Mapping[str, Any]) -> None:
        for name, value in scores.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self.scores.setdefault(name, Counter())[float(f"{value:.2g}")] += 1

    def _lengths(self, name: str, sizes: Sequence[int]) -> None:
        for size, count in Counter(sizes).items():
            self.lengths[name][bin_of(size)] += count
            self.characters[name] += size * count

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


def _told(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    """What a record says of itself, as in _FIELDS; documents have no turns."""
    turns = [message["role"] for message in row.get("messages", ())].count("user")
    return (
        row.get("domain") or UNNAMED,
        row.get("kind") or UNNAMED,
        row.get("source") or UNNAMED,
        row.get("licence") or UNNAMED,
        row.get("id", "").partition(":")[0],
        str(row.get("extra", {}).get("split") or "train"),
        None if "text" in row else str(turns),
    )


def _sizes(turns: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Characters of the last question and of the answer that ends the conversation."""
    asked = next((len(turn["content"]) for turn in reversed(turns) if turn["role"] == "user"), 0)
    return asked, len(turns[-1]["content"]) if turns and turns[-1]["role"] == "assistant" else 0


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
