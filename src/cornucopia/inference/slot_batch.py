"""A batch that rows enter and leave while it runs, computed by the decoder: fixed slots, no padding, no copying.

A step takes one token of each running row and, beside them, pieces of the prompts that enter, so that a long prompt
does not hold up the answers. What a prompt begins with and another row has, or left behind, is not computed again.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable

import torch

from cornucopia.inference.choosing import choose
from cornucopia.inference.decoder import Decoder, Piece
from cornucopia.inference.generate import Row
from cornucopia.inference.lora_rows import LoraStacks
from cornucopia.inference.running_batch import NoRoom, RunningBatch, finish_step
from cornucopia.inference.slots import Slot, Slots, common

CHUNK = 512  # tokens of prompts in a step
SHARED = 16  # a prompt waits for another that begins with so many of the same tokens


class SlotBatch(RunningBatch):
    """See the module.

    Args:
        decoder: the model's.
        stacks: gives the adapters' weights, all adapters of the rows among them.
        budget: most tokens of all rows' slots.
        most: most rows at a time.
        room: how many tokens' keys and values the memory that is free can take.
    """

    def __init__(
        self, decoder: Decoder, stacks: Callable[[set[str]], LoraStacks], budget: int, most: int,
        room: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:  # fmt: skip
        self._decoder, self._stacks, self.most = decoder, stacks, most
        self._slots = Slots(
            decoder.count, decoder.shape, decoder.weight, budget=budget, most=most, longest=decoder.longest, room=room
        )
        self._at: dict[Row, Slot] = {}
        self.rows: list[Row] = []

    def take(self, waiting: deque[Row]) -> None:
        """See RunningBatch. A row waits while another computes what both begin with."""
        held: list[Row] = []
        while waiting and len(self.rows) + len(held) < self.most and self._slots.fits(_most(waiting[0])):
            row = waiting[0]
            if self._comes(row):
                held.append(waiting.popleft())
                continue
            try:
                self._at[row] = self._slots.enter(row.prompt, _most(row), row.adapter)
            except (MemoryError, torch.OutOfMemoryError):
                break  # no harm is done: those that run go on, and make room
            self.rows.append(waiting.popleft())
        waiting.extendleft(reversed(held))
        if waiting and not self.rows:
            raise NoRoom(_most(waiting[0]), self._slots.room())

    def _comes(self, row: Row) -> bool:
        """Whether a running row will soon know much more of this one's prompt than anyone does."""
        known = self._slots.known(row.prompt, row.adapter) + SHARED
        return any(
            other.adapter == row.adapter
            and len(slot.held) < len(other.prompt)
            and common(other.prompt, row.prompt, len(row.prompt) - 1) >= max(known, len(slot.held) + 1)
            for other, slot in self._at.items()
        )

    def drop(self, row: Row) -> None:
        """See RunningBatch; its slot keeps what was computed."""
        self.rows.remove(row)
        self._at.pop(row).leave()

    def step(self) -> list[Row]:
        """See RunningBatch."""
        begun = time.perf_counter()
        self._slots.close_gaps(self._at)
        rows, pieces = self._pieces()
        adapters = {row.adapter for row in rows if row.adapter}
        lora = None
        if adapters:
            lora = self._stacks(adapters).rows([row.adapter for row in rows], [len(piece.ids) for piece in pieces])
        logits = self._decoder(pieces, lora)  # (R, V)
        served: list[Row] = []
        choices: list[tuple[Row, Piece, int]] = []
        at = 0
        for row, piece in zip(rows, pieces, strict=True):
            piece.slot.held.extend(piece.ids)
            if piece.wanted:
                served.append(row)
                choices.append((row, piece, at))
            at += piece.wanted
        _keep_chosen(choices, logits, begun)
        for row in served:
            if row.finish is not None:
                self.drop(row)
        return served

    def _pieces(self) -> tuple[list[Row], list[Piece]]:
        """What each row has computed next, in the order of the slots; prompts share CHUNK tokens, first come first."""
        left, found = CHUNK, []
        for row in self.rows:
            slot = self._at[row]
            start, length = len(slot.held), len(row.prompt) + len(row.tokens)
            count = length - start
            if count > 1:
                count = min(count, left)
                left -= count
            if count:
                last = start + count == length
                ids = row.tokens[-1:] if last and count == 1 and row.tokens else _known(row, start, count)
                found.append((row, Piece(slot, ids, start, int(last))))
        found = _guessed(found)
        # Rows with one token first, in the order of their slots: attention then needs no gathering.
        found.sort(key=lambda item: (len(item[1].ids) > 1, item[1].slot.pool.width, item[1].slot.index))
        return [row for row, _ in found], [piece for _, piece in found]


def _guessed(found: list[tuple[Row, Piece]]) -> list[tuple[Row, Piece]]:
    """The same pieces, those that are a row's next token with what is worth guessing behind it."""
    rows, total = sum(piece.wanted for _, piece in found), sum(len(piece.ids) for _, piece in found)
    result = []
    for row, piece in found:
        if row.lookup and row.tokens and piece.wanted and len(piece.ids) == 1:
            guess = row.lookup.guess(row.tokens, row.limit - len(row.tokens) - 1, rows, total)
            piece = Piece(piece.slot, [*piece.ids, *guess], piece.start, 1 + len(guess))
        result.append((row, piece))
    return result


def _keep_chosen(choices: list[tuple[Row, Piece, int]], logits: torch.Tensor, begun: float) -> None:
    """Give each row its next token, and the ones behind it as long as each is what was guessed.

    A place is chosen at only when all before it is what the row itself chose: so every kind of sampling, constraint
    and stop is as without guesses, and a row's random numbers are drawn once for each token that it gets.

    Args:
        choices: rows with their pieces and where their logits begin.
        logits: (R, V).
        begun: when the step began (time.perf_counter).
    """
    before = {row: len(row.tokens) for row, _, _ in choices}
    going, depth = choices, 0
    while going:
        places = [at + depth for _, _, at in going]
        served = [row for row, _, _ in going]
        finish_step(served, choose(served, logits[places] if len(places) < len(logits) else logits), begun)
        begun, depth = time.perf_counter(), depth + 1
        going = [
            (row, piece, at)
            for row, piece, at in going
            if row.finish is None and depth < piece.wanted and row.tokens[-1] == piece.ids[depth]
        ]
    for row, piece, _ in choices:
        kept = len(row.tokens) - before[row] - 1
        if piece.wanted > 1 and row.lookup:
            row.lookup.guessed += piece.wanted - 1
            row.lookup.kept += kept
            del piece.slot.held[piece.start + 1 + kept :]


def _most(row: Row) -> int:
    return len(row.prompt) + row.limit


def _known(row: Row, start: int, count: int) -> list[int]:
    return (row.prompt + row.tokens)[start : start + count]
