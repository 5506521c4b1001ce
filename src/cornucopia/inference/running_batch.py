"""A batch that rows enter and leave while it runs: prompts of token ids in, tokens out. Knows no text and no records.

Shapes: B rows being answered, T positions of the padded batch (those in the cache and the next one), V vocabulary.
Rows are padded on the left and masked by position, so a pad id that equals the end of sequence does no harm. Sampling
draws from a generator of the row's own, seeded by the run's seed and the prompt, so an answer does not depend on the
rows beside it. (Floating point does, in its last bits: greedy answers in two different companies may part where two
tokens are equally likely. The order of work is therefore fixed.)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cornucopia.inference.engine import FinishReason
from cornucopia.inference.generate import Row, Settings, pad_left
from cornucopia.inference.growing_cache import can_join, drop_first, join
from cornucopia.inference.text import StopFinder

LEAVE = 4  # pad columns are dropped when they are more than one in so many
REFILL = 4  # rows enter when one place in so many is free, or all that wait fit


@dataclass
class _State:
    """Rows in step with each other: `ids` (B, t) are the next input, `mask` (B, T), `positions` (B, t)."""

    rows: list[Row]
    cache: Any
    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor

    def advance(self, chosen: torch.Tensor) -> None:
        """Make the chosen (B,) tokens the next input and let the finished rows go."""
        self.ids, self.positions = chosen[:, None], self.positions[:, -1:] + 1
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], dim=1)
        staying = [index for index, row in enumerate(self.rows) if row.finish is None]
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


class Batch:
    """Rows answered together, one token each at every step.

    Args:
        forward: the model's forward, with the right adapter active: keyword tensors -> output with `.logits`.
        settings: of all rows.
        stops: finds the settings' stop strings.
        new_cache: makes an empty Transformers cache.
        device: where inputs go.
    """

    def __init__(
        self, forward: Any, settings: Settings, stops: StopFinder, new_cache: Callable[[], Any], device: Any
    ) -> None:
        self._forward, self._settings, self._stops = forward, settings, stops
        self._new_cache, self._device = new_cache, device
        self._state: _State | None = None
        self._entering: list[Row] = []

    @property
    def rows(self) -> list[Row]:
        """The rows that are not finished, those that are just entering included."""
        running = self._state.rows if self._state else []
        return [row for row in [*running, *self._entering] if row.finish is None]

    @property
    def admits(self) -> bool:
        """Whether rows may enter: into an empty batch always, else where the cache can be widened."""
        return not self.rows or (self._state is not None and can_join(self._state.cache))

    @torch.inference_mode()
    def admit(self, rows: Sequence[Row]) -> list[Row]:
        """Let restarted rows in and give each its first token; `rows`, of which those that are finished stay outside.

        The others go on with those that were running, whose answers do not change by it.
        """
        self._entering = list(rows)
        ids, mask = pad_left([row.prompt for row in rows], self._device)
        state = _State(list(rows), self._new_cache(), ids, mask, (mask.cumsum(1) - 1).clamp(min=0))
        served = self._serve(state)
        if state.rows and self._state and self._state.rows:
            self._state.join(state)
        elif state.rows:
            self._state = state
        self._entering = []
        return served

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """Give each row one token; the rows that got one. Those with `finish` set have left the batch."""
        assert self._state is not None
        return self._serve(self._state)

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
        chosen = self._choose(served, output.logits[:, -1, :].float())
        for row, token in zip(served, chosen.tolist(), strict=True):
            row.tokens.append(token)
            row.finish = self._finish(row)
        share = (time.perf_counter() - begun) / len(served)
        for row in served:
            row.seconds += share
        state.advance(chosen)
        return served

    def _choose(self, rows: list[Row], scores: torch.Tensor) -> torch.Tensor:
        """(B, V) logits -> (B,) token ids."""
        if self._settings.history:
            scores = torch.cat([self._with_history(row, scores[i : i + 1]) for i, row in enumerate(rows)])
        if self._settings.schema:
            guides = [row.guide for row in rows]
            scores = torch.cat([g.allow(scores[i : i + 1]) if g else scores[i : i + 1] for i, g in enumerate(guides)])
        if not self._settings.do_sample:
            return scores.argmax(-1)
        for warper in self._settings.warpers:
            scores = warper(None, scores)
        mass = scores.softmax(-1).cumsum(-1)  # (B, V)
        draws = torch.stack([torch.rand(1, generator=row.random) for row in rows]).to(mass.device)
        # The first token whose cumulated mass exceeds the draw; one of zero probability never is.
        return torch.searchsorted(mass, draws * mass[:, -1:], right=True).squeeze(1).clamp(max=mass.shape[1] - 1)

    def _with_history(self, row: Row, scores: torch.Tensor) -> torch.Tensor:
        # Row by row, without padding: a pad id must not be taken for a word already said.
        history = torch.tensor([row.prompt + row.tokens], device=scores.device)
        for processor in self._settings.history:
            scores = processor(history, scores)
        return scores

    def _finish(self, row: Row) -> FinishReason | None:
        whole = row.guide is not None and row.guide.take(row.tokens[-1])
        if whole or row.tokens[-1] in self._settings.eos or self._stops.reached(row.tokens):
            return "stop"
        return "length" if len(row.tokens) >= row.limit else None


def run(batch: Batch, queue: deque[Row], budget: int, most: int) -> Iterator[Row]:
    """Answer the queue, longest rows first in it, letting rows in as others leave; each row as it is finished.

    Args:
        batch: where they are answered.
        queue: restarted rows; those taken in leave it.
        budget: most tokens of the padded batch, answers included.
        most: most rows at a time.
    """
    while queue or batch.rows:
        entering = _entering(batch, queue, budget, most)
        served = batch.admit([queue.popleft() for _ in range(entering)]) if entering else batch.step()
        yield from [row for row in served if row.finish is not None]


def _entering(batch: Batch, queue: deque[Row], budget: int, most: int) -> int:
    """How many rows of the queue may enter now."""
    running = batch.rows
    if not queue or not batch.admits:
        return 0
    width = max(len(row.prompt) + row.limit for row in (*running, queue[0]))
    places = max(1, min(most, budget // width))
    free = min(places - len(running), len(queue))
    # A place alone is not worth reading a prompt for: the running rows wait meanwhile.
    return free if not running or free >= min(len(queue), -(-places // REFILL)) else 0
