"""What one card holds of a training step when the model is shared out over several (FSDP2).

Weights, gradients and moments are divided by the cards; activations are not, and a block that is being computed is
whole, the next one being fetched meanwhile, as are the embeddings and the output layer (Zhao et al. 2023,
arXiv:2304.11277, section 3.2).
"""

from __future__ import annotations

from dataclasses import replace

from cornucopia.models.memory import MemoryEstimate, Shape


def shared_out(memory: MemoryEstimate, shape: Shape, cards: int, casts: int = 0) -> MemoryEstimate:
    """A step's memory on each of several cards.

    Args:
        memory: of the step on one.
        shape: of the model.
        cards: N.
        casts: bytes of the weights' copies in 16 bits that one card keeps during a pass; several keep a block's.
    """
    if cards == 1:
        return memory
    block = shape.quantisable / max(shape.layers, 1)
    rest = shape.parameters - shape.quantisable
    width = memory.weights / shape.parameters  # bytes of a weight, on average
    share = min(memory.gradients / memory.weights, 1.0)  # of them whose gradient is whole for a moment too
    whole = int(width * (2 * block + rest) * (1 + share))
    return replace(
        memory,
        weights=memory.weights // cards,
        gradients=memory.gradients // cards,
        optimizer=memory.optimizer // cards,
        activations=memory.activations + whole - casts + casts // max(shape.layers, 1),
    )
