"""How alike two short Chinese texts are, on characters: ROUGE-L, and a pool that lets only new texts in.

Word based ROUGE (as Self-Instruct and Alpaca use it) finds no word at all in Chinese. ROUGE-L: Lin 2004, "ROUGE: A
Package for Automatic Evaluation of Summaries"; the longest common subsequence by bits: Hyyrö 2004, "Bit-parallel LCS-
length computation revisited".
"""

from __future__ import annotations

import re

from cornucopia.records.sameness import normalized

_EITHER = re.compile(r"(.)不\1")  # 能不能 asks, and denies nothing
_DETAIL = re.compile(r"\d+(?:\.\d+)?|[不未无非没]")


def rouge_l(one: str, other: str) -> float:
    """F1 of the longest common subsequence of characters, 0 to 1."""
    if not one or not other:
        return 0.0
    return 2 * _common(_masks(one), len(one), other) / (len(one) + len(other))


def _masks(text: str) -> dict[str, int]:
    masks: dict[str, int] = {}
    for place, char in enumerate(text):
        masks[char] = masks.get(char, 0) | 1 << place
    return masks


def _common(masks: dict[str, int], length: int, other: str) -> int:
    """Length of the longest common subsequence of a text (by its masks) and another."""
    whole = (1 << length) - 1
    row = whole
    for char in other:
        met = row & masks.get(char, 0)
        row = ((row + met) | (row - met)) & whole
    return length - row.bit_count()


class Pool:
    """Texts let in so far.

    Args:
        threshold: a text at least so alike to one of them (ROUGE-L on characters) is refused.
        details_tell: whether texts that differ in numbers or negations are never alike (满3个月, 不满3个月, 满6个月).
    """

    def __init__(self, threshold: float, *, details_tell: bool = False) -> None:
        self.threshold, self.details_tell = threshold, details_tell
        self._texts: list[tuple[str, str, list[str]]] = []

    def add(self, text: str) -> None:
        """Let a text in."""
        plain = normalized(text)
        self._texts.append((text, plain, _details(plain)))

    def nearest(self, text: str) -> tuple[float, str, float]:
        """(similarity, the text most alike, mean similarity to all); (0, '', 0) when the pool is empty."""
        plain = normalized(text)
        masks, size = _masks(plain), len(plain)
        alike = [2 * _common(masks, size, other) / max(size + len(other), 1) for _, other, _ in self._texts]
        if self.details_tell:
            mine = _details(plain)
            alike = [0.0 if mine != row[2] else value for value, row in zip(alike, self._texts, strict=True)]
        best = max(range(len(alike)), key=alike.__getitem__, default=-1)
        return (alike[best], self._texts[best][0], sum(alike) / len(alike)) if alike else (0.0, "", 0.0)

    def take(self, text: str) -> tuple[bool, float, str, float]:
        """Let a text in if it is new: (whether, and what `nearest` says)."""
        similarity, most, mean = self.nearest(text)
        new = similarity < self.threshold
        if new:
            self.add(text)
        return new, similarity, most, mean


def _details(plain: str) -> list[str]:
    return _DETAIL.findall(_EITHER.sub(r"\1", plain))
