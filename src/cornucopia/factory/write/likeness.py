"""How alike short Chinese texts are, on characters: ROUGE-L, and a pool that lets only new texts in.

Word based ROUGE (as Self-Instruct and Alpaca use it) finds no word at all in Chinese. ROUGE-L: Lin 2004, "ROUGE: A
Package for Automatic Evaluation of Summaries"; the longest common subsequence by bits, here of one text with all of the
pool at once: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.sameness import normalized

_EITHER = re.compile(r"(.)不\1")  # 能不能 asks, and denies nothing
_DETAIL = re.compile(r"\d+(?:\.\d+)?|[不未无非没]")
_WORD = 64  # bits


class Pool:
    """Texts let in so far.

    Args:
        threshold: a text at least so alike to one of them (ROUGE-L on characters) is refused.
        details_tell: whether texts that differ in numbers or negations are never alike (满3个月, 不满3个月, 满6个月).
    """

    def __init__(self, threshold: float, *, details_tell: bool = False) -> None:
        self.threshold, self.details_tell = threshold, details_tell
        self._texts: list[str] = []
        self._details: list[list[str]] = []
        self._codes: dict[str, int] = {}  # of characters, from 1
        self._columns: NDArray[np.int32] = np.zeros((64, 64), np.int32)  # [characters, texts]: a text a column, then 0
        self._lengths: NDArray[np.int32] = np.zeros(64, np.int32)

    def add(self, text: str) -> None:
        """Let a text in."""
        plain, number = normalized(text), len(self._texts)
        high, wide = self._columns.shape
        grown = (max(high, len(plain)), 2 * wide if number == wide else wide)
        if grown != (high, wide):
            self._columns = _grown(self._columns, grown)
            self._lengths = _grown(self._lengths, grown[1:])
        for place, char in enumerate(plain):
            self._columns[place, number] = self._codes.setdefault(char, len(self._codes) + 1)
        self._lengths[number] = len(plain)
        self._texts.append(text)
        self._details.append(_details(plain))

    def nearest(self, text: str) -> tuple[float, str, float]:
        """(similarity, the text most alike, mean similarity to all); (0, '', 0) when the pool is empty."""
        if not self._texts:
            return 0.0, "", 0.0
        plain = normalized(text)
        lengths = self._lengths[: len(self._texts)]
        alike = 2 * self._common(plain) / np.maximum(len(plain) + lengths, 1)
        if self.details_tell:
            mine = _details(plain)
            alike *= np.array([mine == theirs for theirs in self._details])
        best = int(alike.argmax())
        return float(alike[best]), self._texts[best], float(alike.mean())

    def take(self, text: str) -> tuple[bool, float, str, float]:
        """Let a text in if it is new: (whether, and what `nearest` says)."""
        similarity, most, mean = self.nearest(text)
        new = similarity < self.threshold
        if new:
            self.add(text)
        return new, similarity, most, mean

    def _common(self, plain: str) -> NDArray[np.int64]:
        """Length of the longest common subsequence of a text and each of the pool."""
        count = len(self._texts)
        words = max(-(-len(plain) // _WORD), 1)
        masks = np.zeros((words, len(self._codes) + 1), np.uint64)
        for place, char in enumerate(plain):
            masks[place // _WORD, self._codes.get(char, 0)] |= np.uint64(1 << place % _WORD)
        masks[:, 0] = 0  # the end of a text, and characters that no text has
        rows = np.full((words, count), ~np.uint64(0))
        for codes in self._columns[: int(self._lengths[:count].max()), :count]:
            carry = np.zeros(count, np.uint64)
            for word, row in enumerate(rows):
                met = row & masks[word][codes]
                half = row + met
                total = half + carry
                carry = ((half < met) | (total < half)).astype(np.uint64)
                rows[word] = total | (row - met)
        zeros = np.unpackbits((~rows).view(np.uint8).reshape(words, count, -1), axis=2)
        return zeros.sum(axis=(0, 2), dtype=np.int64)


def _grown(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    larger = np.zeros(shape, array.dtype)
    larger[tuple(slice(size) for size in array.shape)] = array
    return larger


def _details(plain: str) -> list[str]:
    return _DETAIL.findall(_EITHER.sub(r"\1", plain))
