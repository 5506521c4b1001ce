"""Attention with its own backward pass against plain attention, document by document, and against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.kernels import blocked_attention as kernel
from cornucopia.kernels.blocked_attention import blocked_attention


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def tensors(documents, heads, groups, length, width, dtype=torch.float64):
    return [
        drawn(documents, length, h, width + i).to(dtype)[..., :width].transpose(1, 2).requires_grad_()
        for i, h in enumerate((heads, groups, groups))
    ]


def reference(query, key, value, scale, window):
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)
    position = torch.arange(query.shape[2])
    distance = position.unsqueeze(1) - position
    hidden = (distance < 0) | (distance >= (window or len(position)))
    return (query @ key.transpose(2, 3) * scale).masked_fill(hidden, -torch.inf).softmax(-1) @ value


def gradients(result, inputs, pull):
    return torch.autograd.grad(result, inputs, pull.to(result.dtype))


@settings(max_examples=40)
@given(
    documents=st.integers(1, 3),
    heads=st.sampled_from([(1, 1), (4, 4), (4, 2), (6, 1)]),
    length=st.integers(1, 50),
    window=st.sampled_from([None, 1, 3, 16, 50, 64]),
    block=st.sampled_from([1, 5, 16, 64]),
    memory=st.sampled_from([1, 4000, 2**23]),
)
def test_result_and_gradients_are_plain_attentions(documents, heads, length, window, block, memory):
    inputs = tensors(documents, *heads, length, 8)
    pull = drawn(documents, heads[0], length, 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "BYTES", memory)
        found = blocked_attention(*inputs, 0.3, window, block)
        slopes = gradients(found, inputs, pull)
    expected = reference(*inputs, 0.3, window)
    assert torch.allclose(found, expected, atol=1e-12)
    for one, other in zip(slopes, gradients(expected, inputs, pull), strict=True):
        assert one.shape == other.shape and torch.allclose(one, other, atol=1e-11)


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("length", [1, 5, 7])
def test_gradcheck(length, window):
    inputs = tensors(2, 4, 2, length, 3)
    assert torch.autograd.gradcheck(lambda *t: blocked_attention(*t, 0.7, window, 3), inputs)


@pytest.mark.parametrize("size", [1.0, 4.0])
@pytest.mark.parametrize("length", [1, 31, 128, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gradients_are_as_near_the_exact_ones_as_pytorchs_own(dtype, length, size):
    """Also where a few scores are large, which rounding them to 16 bits would not survive."""
    inputs = [(t * size).detach().requires_grad_() for t in tensors(2, 4, 2, length, 64, dtype)]
    pull = drawn(2, 4, length, 64).to(dtype)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    exact = gradients(reference(*exact, 0.125, None), exact, pull)
    own = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=True, scale=0.125, enable_gqa=True)
    ours = blocked_attention(*inputs, 0.125, None, 64)
    assert torch.equal(ours, own)
    room = torch.finfo(dtype).eps * float(pull.double().norm()) * size**2 * (16 if dtype == torch.float32 else 0.25)
    for a, b, c in zip(gradients(ours, inputs, pull), gradients(own, inputs, pull), exact, strict=True):
        wrong, theirs = (float((t.double() - c).norm()) for t in (a, b))
        assert a.dtype == dtype and wrong <= 2 * theirs + room


def test_scores_that_hidden_keys_would_make_infinite_do_no_harm():
    query, key, value = (t.detach() for t in tensors(1, 1, 1, 6, 4, torch.float32))
    key[..., -1, :] = query[..., 0, :] * 1e4  # what comes last would drown everything, but only for itself
    inputs = [t.requires_grad_() for t in (query, key, value)]
    for slope in gradients(blocked_attention(*inputs, 1.0, None, 6), inputs, torch.ones(1, 1, 6, 4)):
        assert slope.isfinite().all()
