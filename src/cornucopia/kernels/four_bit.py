"""bitsandbytes' 4-bit layers in the form that a training step can read.

On a CPU with AVX512-BF16 bitsandbytes rewrites the weight of its Linear4bit for its own inference product, at the first
pass in eval mode whose input wants no gradient: a probe, a validation, a generation. That product has no gradient, the
rewritten weight is read wrongly by everything else, and the rewriting fails for sizes that do not divide into its
blocks, in the middle of the pass. So a layer that is trained through keeps its weight as it was quantised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

SWITCH = "support_avx512bf16_for_cpu"  # bitsandbytes' own, on each layer; absent from versions that never rewrite
ROWS = 32  # outputs of a block that bitsandbytes rewrites together


def is_four_bit(layer: Any) -> bool:
    """Whether a layer is bitsandbytes' Linear4bit with a weight that is quantised already."""
    return type(layer).__name__ == "Linear4bit" and getattr(layer.weight, "quant_state", None) is not None


def widen4(layer: Any, dtype: torch.dtype) -> torch.Tensor:
    """The weight of a 4-bit layer, made wide: (O, I) of the type given."""
    from bitsandbytes.functional import dequantize_4bit

    keep_as_quantised(layer)
    return dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype)


def keep_as_quantised(layer: Any) -> None:
    """Undo the rewriting of a 4-bit layer's weight, if it was rewritten, and have it rewritten no more.

    What was lost by rewriting (scales rounded to bfloat16) stays lost: the weight is the one the layer computed with.
    """
    if getattr(layer, SWITCH, False):
        setattr(layer, SWITCH, False)
    state = layer.weight.quant_state
    if not getattr(state, "packing_format_for_cpu", False):
        return
    from bitsandbytes.functional import _convert_weight_packed_for_cpu_inverse

    scales = state.absmax.T.reshape(-1).float()  # one a block of the weight, row by row
    state.original_nested = False  # the scales are not to be quantised a second time
    layer.weight.data, state = _convert_weight_packed_for_cpu_inverse(layer.weight.data, state)
    state.absmax = scales


def train_through(model: Any) -> Callable[[], None]:
    """Make all 4-bit layers of a model fit to train through, however it was used before.

    Returns:
        A function that lets bitsandbytes rewrite again those it would have rewritten.
    """
    layers = [layer for layer in model.modules() if is_four_bit(layer)]
    switched = [layer for layer in layers if getattr(layer, SWITCH, False)]
    for layer in layers:
        keep_as_quantised(layer)

    def undo() -> None:
        for layer in switched:
            setattr(layer, SWITCH, True)

    return undo


def spare_uneven(model: Any) -> int:
    """Keep the 4-bit layers whose sizes bitsandbytes cannot rewrite, so that it does not fail at them.

    Returns:
        How many there are.
    """
    layers = [layer for layer in model.modules() if is_four_bit(layer) and getattr(layer, SWITCH, False)]
    uneven = [one for one in layers if one.out_features % ROWS or one.in_features % one.weight.quant_state.blocksize]
    for layer in uneven:
        keep_as_quantised(layer)
    return len(uneven)
