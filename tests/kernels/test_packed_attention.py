"""Packed attention against its slow reference: plain attention on each document alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.kernels.packed_attention import packed_attention


def reference(query, key, value, lengths, window=None):
    """Each document alone: softmax(q k^T / sqrt(D)) v with a causal (and window) mask, in plain products."""
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)
    parts, start = [], 0
    for length in lengths:
        q, k, v = (t[0, :, start : start + length] for t in (query, key, value))
        scores = q @ k.transpose(1, 2) / query.shape[-1] ** 0.5
        distance = torch.arange(length).unsqueeze(1) - torch.arange(length).unsqueeze(0)
        hidden = (distance < 0) | (distance >= (window or length))
        parts.append((scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v).transpose(0, 1))
        start += length
    return torch.cat(parts).unsqueeze(0)


def tensors(lengths, heads, groups, width, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(lengths))
    total = sum(lengths)
    return [
        torch.randn(1, h, total, width, generator=generator, dtype=dtype).requires_grad_()
        for h in (heads, groups, groups)
    ]


def bounds(lengths):
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    grouped=st.booleans(),
    window=st.sampled_from([None, 3, 16]),
)
def test_forward_and_gradient_equal_the_documents_alone(lengths, grouped, window):
    q, k, v = tensors(lengths, 4, 2 if grouped else 4, 8)
    packed, _ = packed_attention(None, q, k, v, None, sliding_window=window, cu_seq_lens_q=bounds(lengths))
    alone = reference(q, k, v, lengths, window)
    assert torch.allclose(packed, alone, atol=1e-12)
    weights = torch.randn_like(packed)
    for one, other in zip(
        torch.autograd.grad((packed * weights).sum(), (q, k, v)),
        torch.autograd.grad((alone * weights).sum(), (q, k, v)),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-12)


def test_gradients_in_float64():
    lengths = [3, 1, 5]
    torch.autograd.gradcheck(
        lambda q, k, v: packed_attention(None, q, k, v, None, cu_seq_lens_q=bounds(lengths))[0],
        tensors(lengths, 2, 1, 4),
    )


def test_one_document_does_not_change_another():
    lengths = [9, 14, 9]
    q, k, v = tensors(lengths, 2, 2, 8)
    before = packed_attention(None, q, k, v, None, cu_seq_lens_q=bounds(lengths))[0]
    with torch.no_grad():
        for t in (q, k, v):
            t[:, :, 9:23] += 5.0
    after = packed_attention(None, q, k, v, None, cu_seq_lens_q=bounds(lengths))[0]
    assert torch.equal(before[:, :9], after[:, :9]) and torch.equal(before[:, 23:], after[:, 23:])
    assert not torch.allclose(before[:, 9:23], after[:, 9:23])


@pytest.mark.parametrize("extra", [{"softcap": 30.0}, {"s_aux": torch.zeros(2)}])
def test_what_it_cannot_do_exactly_is_refused(extra):
    q, k, v = tensors([4], 2, 2, 8)
    with pytest.raises(ValueError):
        packed_attention(None, q, k, v, None, **extra)
