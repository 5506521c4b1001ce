"""What a data set holds: counts by domain, kind, licence and source, lengths, scores, duplicates, contradictions.

Records are counted as they come: of each a few dozen bytes are kept, and of the first ones what near duplicates are
told by. Needs no model.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.overlap import Pair, near_duplicates
from cornucopia.records.sameness import comparable
from cornucopia.records.schema import Record

MOST_COMPARED = 100_000  # records among which near duplicates are looked for
_UNNAMED = "（未标）"
_OTHERS = "（其他）"
_MOST_NAMES = 10_000  # names of one kind that are told apart
_PARTS = {"user": "question", "assistant": "answer", "tool": "material", "system": "system"}
_ORDER = ("question", "material", "answer", "system", "document")

Measure = Callable[[str], int]


@dataclass(frozen=True)
class Lengths:
    """Distribution of lengths, in characters or tokens; `count` texts are not empty, and only these are measured."""

    count: int
    minimum: int
    median: int
    mean: float
    p95: int
    maximum: int
    total: int


@dataclass(frozen=True)
class Spread:
    """Distribution of a score over the `count` records that have it."""

    count: int
    minimum: float
    p5: float
    median: float
    mean: float
    p95: float
    maximum: float


@dataclass(frozen=True)
class Stats:
    """Statistics of a data set.

    Args:
        records: number of records, of which `documents` are plain text and the others conversations.
        unanswered: conversations that end with the user.
        multi_turn: conversations with more than one user turn.
        domains, kinds, licences, sources: name -> number of records, most frequent first; beyond 10,000 names of one
            kind, further ones are counted together.
        lengths: question, material, answer, document, system -> distribution, in characters.
        tokens: the same in tokens, where something counted them.
        scores: name -> distribution, of what stages kept with the records.
        flaws: rule of `score` -> records that it found fault with.
        exact_duplicates: records whose question (or document) an earlier record already has.
        contradictions: questions that have more than one answer.
        compared: records among which near duplicates were looked for, from the first on.
        near: pairs of alike questions that are not equal, as positions among these.
    """

    records: int
    documents: int
    unanswered: int
    multi_turn: int
    domains: dict[str, int]
    kinds: dict[str, int]
    licences: dict[str, int]
    sources: dict[str, int]
    lengths: dict[str, Lengths]
    tokens: dict[str, Lengths]
    scores: dict[str, Spread]
    flaws: dict[str, int]
    exact_duplicates: int
    contradictions: int
    compared: int
    near: list[Pair]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return asdict(self)


class Tally:
    """Counts records one by one.

    Args:
        measure: tokens of a text, where they are to be counted.
        compared: most records among which near duplicates are looked for.
    """

    def __init__(self, measure: Measure | None = None, compared: int = MOST_COMPARED) -> None:
        self._measure, self._compared = measure, compared
        self.asked: list[Record] = []  # the first records, without what does not tell duplicates
        self._names: dict[str, Counter[str]] = {key: Counter() for key in ("domain", "kind", "licence", "source")}
        self._flaws: Counter[str] = Counter()
        self._sizes = {name: array("Q") for name in _ORDER}
        self._tokens = {name: array("Q") for name in _ORDER}
        self._scores: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._questions, self._answers = array("Q"), array("Q")  # hashes; of an answer 0 where there is none
        self._documents = self._unanswered = self._multi_turn = 0

    def add(self, record: Record) -> None:
        """Count one more."""
        for key, names in self._names.items():
            name = str(getattr(record, key)) or _UNNAMED
            names[name if name in names or len(names) < _MOST_NAMES else _OTHERS] += 1
        self._documents += not record.messages
        self._unanswered += bool(record.messages) and not record.golden
        self._multi_turn += sum(message.role == "user" for message in record.messages) > 1
        self._questions.append(_hash(comparable(record)))
        self._answers.append(_hash(record.golden.strip()))
        self._add_sizes(record)
        self._add_scores(record)
        if len(self.asked) < self._compared:
            asked = tuple(replace(message, reasoning="", extra={}) for message in record.prompt().messages)
            self.asked.append(Record(asked, record.text, passages=record.passages, origin=record.origin))

    def _add_sizes(self, record: Record) -> None:
        texts = [("document", record.text), ("material", record.material)]
        texts += [(_PARTS[message.role], message.content) for message in record.messages]
        for name, text in texts:
            if text:
                self._sizes[name].append(len(text))
                if self._measure:
                    self._tokens[name].append(self._measure(text))

    def _add_scores(self, record: Record) -> None:
        scores, flaws = record.extra.get("scores"), record.extra.get("flaws")
        for name, value in scores.items() if isinstance(scores, dict) else ():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self._scores[str(name)].append(float(value))
        self._flaws.update(map(str, flaws) if isinstance(flaws, dict) else ())

    def stats(self, threshold: float = 0.6) -> Stats:
        """What was counted; questions at least `threshold` alike (5-gram Jaccard) are near duplicates."""
        questions = np.frombuffer(self._questions, np.uint64) if self._questions else np.zeros(0, np.uint64)
        answers = np.frombuffer(self._answers, np.uint64) if self._answers else np.zeros(0, np.uint64)
        domains, kinds, licences, sources = (dict(names.most_common()) for names in self._names.values())
        return Stats(
            records=len(questions),
            documents=self._documents,
            unanswered=self._unanswered,
            multi_turn=self._multi_turn,
            domains=domains,
            kinds=kinds,
            licences=licences,
            sources=sources,
            lengths={name: _lengths(sizes) for name, sizes in self._sizes.items() if sizes},
            tokens={name: _lengths(sizes) for name, sizes in self._tokens.items() if sizes},
            scores={name: _spread(values) for name, values in sorted(self._scores.items())},
            flaws=dict(self._flaws.most_common()),
            exact_duplicates=len(questions) - len(np.unique(questions)),
            contradictions=_contradictions(questions, answers),
            compared=len(self.asked),
            near=[pair for pair in near_duplicates(self.asked, threshold) if pair.similarity < 1],
        )


def compute_stats(records: Iterable[Record], threshold: float = 0.6) -> Stats:
    """Statistics of `records`; see Tally."""
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally.stats(threshold)


def _contradictions(questions: NDArray[np.uint64], answers: NDArray[np.uint64]) -> int:
    """Questions with more than one answer, of which no answer is none."""
    answered = answers != 0
    pairs = np.unique(np.stack([questions[answered], answers[answered]], 1), axis=0)
    _, counts = np.unique(pairs[:, 0], return_counts=True)
    return int((counts > 1).sum())


def _hash(text: str) -> int:
    """64 bits of a text, which two texts share once in some 10^19; 0 for an empty one."""
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1


def _lengths(sizes: array[int]) -> Lengths:
    values = np.frombuffer(sizes, np.uint64)
    median, p95 = (int(value) for value in np.percentile(values, [50, 95], method="nearest"))
    mean = round(float(values.mean()), 1)
    return Lengths(len(values), int(values.min()), median, mean, p95, int(values.max()), int(values.sum()))


def _spread(scores: array[float]) -> Spread:
    values = np.frombuffer(scores, np.float64)
    low, p5, median, p95, high = (round(float(one), 4) for one in np.percentile(values, [0, 5, 50, 95, 100]))
    return Spread(len(values), low, p5, median, round(float(values.mean()), 4), p95, high)
