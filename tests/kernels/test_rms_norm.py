"""RMSNorm against Transformers' LlamaRMSNorm and finite differences."""

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from cornucopia.kernels import rms_norm as module
from cornucopia.kernels.rms_norm import patch_norm, rms_norm


@pytest.mark.parametrize("rows", [1, 5, 16, 33])
def test_gradcheck_over_several_blocks(rows, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 6 * 16)
    x = torch.randn(rows, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, w: rms_norm(a, w, 1e-6), (x, weight))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_values_equal_transformers_own_bit_for_bit(kind):
    norm = LlamaRMSNorm(48).to(kind)
    torch.nn.init.uniform_(norm.weight)
    x = torch.randn(2, 37, 48).to(kind)
    expected = norm(x)
    undo = patch_norm(norm)
    assert torch.equal(norm(x), expected)
    undo()
    assert "forward" not in norm.__dict__


def test_gradients_equal_transformers_own():
    norm = LlamaRMSNorm(48)
    x = torch.randn(3, 11, 48, requires_grad=True)
    pull = torch.randn(3, 11, 48)
    expected = torch.autograd.grad(norm(x), (x, norm.weight), pull)
    found = torch.autograd.grad(rms_norm(x, norm.weight, norm.variance_epsilon), (x, norm.weight), pull)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_norm_of_another_form_is_refused():
    with pytest.raises(AttributeError):
        patch_norm(torch.nn.LayerNorm(4))
