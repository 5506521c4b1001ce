"""Which records contain a question of the evaluation set: shared runs of characters, weighed by how rare they are.

A run (an n-gram of `size` characters of what `sameness` compares) that k questions have counts 1/k, so the phrases
every examination uses count for little; a question is contained when runs of a given share of its weight stand in the
record. A question or option shorter than a run is found only where it is a whole sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.decontaminate.exam import Item, searched
from cornucopia.records.fold import Folded, Hashes, fold, gram_hashes, without_numbers
from cornucopia.records.sameness import normalized
from cornucopia.records.schema import Record

_COMMON = 100  # a run that more questions have than this tells none of them
_BITS = 22  # of the table by which most runs are told at once to be none of the evaluation set's


def _tells(item: Item, size: int) -> bool:
    """Whether a question with what is looked for beside it can be known by that: 谢谢 with three moods cannot."""
    return bool(item.rest) and len(normalized("".join([item.stem, *item.rest]))) >= size


@dataclass(frozen=True)
class Hit:
    """A record (its place), a question (its place), and the share of the question's weight found, 0 to 1."""

    record: int
    item: int
    share: float


class Index:
    """The runs of the evaluation set.

    Args:
        items: its questions.
        size: characters of a run.
        numbers: False to take all numbers for the same.
    """

    def __init__(self, items: Sequence[Item], size: int, numbers: bool) -> None:
        self._size, self._numbers = size, numbers
        probes = [(place, [item.stem]) for place, item in enumerate(items) if item.alone]
        probes += [(place, [item.stem, *item.rest]) for place, item in enumerate(items) if _tells(item, size)]
        self._item = np.array([place for place, _ in probes], np.int64)
        hashes, owner = self._runs([texts for _, texts in probes])
        self._hashes, place = np.unique(hashes, return_inverse=True)
        pairs = np.unique(place.ravel() * len(probes) + owner)
        gram, probe = pairs // max(len(probes), 1), pairs % max(len(probes), 1)
        counts = np.bincount(gram, minlength=len(self._hashes))
        start = np.cumsum(counts) - counts
        of_item = np.unique(gram * len(items) + self._item[probe])
        questions = np.bincount(of_item // max(len(items), 1), minlength=len(self._hashes))
        rare = questions <= _COMMON
        self._hashes, self._start, self._count = self._hashes[rare], start[rare], counts[rare]
        self._weight = 1 / questions[rare]
        self._probes = probe
        mass = np.repeat(self._weight, self._count)
        self._mass = np.bincount(self._posted(np.arange(len(self._hashes))), mass, len(probes))
        self._table = np.zeros(1 << _BITS, np.bool_)
        self._table[self._hashes >> np.uint64(64 - _BITS)] = True

    def find(self, records: Sequence[Record], share: float) -> list[Hit]:
        """Of every record that contains questions, the one it contains most of."""
        if not len(self._hashes):
            return []
        hashes, owner = self._runs([searched(record) for record in records])
        near = self._table[hashes >> np.uint64(64 - _BITS)]
        hashes, owner = hashes[near], owner[near]
        place = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        same = self._hashes[place] == hashes
        code = np.unique(owner[same] * len(self._hashes) + place[same])
        owner, place = code // len(self._hashes), code % len(self._hashes)
        pair = np.repeat(owner, self._count[place]) * len(self._item) + self._posted(place)
        pair, inverse = np.unique(pair, return_inverse=True)
        weight = np.bincount(inverse.ravel(), np.repeat(self._weight[place], self._count[place]), len(pair))
        owner, probe = pair // len(self._item), pair % len(self._item)
        part = weight / self._mass[probe]
        good = np.flatnonzero(part >= share - 1e-9)
        good = good[np.lexsort((probe[good], -part[good], owner[good]))]
        good = good[np.diff(owner[good], prepend=-1) != 0]
        return [Hit(int(owner[at]), int(self._item[probe[at]]), float(min(part[at], 1))) for at in good]

    def _posted(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        """The probes of each of these runs, one after another."""
        count = self._count[place]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        found: NDArray[np.int64] = self._probes[np.repeat(self._start[place], count) + within]
        return found

    def _runs(self, texts: Sequence[Sequence[str]]) -> tuple[Hashes, NDArray[np.int64]]:
        """(hashes, which of `texts` each is of)."""
        folded = self.folded(list(chain.from_iterable(texts)))
        hashes, bounds = gram_hashes(folded, self._size)
        owner = np.repeat(np.arange(len(texts)), [len(some) for some in texts])
        return hashes, np.repeat(owner, np.diff(bounds))

    def folded(self, texts: Sequence[str]) -> Folded:
        """Texts as they are compared."""
        return fold(texts) if self._numbers else without_numbers(fold(texts))


def longest_run(question: str, text: str) -> str:
    """The longest run of characters that two texts share; by halving, as a longer run holds the shorter ones."""
    question, text = question[:2_000], text[:20_000]

    def shared(size: int) -> str:
        grams = (question[at : at + size] for at in range(len(question) - size + 1))
        return next((gram for gram in grams if gram in text), "")

    low, high, best = 0, min(len(question), len(text)), ""
    while low < high:
        middle = (low + high + 1) // 2
        found = shared(middle)
        low, high, best = (middle, high, found) if found else (low, middle - 1, best)
    return best
