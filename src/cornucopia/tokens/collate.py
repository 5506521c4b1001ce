"""Batches: examples padded on the right to one length. Padding is masked by position, never by token id."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cornucopia.tokens.render import IGNORE, Example


def collate(examples: Sequence[Example], pad_id: int, multiple_of: int = 1) -> dict[str, torch.Tensor]:
    """One padded batch.

    Args:
        examples: B examples of up to T tokens.
        pad_id: id written in the padding (it is attended and trained nowhere).
        multiple_of: T is rounded up to a multiple of this.

    Returns:
        input_ids, attention_mask, labels: each (B, T) int64.
    """
    longest = max(len(example.input_ids) for example in examples)
    width = -(-longest // multiple_of) * multiple_of
    batch = {
        "input_ids": torch.full((len(examples), width), pad_id, dtype=torch.long),
        "attention_mask": torch.zeros((len(examples), width), dtype=torch.long),
        "labels": torch.full((len(examples), width), IGNORE, dtype=torch.long),
    }
    for row, example in enumerate(examples):
        length = len(example.input_ids)
        batch["input_ids"][row, :length] = torch.tensor(example.input_ids)
        batch["attention_mask"][row, :length] = 1
        batch["labels"][row, :length] = torch.tensor(example.labels)
    return batch
