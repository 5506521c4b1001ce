"""Quantised frozen weights against plain products with the same weight made wide."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.kernels.frozen import (
    Dot8,
    Whole,
    Widened,
    dot8,
    frozen_linear,
    frozen_of,
    packed_product,
    round_rows,
    widen8,
)
from cornucopia.kernels.lora_linear import lora_linear

E4M3 = torch.float8_e4m3fn


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def eight(weight, kind=torch.int8):
    values, scales = round_rows(weight, kind)
    return Widened(weight.shape[0], lambda dtype: widen8(values, scales, dtype)), widen8(values, scales, torch.float64)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=5, max_size=5), min_size=1, max_size=4),
    kind=st.sampled_from([torch.int8, E4M3]),
)
def test_rounding_is_off_by_half_a_step_at_most(rows, kind):
    x = torch.tensor(rows, dtype=torch.float64)
    values, scales = round_rows(x, kind)
    assert scales.shape == (len(rows), 1) and (scales > 0).all()
    wrong = (widen8(values, scales, torch.float64) - x).abs()
    # int8: evenly spaced; E4M3: 3 bits after the first one, so 1/16 of the value, and 2^-10 of the scale near zero.
    most = scales * 0.501 if kind == torch.int8 else torch.maximum(x.abs() / 15.9, scales * 2.0**-10 * 1.01)
    assert (wrong <= most + 1e-30).all()


def test_rows_of_zeros_and_of_infinities_make_no_row_beside_them_wrong():
    x = torch.tensor([[0.0, 0.0], [float("inf"), 1.0], [3.0, -1.5]])
    for kind in (torch.int8, E4M3):
        values, scales = round_rows(x, kind)
        assert scales[:2].flatten().tolist() == [1, 1] and values[0].float().tolist() == [0, 0]
        assert torch.allclose(values[2].float() * scales[2], x[2], rtol=0.02)


@pytest.mark.parametrize("bias", [False, True])
def test_a_widened_weight_gives_the_products_of_the_wide_one(bias):
    frozen, wide = eight(draw(6, 5))
    x, offset = draw(2, 3, 5, seed=1).requires_grad_(), draw(6, seed=2) if bias else None
    found = frozen_linear(x, frozen, offset)
    expected = torch.nn.functional.linear(x, wide, offset)
    assert torch.allclose(found, expected, rtol=1e-12)
    pull = torch.randn_like(found)
    assert torch.allclose(torch.autograd.grad(found, x, pull)[0], torch.autograd.grad(expected, x, pull)[0], rtol=1e-12)


def test_lora_on_a_widened_weight_passes_gradcheck():
    frozen, _ = eight(draw(6, 5))
    x, down, up = (draw(*shape, seed=3).requires_grad_() for shape in ((4, 5), (2, 5), (6, 2)))
    assert torch.autograd.gradcheck(lambda a, b, c: lora_linear(a, frozen, draw(6, seed=4), b, c), (x, down, up))


def test_nothing_wide_is_kept_for_the_backward_pass():
    frozen, _ = eight(draw(64, 48, dtype=torch.float32))
    kept = []
    x, down, up = (draw(*s, dtype=torch.float32).requires_grad_() for s in ((7, 48), (2, 48), (64, 2)))
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        lora_linear(frozen_linear(x, eight(draw(48, 48, dtype=torch.float32))[0], None), frozen, None, down, up)
    assert kept and max(kept) < 48 * 48


@pytest.mark.parametrize(("kind", "rough"), [(torch.int8, 0.012), (E4M3, 0.05)])
@pytest.mark.parametrize("tokens", [3, 40])
def test_products_in_8_bits_are_near_the_exact_ones_in_both_directions(kind, rough, tokens):
    weight = draw(48, 32, dtype=torch.float32) * torch.logspace(-3, 2, 48).unsqueeze(1)  # outputs of very unlike size
    frozen = Dot8(*round_rows(weight, kind))
    x = draw(tokens, 32, seed=1, dtype=torch.float32) * torch.logspace(-2, 2, tokens).unsqueeze(1)
    pull = draw(tokens, 48, seed=2, dtype=torch.float32)
    for found, exact in ((frozen.product(x), x @ weight.T), (frozen.input_gradient(pull), pull @ weight)):
        assert found.dtype == torch.float32 and found.shape == exact.shape
        wrong = (found - exact).norm(dim=1) / exact.norm(dim=1)
        assert wrong.mean() < rough


@pytest.mark.parametrize("kind", [torch.int8, E4M3])
def test_an_8_bit_product_is_the_product_of_the_rounded_factors(kind):
    x, weight = draw(20, 32, dtype=torch.float32), draw(16, 32, seed=1, dtype=torch.float32)
    values, scales = round_rows(weight, kind)
    own, factor = round_rows(x, kind)
    exact = widen8(own, factor, torch.float64) @ widen8(values, scales, torch.float64).T
    assert torch.allclose(
        dot8(x, values.T, scales.T).double(), exact, rtol=1e-6 if kind == torch.int8 else 1e-2, atol=1e-5
    )


def test_rows_are_rounded_alone_so_that_other_documents_do_not_matter():
    weight = round_rows(draw(32, 16, dtype=torch.float32), torch.int8)
    x = draw(30, 16, seed=1, dtype=torch.float32)
    louder = torch.cat([x[:20], x[20:] * 1000])
    assert torch.equal(Dot8(*weight).product(x)[:20], Dot8(*weight).product(louder)[:20])


def test_a_few_rows_are_multiplied_straight_and_many_are_not():
    values, scales = round_rows(draw(48, 32, dtype=torch.float32), torch.int8)
    x = draw(9, 32, seed=1, dtype=torch.float32)
    exact = x @ widen8(values, scales, torch.float32).T
    found = packed_product(x, values, scales)
    assert found is not None and (found - exact).norm() / exact.norm() < 0.006
    assert packed_product(draw(40, 32), values, scales) is None
    assert packed_product(x, values.to(E4M3), scales) is None


def test_what_is_not_known_is_refused():
    assert isinstance(frozen_of(torch.nn.Linear(4, 4)), Whole)
    with pytest.raises(ValueError, match="linear layer"):
        frozen_of(torch.nn.Bilinear(2, 2, 2))


def test_bitsandbytes_weights_give_their_own_layers_product():
    bnb = pytest.importorskip("bitsandbytes")
    layer = bnb.nn.Linear4bit(64, 32, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    layer.load_state_dict({"weight": draw(32, 64, dtype=torch.float32)})
    layer = layer.to("cpu")
    x = draw(5, 64, seed=1, dtype=torch.float32).requires_grad_()
    found, expected = frozen_linear(x, frozen_of(layer), None), layer(x)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    pull = torch.randn_like(found)
    assert torch.allclose(
        torch.autograd.grad(found, x, pull)[0], torch.autograd.grad(expected, x, pull)[0], rtol=1e-3, atol=1e-4
    )
