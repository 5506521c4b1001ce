"""Tokenised examples in three flat arrays: 8 bytes a token instead of the 50 or so of Python's lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from cornucopia.tokens.render import IGNORE, Example


class TokenStore(Sequence[Example]):
    """Examples by number; each is made when it is asked for, without origin and truncation.

    Args:
        offsets: (N+1,) int64, where each example begins, ending with the number of tokens M.
        ids, labels: (M,) int32.

    Raises:
        ValueError: if the arrays do not belong together.
    """

    def __init__(self, offsets: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> None:
        rising = len(offsets) > 0 and offsets[0] == 0 and bool(np.all(np.diff(offsets) > 0))
        if not rising or not len(ids) == len(labels) == offsets[-1]:
            raise ValueError("arrays of tokens do not belong together")
        self.offsets, self.ids, self.labels = offsets, ids, labels

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
    def lengths(self) -> list[int]:
        """Tokens of each example."""
        return np.diff(self.offsets).tolist()

    @property
    def tokens(self) -> int:
        """Tokens of all examples."""
        return len(self.ids)

    @property
    def supervised(self) -> int:
        """Trained tokens of all examples."""
        return int((self.labels != IGNORE).sum())

    def __len__(self) -> int:
        return len(self.offsets) - 1

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
        part = slice(self.offsets[index], self.offsets[index + 1])
        return Example(self.ids[part].tolist(), self.labels[part].tolist())

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))
