"""Causal attention with a backward pass of its own, by blocks of queries, in plain batched products.

Forward is PyTorch's flash attention for CPUs, which keeps the log-sum-exp of each query's scores; backward recomputes
the probabilities from it, one block of queries at a time, so that nothing of size L x L is kept. PyTorch's own backward
does the same in small products that make no use of a CPU's 16-bit matrix instructions; batched products do. Formulas:
FlashAttention-2, Dao 2023, arXiv:2307.08691, algorithm 2, where a block of queries meets all the keys it sees at once.

Both subtractions ride in the products: [s q, -lse] [k, 1]^T = s q k^T - lse and [do, -delta] [v, 1]^T = do v^T - delta.
In 16 bits the subtrahend takes several columns that add up to it, and only the difference is rounded: its error is
small where the probability is large. Rounding the scores themselves would cost far more.

Shapes: N documents, H query heads, G key/value heads, R = H / G, L tokens, D head dimension, B queries of a block,
C = N G batches of products.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch

BYTES = 2**23  # of the probabilities computed together
EVEN = 32  # in 16 bits lengths are padded to a multiple: as matrix instructions take them, and few different shapes
_COLUMNS = {torch.bfloat16: 4, torch.float16: 4}  # three (or two) add up to a float32 number; an even row is quicker


def blocked_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, window: int | None, block: int
) -> torch.Tensor:
    """softmax(scale q k^T) v on a CPU, each token seeing itself and those before it.

    Args:
        query: (N, H, L, D).
        key, value: (N, G, L, D), of the query's type; G divides H.
        scale: factor on the scores.
        window: each token sees at most so many tokens, itself included; None: all before it.
        block: B, queries whose gradients are computed together.

    Returns:
        (N, H, L, D).
    """
    return _Blocked.apply(query, key, value, scale, window, block)


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
        scale: float, window: int | None, block: int,
    ) -> torch.Tensor:  # fmt: skip
        length = query.shape[2]
        hidden = None if window is None or window >= length else _hidden(0, length, 0, window)
        mask = None if hidden is None else torch.zeros_like(hidden, dtype=query.dtype).masked_fill_(hidden, -torch.inf)
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, mask is None, attn_mask=mask, scale=scale
        )
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.settings = (scale, None if hidden is None else window, block)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, out, lse = ctx.saved_tensors
        delta = (grad.to(lse.dtype) * out).sum(-1)
        return *_gradients(query, key, value, grad, lse, delta, *ctx.settings), None, None, None


def _gradients(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, grad: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, scale: float, window: int | None, block: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Gradients of query, key and value; `grad` is (N, H, L, D), lse and delta are (N, H, L)."""
    count, heads, length = key.shape[0] * key.shape[1], query.shape[1] // key.shape[1], query.shape[2]
    q, do = (
        _beside(t.reshape(count, heads, length, -1), -minus.reshape(count, heads, length))
        for t, minus in ((query * scale, lse), (grad, delta))
    )
    k, v = (_beside(t.reshape(count, length, -1), None) for t in (key, value))
    width = query.shape[-1]
    dq = torch.empty(*q.shape[:-1], width, dtype=q.dtype)
    dk, dv = (torch.zeros(*t.shape[:-1], width, dtype=lse.dtype) for t in (k, v))
    for some, rows, columns in _blocks(count, heads, q.shape[2], q.element_size(), window, block):
        q_, do_ = (t[some, :, rows].flatten(1, 2) for t in (q, do))  # (., R B, D and more)
        k_, v_ = k[some, columns], v[some, columns]
        p = torch.bmm(q_, k_.transpose(1, 2)).exp_()
        hidden = _hidden(rows.start, rows.stop, rows.start if window is None else columns.start, window)
        p.view(len(p), heads, len(hidden), -1)[..., -hidden.shape[1] :].masked_fill_(hidden, 0)
        dv[some, columns] += torch.bmm(p.transpose(1, 2), do_[..., :width])
        p.mul_(torch.bmm(do_, v_.transpose(1, 2)))
        dq[some, :, rows] = torch.bmm(p, k_[..., :width]).view(-1, heads, len(hidden), width)
        dk[some, columns] += torch.bmm(p.transpose(1, 2), q_[..., :width])  # of s q
    return (
        dq.mul_(scale)[:, :, :length].reshape(query.shape),
        dk[:, :length].to(key.dtype).view(key.shape),
        dv[:, :length].to(value.dtype).view(value.shape),
    )


def _beside(x: torch.Tensor, last: torch.Tensor | None) -> torch.Tensor:
    """(..., L, D) and (..., L) -> (..., L', D + columns): numbers that add up to `last` beside x; ones for None."""
    columns = _COLUMNS.get(x.dtype, 1)
    length = x.shape[-2] if columns == 1 else -(-x.shape[-2] // EVEN) * EVEN
    result = torch.zeros(*x.shape[:-2], length, x.shape[-1] + columns, dtype=x.dtype)
    part = result[..., : x.shape[-2], :]
    part[..., : x.shape[-1]] = x
    if last is None:
        part[..., x.shape[-1] :] = 1
        return result
    for column in range(x.shape[-1], result.shape[-1]):
        part[..., column] = last
        last = last - part[..., column]
    return result


def _blocks(
    count: int, heads: int, length: int, size: int, window: int | None, block: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Which batches, which queries and which keys they see; BYTES of probabilities each, of `size` bytes a number."""
    for start in range(0, length, block):
        rows = slice(start, min(start + block, length))
        columns = slice(0 if window is None else max(start - window + 1, 0), rows.stop)
        one = heads * (rows.stop - rows.start) * (columns.stop - columns.start) * size
        step = max(BYTES // one, 1)
        for first in range(0, count, step):
            yield slice(first, min(first + step, count)), rows, columns


@lru_cache(maxsize=64)  # the same for every layer
def _hidden(start: int, stop: int, first: int, window: int | None) -> torch.Tensor:
    """(stop - start, stop - first): whether query start + i must not see key first + j."""
    distance = torch.arange(start, stop).unsqueeze(1) - torch.arange(first, stop).unsqueeze(0)
    return (distance < 0) | (distance >= (window or stop))
