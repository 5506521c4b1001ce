"""The fused frozen-plus-LoRA map against plain PyTorch."""

import pytest
import torch

from cornucopia.kernels.frozen import Whole
from cornucopia.kernels.lora_linear import draw_dropout, lora_linear


def inputs(bias, rows=(2, 3), inner=7, outer=5, rank=2):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, down, up = (draw(*rows, inner), draw(rank, inner), draw(outer, rank))
    return (
        x.requires_grad_(),
        draw(outer, inner),
        draw(outer) if bias else None,
        *(t.requires_grad_() for t in (down, up)),
    )


def plain(x, weight, bias, down, up, kept=None):
    low = x if kept is None else x * kept.view(x.shape)
    result = x @ weight.T + low @ down.T @ up.T
    return result if bias is None else result + bias


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("chance", [0.0, 0.4])
def test_values_and_gradients_equal_the_plain_map(bias, chance):
    x, weight, offset, down, up = inputs(bias)
    kept = draw_dropout((6, 7), chance, x.device)
    fused = lora_linear(x, Whole(weight), offset, down, up, kept)
    slow = plain(x, weight, offset, down, up, kept)
    assert torch.allclose(fused, slow, rtol=1e-12)
    pull = torch.randn_like(slow)
    for one, other in zip(*(torch.autograd.grad(y, (x, down, up), pull) for y in (fused, slow)), strict=True):
        assert torch.allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize("chance", [0.0, 0.4])
def test_gradcheck(chance):
    x, weight, bias, down, up = inputs(True)
    kept = draw_dropout((6, 7), chance, x.device)
    assert torch.autograd.gradcheck(lambda a, b, c: lora_linear(a, Whole(weight), bias, b, c, kept), (x, down, up))


def test_an_input_without_gradient_gets_none_and_the_frozen_map_never_does():
    x, weight, _, down, up = inputs(False)
    x = x.detach()
    weight.requires_grad_()
    lora_linear(x, Whole(weight), None, down, up).sum().backward()
    assert x.grad is None and weight.grad is None and down.grad is not None


def test_autocast_computes_in_bfloat16_and_keeps_float32_gradients():
    x, weight, _, down, up = (None if t is None else t.detach().float() for t in inputs(False))
    down.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        result = lora_linear(x, Whole(weight), None, down, up)
    assert result.dtype == torch.bfloat16
    result.float().sum().backward()
    assert down.grad.dtype == torch.float32


@pytest.mark.parametrize("chance", [0.05, 0.5])
def test_dropout_removes_its_share_and_is_drawn_again_after_the_same_seed(chance):
    torch.manual_seed(5)
    kept = draw_dropout((400, 250), chance, torch.device("cpu"))
    assert set(kept.unique().tolist()) == {0, 1}
    assert abs(1 - kept.double().mean().item() - chance) < 0.01
    assert not torch.equal(kept, draw_dropout((400, 250), chance, torch.device("cpu")))
    torch.manual_seed(5)
    assert torch.equal(kept, draw_dropout((400, 250), chance, torch.device("cpu")))
