"""A frozen linear map with its LoRA in one autograd step: x W^T + b + s dropout(x) A^T B^T.

PEFT's layer runs six operations for this and keeps a dropped-out, twice cast copy of x for the backward pass. Here the
low-rank product is added in place onto the frozen one, in both directions, and of the input nothing is kept but x
itself, which its other users keep anyway, and one byte an element for the dropout. Formula: Hu et al. 2021,
arXiv:2106.09685, section 4.1.

Shapes: T tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
import torch

from cornucopia.kernels.frozen import Frozen, compute_dtype, frozen_of


def lora_linear(
    x: torch.Tensor,
    frozen: Frozen,
    bias: torch.Tensor | None,
    down: torch.Tensor,
    up: torch.Tensor,
    kept: torch.Tensor | None = None,
) -> torch.Tensor:
    """Frozen linear map plus LoRA.

    Args:
        x: (..., I).
        frozen: the weight (O, I), whole or quantised; its gradient is never computed.
        bias: (O,), frozen, or None.
        down: (R, I), LoRA's A, with all constant factors (alpha / R, 1 / (1 - dropout)) in it.
        up: (O, R), LoRA's B.
        kept: (T, I) uint8, 1 for the inputs that dropout leaves in LoRA's branch, 0 for the others; T is the product
            of x's leading sizes. None: no dropout.

    Returns:
        (..., O), in autocast's dtype or, without autocast, in x's.
    """
    dtype = compute_dtype(x)
    x, down, up = (t.to(dtype) for t in (x, down, up))
    bias = None if bias is None else bias.to(dtype)
    rows = x.reshape(-1, x.shape[-1])
    return _LoraLinear.apply(rows, frozen, bias, down, up, kept).view(*x.shape[:-1], frozen.outputs)


def draw_dropout(shape: tuple[int, int], probability: float, device: torch.device) -> torch.Tensor | None:
    """The elements that dropout leaves.

    Args:
        shape: (T, I).
        probability: of removal; a multiple of 1/65536 is used.
        device: of the result.

    Returns:
        (T, I) uint8 of 0 and 1, or None for probability 0. On CPU the bits come from NumPy's SFC64, several times
        faster than torch's Bernoulli and seeded from torch's generator, so that a resumed run draws the same.
    """
    if probability == 0:
        return None
    if device.type != "cpu":
        return torch.empty(shape, dtype=torch.uint8, device=device).bernoulli_(1 - probability)
    seed = int(torch.randint(2**62, (1,)))
    words = np.random.Generator(np.random.SFC64(seed)).bytes(2 * shape[0] * shape[1])
    return torch.from_numpy(np.frombuffer(words, np.uint16).reshape(shape) >= round(probability * 65536)).view(
        torch.uint8
    )


class _LoraLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        frozen: Frozen,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        kept: torch.Tensor | None,
    ) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            low = _masked(x, kept) @ down.T
            result = frozen.product(x).addmm_(low, up.T)
            if bias is not None:
                result += bias
        ctx.frozen = frozen
        ctx.save_for_backward(x, down, up, low, kept)
        return result

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, down, up, low, kept = ctx.saved_tensors
        with torch.autocast(grad.device.type, enabled=False):
            grad_low = grad @ up
            grad_up = grad.T @ low
            grad_down = grad_low.T @ _masked(x, kept)
            grad_x = None
            if ctx.needs_input_grad[0]:
                grad_x = ctx.frozen.input_gradient(grad)
                if kept is None:
                    grad_x.addmm_(grad_low, down)
                else:
                    grad_x.addcmul_(grad_low @ down, kept.to(grad_x.dtype))
        return grad_x, None, None, grad_down, grad_up, None


def _masked(x: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
    return x if kept is None else x * kept.to(x.dtype)


def patch_lora(layer: torch.nn.Module) -> Callable[[], None]:
    """Give a PEFT LoRA layer the fused step.

    Args:
        layer: peft.tuners.lora.Linear on a torch.nn.Linear or a quantised layer that `frozen_of` knows, with one
            plain adapter.

    Returns:
        A function that undoes it.

    Raises:
        ValueError: for another kind of layer or adapter (DoRA, bias, several, merged).
    """
    lora: Any = layer
    names = lora.active_adapters
    frozen_of(lora.base_layer)
    off = lora.merged or lora.disable_adapters or len(names) != 1
    if off or lora.lora_variant.get(names[0]) or lora.lora_B[names[0]].bias is not None:
        raise ValueError("不是普通的 LoRA（如 DoRA）")
    lora.forward = MethodType(_lora_forward, lora)
    return lambda: lora.__dict__.pop("forward", None)


def _lora_forward(self: Any, x: torch.Tensor) -> torch.Tensor:
    name = self.active_adapters[0]
    chance = getattr(self.lora_dropout[name], "p", 0.0) if self.training else 0.0
    base = self.base_layer
    down = self.lora_A[name].weight * (self.scaling[name] / (1 - chance))
    kept = draw_dropout((x.numel() // x.shape[-1], x.shape[-1]), chance, x.device)
    return lora_linear(x, frozen_of(base), base.bias, down, self.lora_B[name].weight, kept)
