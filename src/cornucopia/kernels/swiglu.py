"""silu(gate) * up that keeps only gate and up for the backward pass.

Autograd also keeps silu(gate), the third of three tensors of the MLP's inner width, the widest of a layer. Here it is
computed again. (In blocks of rows that fit in cache this was slower on CPU: too many short parallel regions.) Formula:
Shazeer 2020, arXiv:2002.05202, with the rounding order of Transformers' LlamaMLP (silu rounded, then times up).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch.nn import functional as F

from cornucopia.kernels.fusion import fused


def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up, element by element.

    Args:
        gate, up: (..., W) with W the inner width, of one type.

    Returns:
        (..., W), of the same type.
    """
    return _SwiGLU.apply(gate, up)


@fused
def _product(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return F.silu(gate).mul_(up)


@fused
def _gradients(gate: torch.Tensor, up: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ops.aten.silu_backward(grad * up, gate), F.silu(gate).mul_(grad)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return _product(gate, up)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return _gradients(*ctx.saved_tensors, grad)


def patch_mlp(module: torch.nn.Module) -> Callable[[], Any]:
    """Give an MLP of LlamaMLP's form this step; returns a function that undoes it.

    Raises:
        AttributeError: for an MLP of another form. ValueError: for another activation than SiLU.
    """
    mlp: Any = module
    mlp.gate_proj, mlp.up_proj, mlp.down_proj  # noqa: B018
    if not type(mlp.act_fn).__name__.startswith("SiLU"):  # torch's and Transformers' are two classes
        raise ValueError("not SiLU")
    mlp.forward = MethodType(_mlp_forward, mlp)
    return lambda: mlp.__dict__.pop("forward", None)


def _mlp_forward(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x)))
