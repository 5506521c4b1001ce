"""Batches for the trainer: documents of a micro-batch in one row without padding; the order of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.data.store import TokenStore


def pack_row(examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """N documents of together T tokens as one row.

    Returns:
        input_ids, position_ids, labels: (1, T) int64, positions restarting with each document;
        cu_seq_lens_q: (N+1,) int32 document boundaries;
        logits_to_keep: (S,) positions whose next token is trained; targets: (S,) those tokens.
    """
    ids = torch.cat([torch.tensor(e.input_ids) for e in examples])
    labels = torch.cat([torch.tensor([IGNORE, *e.labels[1:]]) for e in examples])
    lengths = torch.tensor([len(e.input_ids) for e in examples])
    trained = torch.nonzero(labels != IGNORE).squeeze(1)
    return {
        "input_ids": ids.unsqueeze(0),
        "position_ids": torch.cat([torch.arange(int(n)) for n in lengths]).unsqueeze(0),
        "labels": labels.unsqueeze(0),
        "cu_seq_lens_q": torch.cat([torch.zeros(1, dtype=torch.int32), lengths.cumsum(0).to(torch.int32)]),
        "logits_to_keep": trained - 1,
        "targets": labels[trained],
    }


class Filled(Sequence[Example]):
    """Examples, and after the last of them as many as one likes of which nothing is trained.

    Processes that take their examples in turn must have equally many; what fills them up changes no loss.
    """

    def __init__(self, examples: TokenStore | Stretch) -> None:
        self.examples, self.lengths = examples, examples.lengths

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: Any) -> Any:
        if index < len(self.examples):
            return self.examples[index]
        ids = self.examples[0].input_ids[:2]
        return Example(ids, [IGNORE] * len(ids))


class Stretch(Sequence[Example]):
    """The examples of a store from `start` up to `stop`."""

    def __init__(self, examples: TokenStore, start: int, stop: int) -> None:
        self.examples, self.numbers = examples, range(start, stop)
        self.lengths = examples.lengths[start:stop]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        return self.examples[self.numbers[index]]


class EpochSampler(Sampler[int]):
    """A permutation that depends on seed and epoch only, so that a resumed run sees the same order.

    Args:
        lengths: token length of each example.
        seed: the run's seed.
        batch_size: examples of one update; with `group` the examples of an update are alike in length.
        group: sort by length within 50 updates, updates in random order.
        micro: examples of one pass: an update is shared out among its passes so that these have about equally many
            tokens, whatever the number of processes that take them in turn; 0: as they come.
        multiple_of: so many are taken together; the numbers after the last example fill up the last of them.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        seed: int,
        batch_size: int,
        group: bool = False,
        micro: int = 0,
        multiple_of: int = 1,
    ) -> None:
        self.lengths, self.seed, self.batch_size, self.group, self.epoch = lengths, seed, batch_size, group, 0
        self.passes = batch_size // micro if micro else 1
        self.fill = -len(lengths) % multiple_of

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) + self.fill

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        count = len(self.lengths)
        chosen = self._grouped(order, generator) if self.group else order.numpy()
        return chain(map(int, self._shared_out(chosen)), range(count, count + self.fill))

    def _grouped(self, order: torch.Tensor, generator: torch.Generator) -> np.ndarray:
        """The order with the examples of an update alike in length; arrays, as there may be millions."""
        lengths, size = torch.tensor(self.lengths), self.batch_size
        parts = [part[(-lengths[part]).argsort(stable=True)] for part in order.split(size * 50)]
        whole = len(order) // size * size  # a short last update stays last: update sizes must not move
        full = torch.cat(parts)[:whole].view(-1, size)
        shuffled = full[torch.randperm(len(full), generator=generator)]
        return torch.cat([shuffled.flatten(), torch.cat(parts)[whole:]]).numpy()

    def _shared_out(self, order: np.ndarray) -> np.ndarray:
        """The order with the examples of each whole update in passes of about equally many tokens.

        The longest first, as many at once as there are passes, each to the pass that has least so far.
        """
        whole = len(order) // self.batch_size * self.batch_size
        if self.passes == 1 or not whole:
            return order
        updates = order[:whole].reshape(-1, self.batch_size)
        sizes = np.asarray(self.lengths)[updates]
        longest = np.argsort(-sizes, axis=1, kind="stable")
        rounds = np.take_along_axis(updates, longest, 1).reshape(len(updates), -1, self.passes)
        sizes = np.take_along_axis(sizes, longest, 1).reshape(rounds.shape)
        shared, totals = np.empty_like(rounds), np.zeros((len(updates), self.passes), np.int64)
        for number in range(rounds.shape[1]):
            least = np.argsort(totals, axis=1, kind="stable")
            np.put_along_axis(shared[:, number], least, rounds[:, number], 1)
            np.put_along_axis(totals, least, np.take_along_axis(totals, least, 1) + sizes[:, number], 1)
        return np.concatenate([shared.transpose(0, 2, 1).reshape(-1), order[whole:]])
