"""Which of many texts hold a match of regular expressions: tried only where the first two characters of a match stand.

Where those stand is looked up for many texts at once, as numbers, at a tenth of the cost of a search in each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.texts import SEPARATOR

Match = Callable[[str, int], object]
Ranges = tuple[tuple[int, int], ...]  # first and last code point of each
_LAST = 0x10FFFF
_ALL: Ranges = ((0, _LAST),)
_TOGETHER = 100_000  # characters looked at at a time: they stay in the processor's cache
_REPEATS = {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}


class Sieve:
    """Looks at many texts at once.

    Args:
        patterns: regular expressions, without flags and without groups that are referred to. Each text stands between
            two SEPARATORs: the end of a text is `SEPARATOR`, where `$` is the end of many, and [^...] may go past it.
        runs: (characters as within [...], n, pattern): patterns whose every match begins with n of these characters.
    """

    def __init__(self, patterns: Sequence[str], runs: Iterable[tuple[str, int, str]] = ()) -> None:
        self._match = re.compile("|".join(patterns)).match
        pairs = sorted({pair for pattern in patterns for pair in beginnings(pattern)})
        self._row, rows = _numbered([first for first, _ in pairs])
        self._column, columns = _numbered([second for _, second in pairs])
        self._table = (rows.astype(np.float32) @ columns.astype(np.float32).T) > 0
        self._begins: NDArray[np.bool_] = np.asarray(self._table.any(axis=1))[self._row]
        self._runs = []
        for characters, size, pattern in runs:
            numbers, kinds = _numbered([beginnings(f"[{characters}]").pop()[0]])
            self._runs.append((kinds[:, 0][numbers], size, re.compile(pattern).match))

    def touched(self, texts: Sequence[str]) -> list[bool]:
        """Whether each of the texts holds a match; yes, too, where one would only go beyond its end."""
        touched = [False] * len(texts)
        for start, stop in _stretches(texts):
            some = texts[start:stop]
            joined = f"{SEPARATOR}{SEPARATOR.join(some)}{SEPARATOR}{SEPARATOR}"
            ends = np.cumsum(np.fromiter(map(len, some), np.int64, len(some)) + 1)
            for hits, match in self._hits(np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)):
                behind = np.searchsorted(ends, hits, "right")  # a separator belongs to the text behind it
                before = np.searchsorted(ends, hits - 1, "right")  # and to the one before it
                for at, one, other in zip(hits.tolist(), before.tolist(), behind.tolist(), strict=True):
                    if not (touched[start + one] and touched[min(start + other, stop - 1)]) and match(joined, at):
                        touched[start + one] = touched[min(start + other, stop - 1)] = True
        return touched

    def _hits(self, codes: NDArray[np.uint32]) -> Iterator[tuple[NDArray[np.int64], Match]]:
        """Where matches may begin, and what tells whether one does."""
        at = np.flatnonzero(self._begins[codes[:-1]])
        yield at[self._table[self._row[codes[at]], self._column[codes[at + 1]]]], self._match
        for within, size, match in self._runs:
            held = np.flatnonzero(within[codes])
            last = held[size - 1 :]
            first = held[: len(last)]
            yield first[last - first == size - 1], match


def _stretches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    start, size = 0, 0
    for index, text in enumerate(texts):
        size += len(text)
        if size > _TOGETHER:
            yield start, index + 1
            start, size = index + 1, 0
    if start < len(texts):
        yield start, len(texts)


def beginnings(pattern: str) -> set[tuple[Ranges, Ranges]]:
    """Sets of characters of which every match of the pattern holds one pair as its first two; what stands behind a
    match of one character can be any."""
    return {(*head, _ALL, _ALL)[:2] for head in _heads(parser.parse(pattern))}  # type: ignore[misc]


def _heads(items: Any) -> list[tuple[Ranges, ...]]:
    """Up to two sets each; fewer where a match can be that short."""
    heads: set[tuple[Ranges, ...]] = {()}
    for code, value in items:
        heads = _followed(heads, _of_item(code, value))
    return sorted(heads)


def _followed(heads: set[tuple[Ranges, ...]], more: Iterable[tuple[Ranges, ...]]) -> set[tuple[Ranges, ...]]:
    return {(*head, *one)[:2] for head in heads for one in (more if len(head) < 2 else [()])}


def _of_item(code: Any, value: Any) -> Iterable[tuple[Ranges, ...]]:
    if code is op.LITERAL:
        return [(((value, value),),)]
    if code is op.NOT_LITERAL:
        return [(_others([(value, value)]),)]
    if code is op.ANY:
        return [(_ALL,)]
    if code is op.IN:
        return [(_set(value),)]
    if code is op.BRANCH:
        return {head for items in value[1] for head in _heads(items)}
    if code is op.SUBPATTERN:
        return _heads(value[-1])
    if code in (op.ASSERT, op.ASSERT_NOT, op.AT):  # they take no character
        return [()]
    if code in _REPEATS:
        least, most, items = value
        times: set[tuple[Ranges, ...]] = {()}
        heads: set[tuple[Ranges, ...]] = set()
        for count in range(min(most, least + 2, 4) + 1):
            heads |= times if count >= min(least, 2) else set()
            times = _followed(times, _heads(items))
        return heads
    return [(_ALL, _ALL), ()]


def _set(items: Any) -> Ranges:
    """The characters of [...]; all where classes such as \\d stand in it."""
    ranges = []
    for code, value in items:
        if code is op.LITERAL:
            ranges.append((value, value))
        elif code is op.RANGE:
            ranges.append((value[0], value[1]))
        elif code is not op.NEGATE:
            return _ALL
    return _others(ranges) if items[0][0] is op.NEGATE else tuple(sorted(ranges))


def _others(ranges: Iterable[tuple[int, int]]) -> Ranges:
    left, at = [], 0
    for first, last in sorted(ranges):
        if first > at:
            left.append((at, first - 1))
        at = max(at, last + 1)
    return (*left, (at, _LAST)) if at <= _LAST else tuple(left)


def _numbered(sets: Sequence[Ranges]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(number of every code point, (number, set) whether the characters of that number are in the set)."""
    borders = np.unique([0, *(edge for ranges in sets for first, last in ranges for edge in (first, last + 1))])
    borders = borders[borders <= _LAST]
    held = np.zeros((len(borders), max(len(sets), 1)), np.bool_)
    for index, ranges in enumerate(sets):
        for first, last in ranges:
            held[(borders >= first) & (borders <= last), index] = True
    kinds, numbers = np.unique(held, axis=0, return_inverse=True)
    sizes = np.diff([*borders, _LAST + 1])
    return np.repeat(numbers.ravel(), sizes).astype(np.int16), kinds
