"""A batch that rows enter and leave while it runs, computed by the model's own forward; for every family.

Shapes: B rows being answered, T positions of the padded batch (those in the cache and the next one).
Rows are padded on the left and masked by position, so a pad id that equals the end of sequence does no harm.
(Floating point depends on the rows beside in its last bits: greedy answers in two different companies may part where
two tokens are equally likely. The order of work is therefore fixed.)
"""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from cornucopia.inference.choosing import choose, end_of
from cornucopia.inference.generate import Row, beam_search, pad_left
from cornucopia.inference.growing_cache import can_join, drop_first, join

LEAVE = 4  # pad columns are dropped when they are more than one in so many
REFILL = 4  # rows enter when one place in so many is free, or all that wait fit


class NoRoom(RuntimeError):
    """The first row of the line does not fit the memory that is free, though no other is in the batch."""

    def __init__(self, tokens: int, room: int) -> None:
        super().__init__(
            f"提示加回答最多 {tokens} 个词元，剩下的内存只够放 {max(0, room)} 个词元的键值缓存："
            "减小 --max-new-tokens，缩短提示，或关掉别的程序"
        )


class RunningBatch(Protocol):
    """Rows that are answered together.

    Args:
        rows: those in it.
        most: most rows at a time.
    """

    rows: list[Row]
    most: int

    @abstractmethod
    def take(self, waiting: deque[Row]) -> None:
        """Let in those from the front of the line for which there is room.

        Raises:
            NoRoom: the batch is empty, and still the first has none.
        """
        ...

    @abstractmethod
    def step(self) -> list[Row]:
        """Work on all rows once; those that got a token. Rows with `finish` set have left."""
        ...

    @abstractmethod
    def drop(self, row: Row) -> None:
        """Take a row out, finished or not."""
        ...


def finish_step(served: list[Row], chosen: list[int], begun: float) -> None:
    """Give the rows their chosen tokens, end those that are done, and share the time since `begun` among them."""
    share = (time.perf_counter() - begun) / max(1, len(served))
    for row, token in zip(served, chosen, strict=True):
        row.tokens.append(token)
        row.finish = end_of(row)
        row.seconds += share


@dataclass
class _State:
    """Rows in step with each other: `ids` (B, t) are the next input, `mask` (B, T), `positions` (B, t)."""

    rows: list[Row]
    cache: Any
    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor

    def advance(self, chosen: list[int]) -> None:
        """Make the chosen tokens the next input."""
        self.ids = torch.tensor(chosen, device=self.ids.device)[:, None]
        self.positions = self.positions[:, -1:] + 1
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], dim=1)

    def keep(self, rows: list[Row]) -> None:
        """Let the rows go that are not among these."""
        staying = [index for index, row in enumerate(self.rows) if row in rows]
        if len(staying) == len(self.rows):
            return
        self.rows = [self.rows[index] for index in staying]
        if staying:
            keep = torch.tensor(staying, device=self.ids.device)
            self.cache.reorder_cache(keep)
            self.ids, self.mask, self.positions = self.ids[keep], self.mask[keep], self.positions[keep]
            self._drop_pads()

    def _drop_pads(self) -> None:
        """Forget the columns in which no row has a token, once they are many."""
        pads = int(self.mask.argmax(1).min())
        if pads * LEAVE > self.mask.shape[1] and can_join(self.cache):
            drop_first(self.cache, pads)
            self.mask = self.mask[:, pads:]

    def join(self, other: _State) -> None:
        """Take the rows of another state in; both are padded on the left to the wider one."""
        width = max(self.mask.shape[1], other.mask.shape[1])
        pads = [width - state.mask.shape[1] for state in (self, other)]
        join(self.cache, other.cache, *pads)
        masks = [torch.nn.functional.pad(s.mask, (pad, 0)) for s, pad in zip((self, other), pads, strict=True)]
        self.mask = torch.cat(masks)
        self.ids, self.positions = torch.cat([self.ids, other.ids]), torch.cat([self.positions, other.positions])
        self.rows = [*self.rows, *other.rows]


class PaddedBatch(RunningBatch):
    """See the module.

    Args:
        forward: the model's forward, with the right adapter active: keyword tensors -> output with `.logits`.
        new_cache: makes an empty Transformers cache.
        device: where inputs go.
        budget: most tokens of the padded batch, answers included.
        most: most rows at a time.
        room: how many tokens' keys and values the memory that is free can take.
        at_once: let a row in as soon as there is a place; else when a quarter is free, which costs less in all.
    """

    def __init__(
        self, forward: Callable[..., Any], new_cache: Callable[[], Any], device: Any, budget: int, most: int,
        *, room: Callable[[], int] = lambda: sys.maxsize, at_once: bool = False,
    ) -> None:  # fmt: skip
        self._forward, self._new_cache, self._device = forward, new_cache, device
        self._budget, self.most, self._room, self._at_once = budget, most, room, at_once
        self._state: _State | None = None
        self._entering: list[Row] = []
        self.rows: list[Row] = []

    def take(self, waiting: deque[Row]) -> None:
        """See RunningBatch."""
        self._entering = [waiting.popleft() for _ in range(self._places(waiting))]
        self.rows += self._entering

    def drop(self, row: Row) -> None:
        """See RunningBatch."""
        self.rows.remove(row)
        self._entering = [one for one in self._entering if one is not row]
        if not self.rows:
            self._state = None

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """See RunningBatch; rows that enter get their first token while the others wait."""
        if self._state is not None:
            self._state.keep(self.rows)
        if not self._entering:
            assert self._state is not None
            return self._serve(self._state)
        known = [row.prompt + row.tokens for row in self._entering]
        ids, mask = pad_left(known, self._device)
        state = _State(self._entering, self._new_cache(), ids, mask, (mask.cumsum(1) - 1).clamp(min=0))
        served, self._entering = self._serve(state), []
        if state.rows and self._state is not None and self._state.rows:
            self._state.join(state)
        elif state.rows:
            self._state = state
        return served

    def _serve(self, state: _State) -> list[Row]:
        begun, served = time.perf_counter(), state.rows
        output = self._forward(
            input_ids=state.ids,
            attention_mask=state.mask,
            position_ids=state.positions,
            past_key_values=state.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        chosen = choose(served, output.logits[:, -1, :])
        finish_step(served, chosen, begun)
        state.advance(chosen)
        self.rows = [row for row in self.rows if row.finish is None]
        state.keep(self.rows)
        return served

    def _places(self, waiting: deque[Row]) -> int:
        """How many rows of the line may enter now."""
        if not waiting or (self.rows and (self._state is None or not can_join(self._state.cache))):
            return 0
        room = self._room() - sum(row.limit - len(row.tokens) for row in self.rows)  # what those inside will take
        width, places, free = max((len(row.prompt) + row.limit for row in self.rows), default=0), 1, 0
        for row in waiting:
            wider = max(width, len(row.prompt) + row.limit)
            most = max(1, min(self.most, self._budget // wider))
            if len(self.rows) + free >= most or (free + 1) * wider > room:
                break
            width, places, free = wider, most, free + 1
        if not self.rows and free < 1:
            raise NoRoom(len(waiting[0].prompt) + waiting[0].limit, room)
        if not self.rows or self._at_once:
            return max(0, free)
        # A place alone is not worth reading a prompt for: the running rows wait meanwhile.
        return free if free >= min(len(waiting), -(-places // REFILL)) else 0


class SearchBatch(RunningBatch):
    """Rows answered whole by Transformers' own `generate`: beams, and models whose cache is of another kind.

    Args:
        lock: the model's; adapters must not change meanwhile.
        model: gives the model with the right adapter active (called with the lock held).
        device: where inputs go.
        most: most rows at a time.
    """

    def __init__(self, lock: Any, model: Callable[[], Any], device: Any, most: int) -> None:
        self._lock, self._model, self._device, self.most = lock, model, device, most
        self.rows: list[Row] = []

    def take(self, waiting: deque[Row]) -> None:
        """See RunningBatch; rows of one step have the same settings."""
        while waiting and len(self.rows) < self.most:
            if self.rows and self.rows[0].settings != waiting[0].settings:
                return
            self.rows.append(waiting.popleft())

    def drop(self, row: Row) -> None:
        """See RunningBatch."""
        self.rows.remove(row)

    def step(self) -> list[Row]:
        """See RunningBatch."""
        with self._lock:
            beam_search(self._model(), self.rows, self.rows[0].settings, self._device)
        served, self.rows = self.rows, []
        return served
