"""Tensors of what a model wrote itself, and how likely it is.

Shapes: S sequences (one for each turn that the model wrote), T tokens of the longest, K written ones at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cornucopia.records.episode import Episode, Turn

if TYPE_CHECKING:
    import torch


def rollout_batch(episodes: Sequence[Episode], advantages: Sequence[float], shares: Sequence[float]) -> dict[str, Any]:
    """Sequences padded on the left, so that what was written ends in the last column.

    Args:
        episodes: answers; each of their turns is a sequence of its own, whose prompt holds all that came before it:
            results of tools are read, never learnt.
        advantages: of each answer.
        shares: the weight of each of an answer's tokens.

    Returns:
        input_ids, attention_mask, position_ids: (S, T); weights: (S, K), 0 where nothing was written; advantages:
        (S, 1).
    """
    import torch

    rows = [
        (turn, advantage, share)
        for episode, advantage, share in zip(episodes, advantages, shares, strict=True)
        for turn in episode.turns
    ] or [(Turn((0,), (0,)), 0.0, 0.0)]  # nothing to learn: a step of no effect
    lengths = [len(turn.prompt) + len(turn.tokens) for turn, _, _ in rows]
    width, last = max(lengths), max(len(turn.tokens) for turn, _, _ in rows)
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    weights = torch.zeros(len(rows), last)
    for place, (turn, _, share) in enumerate(rows):
        ids[place, width - lengths[place] :] = torch.tensor([*turn.prompt, *turn.tokens])
        mask[place, width - lengths[place] :] = 1
        weights[place, last - len(turn.tokens) :] = share
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
        "weights": weights,
        "advantages": torch.tensor([[advantage] for _, advantage, _ in rows]),
    }


def log_probabilities(model: Any, batch: dict[str, torch.Tensor], temperature: float) -> torch.Tensor:
    """(S, K) float32, in nats, of what was written, at the temperature it was drawn with."""
    import torch

    device = next(model.parameters()).device
    ids, written = batch["input_ids"].to(device), batch["weights"].shape[1]
    logits = model(
        input_ids=ids,
        attention_mask=batch["attention_mask"].to(device),
        position_ids=batch["position_ids"].to(device),
        use_cache=False,
        logits_to_keep=written + 1,
    ).logits[:, -written - 1 : -1]
    scaled = logits.float() / temperature
    return -torch.nn.functional.cross_entropy(scaled.transpose(1, 2), ids[:, -written:], reduction="none")
