"""RMSNorm that keeps nothing of its own for the backward pass but one number a row.

Transformers' RMSNorm leaves two float32 copies and two more of its input behind in every norm; here the backward pass
recomputes them, a block of rows at a time, in cache. Formula: Zhang & Sennrich 2019, arXiv:1910.07467, with the
rounding order of Transformers' LlamaRMSNorm (normalise in float32, round, then multiply by the weight).

Shapes: T rows, H width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import torch

from cornucopia.kernels.fusion import fused, in_use

BLOCK_BYTES = 2**20  # float32 rows of a block: fits a CPU core's second-level cache


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """weight * x / sqrt(mean(x^2) + eps), the mean over the last dimension.

    Args:
        x: (..., H).
        weight: (H,).
        eps: added to the mean square.

    Returns:
        (..., H), of the type that weight * x has.
    """
    return _RMSNorm.apply(x.reshape(-1, x.shape[-1]), weight, eps).view(x.shape)


def _blocks(x: torch.Tensor) -> Iterator[slice]:
    """Slices of rows that fit in cache; all rows at once where a pass is compiled, or on a GPU costs a launch."""
    rows, width = x.shape
    whole = in_use() or x.device.type != "cpu"
    step = max(rows, 1) if whole else max(BLOCK_BYTES // (4 * width), 1)
    return (slice(start, start + step) for start in range(0, max(rows, 1), step))


@fused
def _normalised(
    x: torch.Tensor, weight: torch.Tensor, eps: float, wide: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    block = x.to(wide)
    scale = torch.rsqrt(block.square().mean(1, keepdim=True) + eps)
    return (block * scale).to(x.dtype) * weight, scale


@fused
def _input_gradient(x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    unit = x.to(scale.dtype) * scale
    pull = (grad * weight).to(scale.dtype)
    return (pull.addcmul(unit, (pull * unit).mean(1, keepdim=True), value=-1) * scale).to(x.dtype)


@fused
def _weight_gradient(x: torch.Tensor, scale: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    return (grad * (x.to(scale.dtype) * scale).to(x.dtype)).sum(0, dtype=scale.dtype)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        parts = [_normalised(x[part], weight, eps, wide) for part in _blocks(x)]
        result, scale = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        ctx.save_for_backward(x, weight, scale)
        return result

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        x, weight, scale = ctx.saved_tensors
        parts = [_input_gradient(x[part], weight, scale[part], grad[part]) for part in _blocks(x)]
        grad_x = parts[0] if len(parts) == 1 else torch.cat(parts)
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None
        grad_weight = sum(_weight_gradient(x[part], scale[part], grad[part]) for part in _blocks(x))
        return grad_x, grad_weight.to(weight.dtype), None


def patch_norm(module: torch.nn.Module) -> Callable[[], Any]:
    """Give a norm of LlamaRMSNorm's form this step; returns a function that undoes it.

    Raises:
        AttributeError: for a norm of another form.
    """
    norm: Any = module
    norm.weight, norm.variance_epsilon  # noqa: B018
    norm.forward = MethodType(_norm_forward, norm)
    return lambda: norm.__dict__.pop("forward", None)


def _norm_forward(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    return rms_norm(hidden_states, self.weight, self.variance_epsilon)
