"""Output layer and cross-entropy in one, row chunk by row chunk: the (S, V) logits never exist at once.

The gradient is computed in the forward pass, while a chunk's logits are in cache (as in Liger's fused linear
cross-entropy, arXiv:2410.10989); the backward pass only scales it.

Shapes: S trained positions, H hidden width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK_BYTES = 16 * 2**20  # float32 logits of a chunk: fits a CPU's last-level cache


def linear_cross_entropy(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum over rows of -log softmax(hidden @ weight.T)[target].

    Args:
        hidden: (S, H), any float dtype; under autocast it is cast as a linear layer's input would be.
        weight: (V, H) output embedding.
        targets: (S,) int64.

    Returns:
        A float32 scalar in nats. The logits are rounded to `hidden`'s dtype, as a separate output layer would.
    """
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    return _LinearCrossEntropy.apply(hidden, weight, targets)


def row_cross_entropy(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-log softmax(hidden @ weight.T)[target] of each row, for losses that weigh rows by what they come to.

    The backward pass computes the chunks' logits again: what a row's gradient is multiplied by is not known before.

    Args:
        hidden, weight, targets: as of `linear_cross_entropy`.

    Returns:
        (S,) float32, in nats.
    """
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    return _RowCrossEntropy.apply(hidden, weight, targets)


class _RowCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        dtype = torch.float64 if hidden.dtype == torch.float64 else torch.float32
        norms, losses = (hidden.new_empty(hidden.shape[0], dtype=dtype) for _ in range(2))
        rows = max(CHUNK_BYTES // (4 * weight.shape[0]), 32)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, hidden.shape[0], rows):
                part = slice(start, start + rows)
                logits = (hidden[part] @ weight.T).to(dtype)
                norms[part] = logits.logsumexp(1)
                losses[part] = norms[part] - logits.gather(1, targets[part, None]).squeeze(1)
        ctx.save_for_backward(hidden, weight, targets, norms)
        return losses

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        hidden, weight, targets, norms = ctx.saved_tensors
        grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        rows = max(CHUNK_BYTES // (4 * weight.shape[0]), 32)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, hidden.shape[0], rows):
                part = slice(start, start + rows)
                error = (hidden[part] @ weight.T).to(norms.dtype).sub_(norms[part, None]).exp_()
                error.scatter_add_(1, targets[part, None], -torch.ones_like(norms[part, None]))  # softmax - onehot
                error = error.mul_(grad[part, None]).to(hidden.dtype)
                if grad_hidden is not None:
                    torch.mm(error, weight, out=grad_hidden[part])
                if grad_weight is not None:
                    grad_weight += error.T @ hidden[part]
        return grad_hidden, None if grad_weight is None else grad_weight.to(weight.dtype), None


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        need_hidden, need_weight = hidden.requires_grad, weight.requires_grad
        grad_hidden = torch.empty_like(hidden) if need_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if need_weight else None
        total = hidden.new_zeros((), dtype=torch.float64 if hidden.dtype == torch.float64 else torch.float32)
        rows = max(CHUNK_BYTES // (4 * weight.shape[0]), 32)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, hidden.shape[0], rows):
                part, wanted = hidden[start : start + rows], targets[start : start + rows, None]
                logits = (part @ weight.T).to(total.dtype)
                top = logits.amax(1, keepdim=True)
                chosen = logits.gather(1, wanted) - top
                norm = logits.sub_(top).exp_().sum(1, keepdim=True)
                total += (norm.log() - chosen).sum()
                if not (need_hidden or need_weight):
                    continue
                logits.div_(norm).scatter_add_(1, wanted, -torch.ones_like(chosen))  # softmax - onehot
                error = logits.to(hidden.dtype)
                if grad_hidden is not None:
                    torch.mm(error, weight, out=grad_hidden[start : start + rows])
                if grad_weight is not None:
                    grad_weight += error.T @ part
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        scaled_hidden = None if grad_hidden is None else grad_hidden * grad.to(grad_hidden.dtype)
        scaled_weight = None if grad_weight is None else (grad_weight * grad).to(ctx.weight_dtype)
        return scaled_hidden, scaled_weight, None
