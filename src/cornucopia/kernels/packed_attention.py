"""Attention over documents packed in one row: each document sees itself only, without a T x T mask.

Registered with Transformers as the attention named "packed"; every decoder that calls its attention through
Transformers' attention interface then takes packed rows. Boundaries arrive as the standard `cu_seq_lens_q`.

Shapes: T tokens in the row, N documents, H query heads, G key/value heads, D head dimension, L tokens of the
longest document of a bucket.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

NAME = "packed"
BUCKET_WASTE = 1.25  # a bucket's longest document may be this much longer than its shortest


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
    length = query.shape[2]
    bounds = [0, length] if cu_seq_lens_q is None else cu_seq_lens_q.tolist()
    output = torch.empty_like(query[0].transpose(0, 1))  # (T, H, D)
    rows = [t[0].transpose(0, 1) for t in (query, key, value)]  # each (T, H or G, D)
    pieces, places = [], []
    for index, widest in _buckets(bounds, query.device):
        q, k, v = (_gather(row, index, widest) for row in rows)
        mask = _window_mask(widest, sliding_window, q.device)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, dropout_p=dropout, scale=scaling,
            enable_gqa=q.shape[1] != k.shape[1],
        )
        real = index >= 0
        pieces.append(y.transpose(1, 2)[real])  # (tokens of the bucket, H, D)
        places.append(index[real])
    output = torch.zeros_like(output).index_copy(0, torch.cat(places), torch.cat(pieces))
    return output.unsqueeze(0), None


def _buckets(bounds: list[int], device: torch.device) -> list[tuple[torch.Tensor, int]]:
    """Documents of like length together: [(token index (B, L), -1 in the padding; L)]."""
    spans = sorted(((end - start, start) for start, end in zip(bounds, bounds[1:], strict=False) if end > start))
    groups: list[list[tuple[int, int]]] = []
    for span in spans:
        if groups and span[0] <= groups[-1][0][0] * BUCKET_WASTE + 8:
            groups[-1].append(span)
        else:
            groups.append([span])
    buckets = []
    for group in groups:
        widest = group[-1][0]
        lengths = torch.tensor([length for length, _ in group]).unsqueeze(1)
        starts = torch.tensor([start for _, start in group]).unsqueeze(1)
        offsets = torch.arange(widest).unsqueeze(0)
        index = torch.where(offsets < lengths, starts + offsets, torch.tensor(-1))
        buckets.append((index.to(device), widest))
    return buckets


def _gather(row: torch.Tensor, index: torch.Tensor, widest: int) -> torch.Tensor:
    """(T, H, D) -> (B, H, L, D). Padding repeats token 0: causal masking keeps real tokens from seeing it."""
    flat = row.index_select(0, index.clamp(min=0).reshape(-1))
    return flat.view(index.shape[0], widest, *row.shape[1:]).transpose(1, 2)


def _window_mask(length: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    if window is None or length <= window:
        return None
    position = torch.arange(length, device=device)
    distance = position.unsqueeze(1) - position.unsqueeze(0)
    return (distance >= 0) & (distance < window)
