"""Packed attention against its slow reference: plain attention on each document alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.kernels.packed_attention import packed_attention, use


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
    blocks=st.sampled_from([(), ((8, 0), (20, 4)), ((1000, 64),)]),
)
def test_forward_and_gradient_equal_the_documents_alone(lengths, grouped, window, blocks):
    q, k, v = tensors(lengths, 4, 2 if grouped else 4, 8)
    before = use(blocks)
    packed, _ = packed_attention(None, q, k, v, None, sliding_window=window, cu_seq_lens_q=bounds(lengths))
    assert use(before) == blocks
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


def varlen_as_documented(query, key, value, cu_q, cu_k, max_q, max_k, *, scale, window_size, enable_gqa):
    """What PyTorch's documentation says of varlen_attn: (T, H, D), windows (W, 0), groups of heads."""
    assert torch.equal(cu_q, cu_k) and max_q == max_k == int(cu_q.diff().max()) and window_size[1] == 0
    assert enable_gqa == (query.shape[1] != key.shape[1])
    window = None if window_size[0] == -1 else window_size[0] + 1
    rows = [t.transpose(0, 1).unsqueeze(0) for t in (query * scale * query.shape[-1] ** 0.5, key, value)]
    return reference(*rows, cu_q.diff().tolist(), window)[0]


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("told", [True, False])
def test_the_gpu_path_hands_flash_attention_the_same_documents(window, told, monkeypatch):
    from cornucopia.kernels import packed_attention as module

    lengths = [7, 1, 12, 4]
    q, k, v = tensors(lengths, 4, 2, 8)
    arguments = {"scaling": 0.2, "sliding_window": window, "cu_seq_lens_q": bounds(lengths)}
    buckets, _ = packed_attention(None, q, k, v, None, **arguments)
    monkeypatch.setattr(module, "flash_varlen", lambda query: varlen_as_documented)
    longest = max(lengths) if told else None
    flash, _ = packed_attention(None, q, k, v, None, **arguments, max_length_q=longest)
    assert torch.allclose(flash, buckets, atol=1e-12)
    one, _ = packed_attention(None, q, k, v, None, scaling=0.2, sliding_window=window)
    assert torch.allclose(one[:, :7], flash[:, :7], atol=1e-12)


def test_pytorchs_flash_attention_takes_what_it_is_given():
    """On the meta device: names, types and shapes of the arguments are checked, nothing is computed."""
    from cornucopia.kernels.packed_attention import _flash

    varlen = pytest.importorskip("torch.nn.attention.varlen")
    q, k, v = (
        torch.empty(30, heads, 64, dtype=torch.bfloat16, device="meta", requires_grad=True) for heads in (8, 2, 2)
    )
    ends = torch.empty(4, dtype=torch.int32, device="meta")
    result = _flash(varlen.varlen_attn, (q, k, v), ends, 20, 0.1, 16)
    result.sum().backward()
    assert result.shape == (30, 8, 64) and q.grad.shape == q.shape and k.grad.shape == k.shape


def test_no_flash_attention_where_it_is_not_exact_enough_or_not_there():
    from cornucopia.kernels.packed_attention import flash_varlen

    assert flash_varlen(torch.empty(2, 64)) is None
    assert flash_varlen(torch.empty(2, 64, dtype=torch.bfloat16)) is None


def test_documents_are_computed_as_was_set_for_their_length(monkeypatch):
    """Under autocast too, in its type; and never with dropout, which PyTorch's own knows."""
    from cornucopia.kernels import packed_attention as module

    seen, plain = [], module.blocked_attention

    def noted(query, *rest):
        seen.append((query.shape[2], rest[-1], query.dtype))
        return plain(query, *rest)

    monkeypatch.setattr(module, "blocked_attention", noted)
    lengths = [3, 30, 60]
    q, k, v = tensors(lengths, 2, 2, 8, torch.float32)
    assert use(((10, 0), (30, 16), (50, 64))) == ()
    try:
        result, _ = packed_attention(None, q, k, v, None, cu_seq_lens_q=bounds(lengths))
        with torch.autocast("cpu", torch.bfloat16):
            packed_attention(None, q, k, v, None, cu_seq_lens_q=bounds(lengths))
        packed_attention(None, q, k, v, None, dropout=0.5, cu_seq_lens_q=bounds(lengths))
    finally:
        use(())
    assert seen == [(n, b, t) for t in (torch.float32, torch.bfloat16) for n, b in ((30, 16), (60, 64))]
    assert torch.allclose(result, reference(q, k, v, lengths), atol=1e-6)
