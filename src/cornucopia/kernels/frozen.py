"""The weight of a frozen linear map, whole or in 8 or 4 bits: its product, and the gradient of its input.

A frozen weight has no gradient of its own, so a training step needs of it exactly these two products, x W^T and g W,
and may hold it in any form that gives them:

- `Whole`: as it is.
- `Widened`: 8 bits (one int8 scale for each output), or 4 bits as bitsandbytes packs them; made wide again for each
  product and dropped after it, so that activations stay as exact as they are and nothing wide is kept.
- `Dot8`: 8 bits (int8 or float8), and the product itself in 8 bits, the other factor being rounded row by row. Both
  directions use the one copy of the weight: its scales, one an output, stand on the inner side of the second product
  and are multiplied into the gradient before that is rounded.

Formulas: symmetric rounding by rows, LLM.int8(), Dettmers et al. 2022, arXiv:2208.07339, section 2.1, without its
outliers; E4M3, Micikevicius et al. 2022, arXiv:2209.05433.

Shapes: T tokens, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from cornucopia.kernels.four_bit import is_four_bit, widen4
from cornucopia.kernels.fusion import fused

TOP = {torch.int8: 127.0, torch.float8_e4m3fn: 448.0}  # the largest value of each 8-bit type
FEW_TOKENS = 16  # int8 products on a GPU take more rows than this
FEW_PACKED = 32  # on a CPU up to so many rows are multiplied straight with the 8-bit weight


class Frozen(Protocol):
    """A frozen weight (O, I)."""

    @property
    def outputs(self) -> int:
        """O."""

    def product(self, x: torch.Tensor) -> torch.Tensor:
        """x W^T: (T, I) -> (T, O), in x's type."""

    def input_gradient(self, grad: torch.Tensor) -> torch.Tensor:
        """g W: (T, O) -> (T, I), in g's type."""


@dataclass(frozen=True)
class Whole:
    """A weight (O, I) as it is, cast where the factor is of another type."""

    weight: torch.Tensor

    @property
    def outputs(self) -> int:
        return self.weight.shape[0]

    def product(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.detach().to(x.dtype).T

    def input_gradient(self, grad: torch.Tensor) -> torch.Tensor:
        return grad @ self.weight.detach().to(grad.dtype)


@dataclass(frozen=True)
class Widened:
    """A weight that `wide(dtype)` makes whole, (O, I), for each product."""

    outputs: int
    wide: Callable[[torch.dtype], torch.Tensor]

    def product(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.wide(x.dtype).T

    def input_gradient(self, grad: torch.Tensor) -> torch.Tensor:
        return grad @ self.wide(grad.dtype)


@dataclass(frozen=True)
class Dot8:
    """A weight in 8 bits, values (O, I) and scales (O, 1), whose products are in 8 bits too."""

    values: torch.Tensor
    scales: torch.Tensor

    @property
    def outputs(self) -> int:
        return self.values.shape[0]

    def product(self, x: torch.Tensor) -> torch.Tensor:
        return dot8(x, self.values.T, self.scales.T)

    def input_gradient(self, grad: torch.Tensor) -> torch.Tensor:
        # The second factor must be laid out by columns; turning one byte a weight costs little beside the product.
        turned = self.values.view(torch.uint8).T.contiguous().view(self.values.dtype).T
        ones = torch.ones(1, self.values.shape[1], device=grad.device)
        return dot8(grad * self.scales.T.to(grad.dtype), turned, ones)


def frozen_of(layer: Any) -> Frozen:
    """The frozen weight of a linear layer.

    Args:
        layer: torch.nn.Linear, this project's 8-bit layer, or bitsandbytes' Linear4bit.

    Raises:
        ValueError: for another kind of layer.
    """
    if type(layer) is torch.nn.Linear:
        return Whole(layer.weight)
    if hasattr(layer, "frozen"):
        return layer.frozen()
    if is_four_bit(layer):
        return Widened(layer.out_features, lambda dtype: widen4(layer, dtype))
    raise ValueError("not a plain, 8-bit or 4-bit linear layer")


@fused
def round_rows(x: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row in 8 bits.

    Args:
        x: (T, I), any float type.
        dtype: torch.int8 or torch.float8_e4m3fn.

    Returns:
        values (T, I) of dtype, and scales (T, 1) float32 with x = values * scales up to rounding. A row of zeros (or of
        numbers too small for a float32 scale) has scale 1, as has one that is not finite, whose values say nothing.
    """
    top = TOP[dtype]
    scales = torch.linalg.vector_norm(x, float("inf"), dim=1, keepdim=True).float() / top
    usable = (scales > torch.finfo(torch.float32).tiny) & scales.isfinite()
    scales = torch.where(usable, scales, 1.0)
    scaled = x.to(torch.promote_types(x.dtype, torch.float32)) / scales
    return (scaled.round_() if dtype == torch.int8 else scaled).clamp_(-top, top).to(dtype), scales


@fused
def widen8(values: torch.Tensor, scales: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """values * scales in a float type: (O, I) and (O, 1) -> (O, I)."""
    return values.to(dtype).mul_(scales.to(dtype))


def dot8(x: torch.Tensor, values: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Product with a factor in 8 bits, the first one rounded row by row to the same type.

    Args:
        x: (T, K).
        values: (K, N) int8 or float8, laid out by columns.
        scales: (1, N) float32.

    Returns:
        (T, N) in x's type.
    """
    rows, own = round_rows(x, values.dtype)
    if values.dtype == torch.int8:
        padded = torch.nn.functional.pad(rows, (0, 0, 0, max(FEW_TOKENS + 1 - len(rows), 0)))
        return torch._int_mm(padded, values)[: len(rows)].float().mul_(own).mul_(scales).to(x.dtype)
    # Row by row scaled float8 products exist with a bfloat16 result only.
    return torch._scaled_mm(rows, values, scale_a=own, scale_b=scales, out_dtype=torch.bfloat16).to(x.dtype)


def packed_product(x: torch.Tensor, values: torch.Tensor, scales: torch.Tensor) -> torch.Tensor | None:
    """For a few rows on a CPU: x (T, I) straight with int8 values (O, I), read once and never made wide.

    The rows are rounded to bfloat16, which is far finer than the weight's 8 bits.

    Returns:
        (T, O), or None for many rows, other types and other devices.
    """
    if x.device.type != "cpu" or len(x) > FEW_PACKED or values.dtype != torch.int8:
        return None
    return torch._weight_int8pack_mm(x.bfloat16(), values, scales.flatten().bfloat16()).to(x.dtype)


def frozen_linear(x: torch.Tensor, frozen: Frozen, bias: torch.Tensor | None) -> torch.Tensor:
    """x W^T + b for a weight whose gradient is never wanted; nothing but the weight itself is kept for backward.

    Args:
        x: (..., I).
        frozen: the weight.
        bias: (O,), frozen, or None.

    Returns:
        (..., O), in autocast's type or, without autocast, in x's.
    """
    x = x.to(compute_dtype(x))
    result = _FrozenLinear.apply(x.reshape(-1, x.shape[-1]), frozen)
    result = result if bias is None else result + bias.to(result.dtype)
    return result.view(*x.shape[:-1], frozen.outputs)


def compute_dtype(x: torch.Tensor) -> torch.dtype:
    """The type a linear map of x computes in: autocast's, else x's own."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


class _FrozenLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, frozen: Frozen) -> torch.Tensor:
        ctx.frozen = frozen
        with torch.autocast(x.device.type, enabled=False):
            return frozen.product(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        with torch.autocast(grad.device.type, enabled=False):
            return ctx.frozen.input_gradient(grad), None
