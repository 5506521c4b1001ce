"""What a data set holds: counts by domain and kind, lengths, duplicates, contradictions. Needs no model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cornucopia.records.overlap import Pair, near_duplicates
from cornucopia.records.sameness import comparable
from cornucopia.records.schema import Record

_UNNAMED = "（未标）"


@dataclass(frozen=True)
class Lengths:
    """Distribution of lengths in characters; `count` texts are not empty, and only these are measured."""

    count: int
    minimum: int
    median: int
    mean: float
    p95: int
    maximum: int
    total: int


@dataclass(frozen=True)
class Stats:
    """Statistics of a data set.

    Args:
        records: number of records, of which `documents` are plain text and the others conversations.
        unanswered: conversations that end with the user.
        multi_turn: conversations with more than one user turn.
        domains, kinds: name -> number of records, most frequent first.
        lengths: question, material, answer, document, system -> distribution.
        exact_duplicates: records whose question (or document) an earlier record already has.
        contradictions: questions that have more than one answer.
        near: pairs of alike questions that are not equal.
    """

    records: int
    documents: int
    unanswered: int
    multi_turn: int
    domains: dict[str, int]
    kinds: dict[str, int]
    lengths: dict[str, Lengths]
    exact_duplicates: int
    contradictions: int
    near: list[Pair]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return asdict(self)


def compute_stats(records: Sequence[Record], threshold: float = 0.6) -> Stats:
    """Statistics of `records`; questions at least `threshold` alike (5-gram Jaccard) are near duplicates."""
    talks = [record for record in records if record.messages]
    answers: dict[str, set[str]] = defaultdict(set)
    for record in talks:
        answers[comparable(record)].update([record.golden.strip()] if record.golden else [])
    return Stats(
        records=len(records),
        documents=len(records) - len(talks),
        unanswered=sum(not record.golden for record in talks),
        multi_turn=sum(sum(m.role == "user" for m in record.messages) > 1 for record in talks),
        domains=_counts(record.domain for record in records),
        kinds=_counts(record.kind for record in records),
        lengths=_all_lengths(records),
        exact_duplicates=len(records) - len({comparable(record) for record in records}),
        contradictions=sum(len(given) > 1 for given in answers.values()),
        near=[pair for pair in near_duplicates(records, threshold) if pair.similarity < 1],
    )


def _counts(names: Any) -> dict[str, int]:
    return dict(Counter(name or _UNNAMED for name in names).most_common())


def _all_lengths(records: Sequence[Record]) -> dict[str, Lengths]:
    texts: dict[str, list[int]] = {"question": [], "material": [], "answer": [], "system": [], "document": []}
    names = {"user": "question", "assistant": "answer", "tool": "material", "system": "system"}
    for record in records:
        texts["document"].append(len(record.text))
        for message in record.messages:
            texts[names[message.role]].append(len(message.content))
        texts["material"].append(len(record.material))
    measured = {name: [size for size in sizes if size] for name, sizes in texts.items()}
    return {name: _lengths(sizes) for name, sizes in measured.items() if sizes}


def _lengths(sizes: list[int]) -> Lengths:
    median, p95 = (int(value) for value in np.percentile(sizes, [50, 95], method="nearest"))
    mean = round(float(np.mean(sizes)), 1)
    return Lengths(len(sizes), min(sizes), median, mean, p95, max(sizes), sum(sizes))
