"""silu(gate) * up against Transformers' LlamaMLP and finite differences."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from cornucopia.kernels.swiglu import patch_mlp, swiglu


def test_gradcheck():
    gate, up = (torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(swiglu, (gate, up))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_values_and_gradients_equal_transformers_own(kind):
    mlp = LlamaMLP(LlamaConfig(hidden_size=32, intermediate_size=40)).to(kind)
    x = torch.randn(2, 301, 32).to(kind).requires_grad_()
    pull = torch.randn(2, 301, 32).to(kind)
    expected = mlp(x)
    gradients = torch.autograd.grad(expected, [x, *mlp.parameters()], pull)
    undo = patch_mlp(mlp)
    assert torch.equal(mlp(x), expected)
    for one, other in zip(torch.autograd.grad(mlp(x), [x, *mlp.parameters()], pull), gradients, strict=True):
        assert torch.equal(one, other)
    undo()
    assert "forward" not in mlp.__dict__


def test_silu_of_gate_is_not_kept():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        swiglu(*(torch.randn(7, 10, requires_grad=True) for _ in range(2)))
    assert sum(t.numel() for t in kept) == 2 * 7 * 10


def test_an_mlp_of_another_form_is_refused():
    with pytest.raises(AttributeError):
        patch_mlp(torch.nn.Linear(4, 4))
    with pytest.raises(ValueError, match="SiLU"):
        patch_mlp(LlamaMLP(LlamaConfig(hidden_size=32, intermediate_size=8, hidden_act="gelu")))
