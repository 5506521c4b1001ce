"""The last decoder layer on trained positions only: prompt positions feed it keys and values, nothing else.

Attention needs every position's key and value, but output projection, residual, norm and MLP of the last layer serve
only the logits of their own position; positions whose next token is not trained skip them.

Shapes: T tokens of a packed row, S trained positions, H hidden width.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch

PARTS = ("self_attn", "mlp", "input_layernorm", "post_attention_layernorm")


def select_rows(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows of x, with a backward pass that copies instead of adding.

    Args:
        x: (T, H).
        rows: (S,) int64, no index twice.

    Returns:
        (S, H).
    """
    return _SelectRows.apply(x, rows)


class _SelectRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(rows)
        ctx.length = x.shape[0]
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (rows,) = ctx.saved_tensors
        return grad.new_zeros(ctx.length, grad.shape[1]).index_copy_(0, rows, grad), None


def _chosen(x: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
    """(1, T, H) -> (1, S, H)."""
    return x if rows is None else select_rows(x[0], rows).unsqueeze(0)


def patch_last_layer(layer: Any) -> Callable[[], None]:
    """Make a pre-norm decoder layer (LLaMA, Qwen, Mistral) return only the positions in its attribute `rows`.

    Args:
        layer: the last decoder layer; set `layer.rows` before each forward pass: (S,) int64, or None for all.

    Returns:
        A function that undoes it.

    Raises:
        AttributeError: if the layer is built otherwise. A layer that has these parts and yet computes something else
        is found by comparing losses, which is the caller's duty.
    """
    for part in PARTS:
        getattr(layer, part)

    def output_rows(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        return (_chosen(inputs[0], layer.rows),)

    hook = layer.self_attn.o_proj.register_forward_pre_hook(output_rows)
    layer.forward = MethodType(_forward, layer)

    def undo() -> None:
        hook.remove()
        layer.__dict__.pop("forward", None)
        layer.__dict__.pop("rows", None)

    return undo


def _forward(self: Any, hidden_states: torch.Tensor, **arguments: Any) -> torch.Tensor:
    """(1, T, H) -> (1, S, H)."""
    attended = self.self_attn(hidden_states=self.input_layernorm(hidden_states), **arguments)[0]
    hidden = _chosen(hidden_states, self.rows) + attended
    return hidden + self.mlp(self.post_attention_layernorm(hidden))
