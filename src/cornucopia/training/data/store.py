"""Tokenised examples in flat arrays, in memory or mapped from files: 8 bytes a token and nothing for each example."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np

from cornucopia.tokens.render import Example

_AT_ONCE = 2**20  # tokens looked at together
_EXAMPLES_AT_ONCE = 2**13


class TokenStore(Sequence[Example]):
    """Examples by number; each is made when it is asked for, without origin and truncation.

    Args:
        offsets: (E+1,) int64, where each kept example begins, ending with the number of tokens M.
        ids, labels: (M,) int32.
        order: (N,) int64, the kept example that each example is; None: each of them once (N = E).

    Raises:
        ValueError: if the arrays do not belong together.
    """

    def __init__(
        self, offsets: np.ndarray, ids: np.ndarray, labels: np.ndarray, order: np.ndarray | None = None
    ) -> None:
        rising = len(offsets) > 0 and offsets[0] == 0 and bool(np.all(offsets[1:] > offsets[:-1]))
        if not rising or not len(ids) == len(labels) == offsets[-1]:
            raise ValueError("arrays of tokens do not belong together")
        if order is not None and len(order) and not 0 <= order.min() <= order.max() < len(offsets) - 1:
            raise ValueError("the order names examples that are not there")
        self.offsets, self.ids, self.labels, self.order = offsets, ids, labels, order

    @classmethod
    def of(cls, examples: Iterable[Example]) -> TokenStore:
        """The examples' tokens; none of them may be empty."""
        examples = list(examples)
        offsets = np.cumsum([0, *(len(example.input_ids) for example in examples)], dtype=np.int64)
        ids, labels = (
            np.fromiter((value for e in examples for value in getattr(e, name)), np.int32, int(offsets[-1]))
            for name in ("input_ids", "labels")
        )
        return cls(offsets, ids, labels)

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each example, in 4 bytes each."""
        lengths = np.diff(self.offsets).astype(np.int32)
        return array("i", (lengths if self.order is None else lengths[self.order]).tobytes())

    @property
    def tokens(self) -> int:
        """Tokens of all examples."""
        return len(self.ids) if self.order is None else sum(self.lengths)

    @property
    def supervised(self) -> int:
        """Trained tokens of all examples."""
        times = None if self.order is None else np.bincount(self.order, minlength=len(self.offsets) - 1)
        total = 0
        for first, last in self._stretches():
            start, stop = self.offsets[first], self.offsets[last]
            trained = self.labels[start:stop] >= 0
            if times is None:
                total += int(trained.sum())
            else:
                each = np.add.reduceat(trained, self.offsets[first:last] - start, dtype=np.int64)
                total += int(each @ times[first:last])
            self._let_go()
        return total

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Kept examples by their numbers, from and up to, about `_AT_ONCE` tokens at a time."""
        marks = np.arange(0, int(self.offsets[-1]) + _AT_ONCE, _AT_ONCE)
        bounds = np.unique(np.minimum(np.searchsorted(self.offsets, marks), len(self.offsets) - 1))
        return pairwise(bounds.tolist())

    def __len__(self) -> int:
        return len(self.offsets) - 1 if self.order is None else len(self.order)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        kept = index if self.order is None else int(self.order[index])
        part = slice(self.offsets[kept], self.offsets[kept + 1])
        return Example(self.ids[part].tolist(), self.labels[part].tolist())

    def __iter__(self) -> Iterator[Example]:
        for start in range(0, len(self), _EXAMPLES_AT_ONCE):
            for index in range(start, min(start + _EXAMPLES_AT_ONCE, len(self))):
                yield self[index]
            self._let_go()

    def _let_go(self) -> None:
        """Have mapped pages not count as the program's memory any more; they are read again when they are needed."""
        for numbers in (self.ids, self.labels):
            pages = numbers.base.base if isinstance(numbers.base, np.memmap) else None
            if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                pages.madvise(mmap.MADV_DONTNEED)
