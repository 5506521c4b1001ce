"""4-bit weights on a CPU where bitsandbytes rewrites them for inference: trained through all the same."""

from __future__ import annotations

import pytest
import torch

import avx512_cpu
from cornucopia.kernels.four_bit import SWITCH, spare_uneven, train_through, widen4
from cornucopia.kernels.frozen import frozen_linear, frozen_of

bnb = pytest.importorskip("bitsandbytes", minversion="0.49")  # older ones never rewrite


@pytest.fixture
def amx(monkeypatch):
    avx512_cpu.pretend(monkeypatch)


def layer_of(outputs, inputs, nested=True, seed=0):
    layer = bnb.nn.Linear4bit(
        inputs, outputs, bias=False, compute_dtype=torch.float32, quant_type="nf4", compress_statistics=nested
    )
    weight = torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(seed))
    layer.load_state_dict({"weight": weight * torch.logspace(-2, 1, outputs).unsqueeze(1)})
    return layer.to("cpu")


def rewritten(layer):
    return getattr(layer.weight.quant_state, "packing_format_for_cpu", False)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("shape", [(32, 64), (96, 192)])
def test_a_rewritten_weight_is_read_as_the_layer_computes_with_it(shape, nested, amx):
    layer = layer_of(*shape, nested=nested).eval()
    before = widen4(layer, torch.float32)
    setattr(layer, SWITCH, True)
    x = torch.randn(3, shape[1])
    with torch.no_grad():
        inferred = layer(x)
    assert rewritten(layer)
    after = widen4(layer, torch.float32)
    assert not rewritten(layer) and after.shape == shape
    assert ((after - before).abs() <= before.abs() * 2**-8 + 1e-9).all()  # scales in bfloat16, nothing else
    assert torch.allclose(x @ after.T, inferred, rtol=0.05, atol=0.05 * float(inferred.std()))
    with torch.no_grad():
        layer(x)
    assert not rewritten(layer)


def test_the_gradient_goes_through_a_layer_that_was_handed_over_rewritten(amx):
    layer = layer_of(64, 64).eval()
    with torch.no_grad():
        layer(torch.randn(2, 64))
    assert rewritten(layer)
    x = torch.randn(5, 64, requires_grad=True)
    pull = torch.randn(5, 64)
    found = torch.autograd.grad(frozen_linear(x, frozen_of(layer), None), x, pull)[0]
    assert torch.allclose(found, pull @ widen4(layer, torch.float32), rtol=1e-5)


def test_a_model_to_train_keeps_its_weights_through_validation_and_gets_the_switch_back(amx):
    """Without this bitsandbytes' own layers pass no gradient on after the first validation."""
    first, used = layer_of(64, 64), layer_of(64, 64, seed=1)
    x = torch.randn(4, 64)
    with torch.no_grad():
        used.eval()(x)
    model = torch.nn.Sequential(first, used)
    undo = train_through(model)
    with torch.no_grad():
        model.eval()(x)
    assert not rewritten(first) and not rewritten(used)
    x.requires_grad_()
    model.train()(x).sum().backward()
    expected = torch.ones(4, 64) @ widen4(used, torch.float32) @ widen4(first, torch.float32)
    assert torch.allclose(x.grad, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))
    train_through(model)  # a second time changes nothing
    undo()
    with torch.no_grad():
        model.eval()(torch.randn(4, 64))
    assert rewritten(first) and rewritten(used)


@pytest.mark.parametrize("shape", [(32, 32), (40, 64), (64, 96)])
def test_sizes_that_cannot_be_rewritten_answer_all_the_same(shape, amx):
    even, uneven = layer_of(64, shape[0] // 8 * 64), layer_of(*shape)
    model = torch.nn.ModuleList([even, uneven]).eval()
    assert spare_uneven(model) == 1 and getattr(even, SWITCH) and not getattr(uneven, SWITCH)
    x = torch.randn(3, shape[1])
    with torch.no_grad():
        assert torch.allclose(uneven(x), x @ widen4(uneven, torch.float32).T, rtol=1e-3, atol=1e-3)
