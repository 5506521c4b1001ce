"""Keys and values in fixed slots: a row gets one, writes in place, and leaves it without anything being copied.

Slots of one width form a pool, so that a long row does not widen the short ones. A slot that is left keeps its tokens
until it is needed again: a later prompt that begins alike takes them over instead of computing them.

Shapes: S slots, G key heads, W tokens of a slot, D width of a head.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch

WIDTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
FIRST = 8  # slots of a new pool
GAPS = 4  # rows are moved together when one place in so many is free


@dataclass(eq=False)
class Slot:
    """A place for one row.

    Args:
        pool, index: where it is.
        held: the tokens whose keys and values it has.
        adapter: the one they were computed with.
        taken: whether a row is in it.
        used: when a row last entered it.
        most: tokens that its row may come to.
        written: most tokens that were ever in it: on CPU, memory that is taken already.
    """

    pool: Pool
    index: int
    held: list[int] = field(default_factory=list)
    adapter: str | None = None
    taken: bool = False
    used: int = 0
    most: int = 0
    written: int = 0

    def leave(self) -> None:
        """No row is in it; what it holds stays."""
        self.taken, self.written = False, max(self.written, len(self.held))

    @property
    def lacks(self) -> int:
        """Tokens that its row may still write where nothing was before."""
        return max(0, self.most - max(self.written, len(self.held)))


class Pool:
    """Slots of one width; `keys` and `values` are a list with a tensor (S, G, W, D) for each layer."""

    def __init__(self, width: int, layers: int, shape: tuple[int, int], like: torch.Tensor) -> None:
        self.width = width
        heads, size = shape
        self.keys = [like.new_empty(0, heads, width, size) for _ in range(layers)]
        self.values = [like.new_empty(0, heads, width, size) for _ in range(layers)]
        self.slots: list[Slot] = []

    def grow(self, most: int, room: int) -> None:
        """Make more slots, at most `most`: all at once where memory is only taken as it is written, else what fits."""
        at_once, held = self.keys[0].device.type == "cpu", len(self.slots)
        count = most if at_once else max(held + 1, min(most, max(FIRST, 2 * held), held + room // self.width))
        for tensors in (self.keys, self.values):
            for layer, old in enumerate(tensors):
                tensors[layer] = _zeros((count, *old.shape[1:]), old)
                tensors[layer][: len(old)] = old
        self.slots += [Slot(self, index) for index in range(len(self.slots), count)]

    def copy(self, source: Slot, target: int, tokens: int) -> None:
        """The first `tokens` of another slot, of any pool, into this pool's slot `target`."""
        for mine, theirs in ((self.keys, source.pool.keys), (self.values, source.pool.values)):
            for to, of in zip(mine, theirs, strict=True):
                to[target, :, :tokens] = of[source.index, :, :tokens]


class Slots:
    """All pools of one running batch.

    Args:
        layers: how many.
        shape: (G, D).
        like: a tensor of the type and on the device that keys and values get.
        budget: most tokens of the slots that are taken.
        most: most rows at a time.
        longest: most tokens of a row.
        room: how many tokens' keys and values the memory that is free can take.
    """

    def __init__(
        self, layers: int, shape: tuple[int, int], like: torch.Tensor, *, budget: int, most: int, longest: int,
        room: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:  # fmt: skip
        self.room = room
        self._layers, self._shape, self._like, self.budget, self._most = layers, shape, like, budget, most
        self._widths = [width for width in WIDTHS if width < longest] + [longest]
        self.pools: dict[int, Pool] = {}
        self._clock = 0

    @property
    def taken(self) -> list[Slot]:
        """Slots with a row in them."""
        return [slot for pool in self.pools.values() for slot in pool.slots if slot.taken]

    def width(self, tokens: int) -> int:
        """Width of the slot that a row of so many tokens gets."""
        return next((width for width in self._widths if width >= tokens), self._widths[-1])

    def fits(self, tokens: int) -> bool:
        """Whether a row of so many tokens may enter: by the budget, unless it is alone, and by the memory left."""
        taken = self.taken
        used = sum(slot.pool.width for slot in taken)
        if used and used + self.width(tokens) > self.budget:
            return False
        if self.lacks(tokens) <= self.room():
            return True
        if not taken and self.pools:  # what earlier rows left behind is worth less than a row
            self.pools = {}
            return self.lacks(tokens) <= self.room()
        return False

    def lacks(self, tokens: int) -> int:
        """Tokens for whose keys and values memory has still to be taken once a row of so many enters."""
        pool = self.pools.get(self.width(tokens))
        free = [slot for slot in pool.slots if not slot.taken] if pool else []
        if self._like.device.type != "cpu":  # a pool is whole from the start
            return 0 if free else self.width(tokens)
        return sum(slot.lacks for slot in self.taken) + max(0, tokens - max((s.written for s in free), default=0))

    def enter(self, prompt: Sequence[int], tokens: int, adapter: str | None) -> Slot:
        """A slot for a row of at most `tokens` tokens, with what is known of its prompt already in it."""
        width = self.width(tokens)
        if width not in self.pools:
            self._forget_idle()
        pool = self.pools.setdefault(width, Pool(width, self._layers, self._shape, self._like))
        source, known = self._best(prompt, adapter)
        free = [slot for slot in pool.slots if not slot.taken]
        if not free:
            pool.grow(max(len(pool.slots) + 1, min(self._most, self.budget // width)), self.room())
            free = [slot for slot in pool.slots if not slot.taken]
        # Its own content is of most use to it; else the emptiest, then the one left longest ago.
        slot = source if source in free else min(free, key=lambda one: (bool(one.held), one.used, one.index))
        if source is not None and source is not slot:
            pool.copy(source, slot.index, known)
        self._clock += 1
        slot.held, slot.adapter, slot.taken, slot.used = list(prompt[:known]), adapter, True, self._clock
        slot.most = tokens
        return slot

    def close_gaps(self, at: dict[Any, Slot]) -> None:
        """Move the last rows of a pool to the front once a quarter of its places up to the last row are free.

        Attention works on all places up to the last row. `at` says where each row is, and is changed.
        """
        for pool in self.pools.values():
            taken = [slot for slot in pool.slots if slot.taken]
            used = taken[-1].index + 1 if taken else 0
            if (used - len(taken)) * GAPS < used or not taken:
                continue
            free = [slot for slot in pool.slots[: len(taken)] if not slot.taken]
            moving = dict(zip(taken[len(taken) - len(free) :], free, strict=True))
            for slot, target in moving.items():
                pool.copy(slot, target.index, len(slot.held))
                target.held, target.adapter, target.taken, target.used = slot.held, slot.adapter, True, slot.used
                target.most = slot.most
                slot.leave()
                slot.held = []
            for row, slot in at.items():
                at[row] = moving.get(slot, slot)

    def known(self, prompt: Sequence[int], adapter: str | None) -> int:
        """How many tokens of a prompt need not be computed."""
        return self._best(prompt, adapter)[1]

    def _best(self, prompt: Sequence[int], adapter: str | None) -> tuple[Slot | None, int]:
        slots = [slot for pool in self.pools.values() for slot in pool.slots if slot.held and slot.adapter == adapter]
        shared = [(common(slot.held, prompt, len(prompt) - 1), slot.used, slot) for slot in slots]
        known, _, source = max(shared, key=lambda item: item[:2], default=(0, 0, None))
        return (source, known) if known else (None, 0)

    def _forget_idle(self) -> None:
        """Give back the pools in which no row is, once all pools together hold more than the budget."""
        if sum(pool.width * len(pool.slots) for pool in self.pools.values()) >= self.budget:
            self.pools = {width: pool for width, pool in self.pools.items() if any(slot.taken for slot in pool.slots)}


def _zeros(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Zeros, for what lies behind a row's end is multiplied by a probability of zero, and NaN x 0 is NaN.

    On CPU they are pages that the system makes when they are first written; torch would write them all.
    """
    if like.device.type != "cpu":
        return like.new_zeros(shape)
    return torch.from_numpy(numpy.zeros(math.prod(shape) * like.itemsize, numpy.uint8)).view(like.dtype).view(shape)


def common(first: Sequence[int], second: Sequence[int], most: int) -> int:
    """How many tokens two lists begin with alike, at most `most`."""
    low, high = 0, min(len(first), len(second), most)
    while low < high:  # whole slices are compared at C's speed
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return max(low, 0)
