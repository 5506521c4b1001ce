"""Attention over documents packed in one row: each document sees itself only, without a T x T mask.

Registered with Transformers as the attention named "packed"; every decoder that calls its attention through
Transformers' attention interface then takes packed rows. Boundaries arrive as the standard `cu_seq_lens_q`.

On a GPU in 16 bits this is PyTorch's variable-length flash attention on the row as it is; elsewhere documents alike in
length are computed together, as a batch, on a CPU with PyTorch's own backward pass or with kernels.blocked_attention's,
as `use` has been told for their length.

Shapes: T tokens in the row, N documents, H query heads, G key/value heads, D head dimension, L tokens of the
longest document of a bucket.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F

from cornucopia.kernels.blocked_attention import blocked_attention
from cornucopia.kernels.frozen import compute_dtype

NAME = "packed"
BUCKET_WASTE = 1.25  # a bucket's longest document may be this much longer than its shortest

Blocks = tuple[tuple[int, int], ...]  # (tokens of a document at most, its block of queries; 0: PyTorch's own backward)
_state: dict[str, Blocks] = {"blocks": ()}


def use(blocks: Blocks) -> Blocks:
    """Set by which backward pass documents are computed on a CPU, from now on.

    Args:
        blocks: by length, ascending; documents longer than the last one's length are computed as those. Empty: all with
            PyTorch's own.

    Returns:
        What was set before.
    """
    before, _state["blocks"] = _state["blocks"], blocks
    return before


def _block(length: int) -> int:
    blocks = _state["blocks"]
    return next((block for most, block in blocks if length <= most), blocks[-1][1] if blocks else 0)


def register() -> str:
    """Make the attention known to Transformers; returns its name."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, packed_attention)
    return NAME


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **unsupported: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document of a packed row.

    Args:
        module: the attention module (unused; part of the interface).
        query: (1, H, T, D).
        key, value: (1, G, T, D); G divides H.
        attention_mask: must be None; boundaries come from cu_seq_lens_q.
        scaling: factor on the scores; None is 1/sqrt(D).
        dropout: attention dropout.
        sliding_window: each token sees at most this many tokens back, itself included.
        cu_seq_lens_q: (N+1,) token offsets where documents begin, ending with T. None: one document.
        max_length_q: tokens of the longest document; None: taken from cu_seq_lens_q, which makes a GPU wait.
        **unsupported: other arguments of the interface; soft-capping and sinks are refused.

    Returns:
        ((1, T, H, D), None).

    Raises:
        ValueError: for what it cannot do exactly (a mask, soft-capping, attention sinks, more than one row).
    """
    if attention_mask is not None or query.shape[0] != 1:
        raise ValueError("packed attention takes one row and no mask")
    if unsupported.get("softcap") is not None or unsupported.get("s_aux") is not None:
        raise ValueError("packed attention has no soft-capping and no sinks")
    ends = cu_seq_lens_q
    if ends is None:
        ends = torch.tensor([0, query.shape[2]], dtype=torch.int32, device=query.device)
    row = (query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1))
    flash = None if dropout else flash_varlen(query)
    if flash is not None:
        most = max_length_q or int(ends.diff().max())
        return _flash(flash, row, ends, most, scaling, sliding_window).unsqueeze(0), None
    layout = _layout(tuple(ends.tolist()), query.device)
    return _in_buckets(row, layout, scaling, dropout, sliding_window).unsqueeze(0), None


def flash_varlen(query: torch.Tensor) -> Callable[..., Any] | None:
    """PyTorch's variable-length flash attention where it takes such queries: 16 bits on a CUDA GPU, D up to 256.

    Args:
        query: (..., D).
    """
    half = query.dtype in (torch.float16, torch.bfloat16)
    if query.device.type != "cuda" or not half or query.shape[-1] > 256 or query.shape[-1] % 8:
        return None
    return _varlen_attn()


@lru_cache(maxsize=1)  # asked for by every layer
def _varlen_attn() -> Callable[..., Any] | None:
    """This PyTorch's, if it knows windows, by which it is told to be causal."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if "window_size" in inspect.signature(varlen_attn).parameters else None


def _flash(
    attend: Callable[..., Any],
    row: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    ends: torch.Tensor,
    most: int,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """q, k, v (T, H or G, D) -> (T, H, D), causal within the documents that `ends` (N+1,) bounds."""
    query, key, value = (t.contiguous() for t in row)
    return attend(
        query,
        key,
        value,
        ends,
        ends,
        most,
        most,
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )


@dataclass(frozen=True)
class _Layout:
    """Where tokens go: M places in buckets of documents alike in length.

    index: (M,) token of each place (0 in the padding); inverse: (T,) place of each token; padding: the padded places;
    nothing: no places; buckets: (first place, documents, length).
    """

    index: torch.Tensor
    inverse: torch.Tensor
    padding: torch.Tensor
    nothing: torch.Tensor
    buckets: tuple[tuple[int, int, int], ...]


def _in_buckets(
    row: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    layout: _Layout,
    scaling: float | None,
    dropout: float,
    window: int | None,
) -> torch.Tensor:
    """q, k, v (T, H or G, D) -> (T, H, D): documents alike in length computed together, as a batch."""
    # (T, H or G, D) -> (M, H or G, D), the buckets one after another.
    rows = [_Gather.apply(t, layout.index, layout.inverse, layout.nothing) for t in row]
    parts = []
    for start, documents, widest in layout.buckets:
        places = slice(start, start + documents * widest)
        bucket = [t[places].view(documents, widest, *t.shape[1:]).transpose(1, 2) for t in rows]
        parts.append(_attend(bucket, scaling, dropout, window).transpose(1, 2).flatten(0, 1))
    return _Gather.apply(torch.cat(parts), layout.inverse, layout.index, layout.padding)


def _attend(bucket: list[torch.Tensor], scaling: float | None, dropout: float, window: int | None) -> torch.Tensor:
    """Documents of one length, q (N, H, L, D), k and v (N, G, L, D) -> (N, H, L, D)."""
    query, key, value = bucket
    block = _block(query.shape[2]) if query.device.type == "cpu" and not dropout else 0
    if block:
        query, key, value = (t.to(compute_dtype(query)) for t in bucket)
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        return blocked_attention(query, key, value, scale, window, block)
    mask = _window_mask(query.shape[2], window, query.device)
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=mask is None,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


@lru_cache(maxsize=4)  # every layer of a step asks for the same one
def _layout(bounds: tuple[int, ...], device: torch.device) -> _Layout:
    spans = sorted((end - start, start) for start, end in pairwise(bounds) if end > start)
    groups: list[list[tuple[int, int]]] = []
    for span in spans:
        if groups and span[0] <= groups[-1][0][0] * BUCKET_WASTE + 8:
            groups[-1].append(span)
        else:
            groups.append([span])
    indices, buckets, place = [], [], 0
    for group in groups:
        widest = group[-1][0]
        lengths, starts = (torch.tensor([span[i] for span in group]).unsqueeze(1) for i in (0, 1))
        offsets = torch.arange(widest).unsqueeze(0)
        indices.append(torch.where(offsets < lengths, starts + offsets, -1).reshape(-1))
        buckets.append((place, len(group), widest))
        place += len(group) * widest
    index = torch.cat(indices)
    inverse = torch.empty(bounds[-1], dtype=torch.long)
    inverse[index[index >= 0]] = torch.nonzero(index >= 0).squeeze(1)
    padding = torch.nonzero(index < 0).squeeze(1)
    return _Layout(
        index=index.clamp(min=0).to(device),
        inverse=inverse.to(device),
        padding=padding.to(device),
        nothing=torch.empty(0, dtype=torch.long, device=device),
        buckets=tuple(buckets),
    )


class _Gather(torch.autograd.Function):
    """Rows by index, with a backward that gathers by the inverse index instead of scattering (far faster on CPU).

    Padded places carry token 0, which causal masking hides from every real token; `silent` rows get gradient zero.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, index: torch.Tensor, inverse: torch.Tensor, silent: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(inverse, silent)
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        inverse, silent = ctx.saved_tensors
        result = grad.index_select(0, inverse)
        if silent.numel():
            result.index_fill_(0, silent, 0)
        return result, None, None, None


def _window_mask(length: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    if window is None or length <= window:
        return None
    position = torch.arange(length, device=device)
    distance = position.unsqueeze(1) - position.unsqueeze(0)
    return (distance >= 0) & (distance < window)
