"""The fused output layer and loss against plain PyTorch."""

import pytest
import torch
import torch.nn.functional as F

from cornucopia.kernels import linear_cross_entropy as module
from cornucopia.kernels.linear_cross_entropy import linear_cross_entropy


def inputs(rows, hidden, vocabulary, dtype=torch.float64):
    generator = torch.Generator().manual_seed(rows)
    h = torch.randn(rows, hidden, generator=generator, dtype=dtype).requires_grad_()
    w = torch.randn(vocabulary, hidden, generator=generator, dtype=dtype).requires_grad_()
    return h, w, torch.randint(vocabulary, (rows,), generator=generator)


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 200])
def test_loss_and_gradients_equal_plain_cross_entropy(rows, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 4 * 50 * 32)  # several chunks
    h, w, targets = inputs(rows, 16, 50)
    fused = linear_cross_entropy(h, w, targets)
    plain = F.cross_entropy(h @ w.T, targets, reduction="sum")
    assert torch.allclose(fused, plain, rtol=1e-12)
    for one, other in zip(torch.autograd.grad(fused * 3, (h, w)), torch.autograd.grad(plain * 3, (h, w)), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_gradcheck_of_hidden():
    h, w, targets = inputs(7, 5, 11)
    torch.autograd.gradcheck(lambda x: linear_cross_entropy(x, w.detach(), targets), (h,))


def test_a_frozen_output_layer_gets_no_gradient():
    h, w, targets = inputs(5, 8, 20)
    linear_cross_entropy(h, w.detach(), targets).backward()
    assert w.grad is None and h.grad is not None


def test_large_logits_do_not_overflow():
    h, w, targets = inputs(4, 8, 20, torch.float32)
    assert torch.isfinite(linear_cross_entropy(h * 1e4, w, targets))


def test_no_rows():
    h, w, targets = inputs(3, 8, 20)
    loss = linear_cross_entropy(h[:0], w, targets[:0])
    assert loss.item() == 0.0
    loss.backward()


@pytest.mark.parametrize("rows", [1, 70])
def test_rows_are_weighed_one_by_one(rows, monkeypatch):
    """Loss and gradients where each row counts for what its caller makes of it."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 32 * 4 * 50)
    generator = torch.Generator().manual_seed(3)
    hidden, weight = (torch.randn(n, 16, generator=generator, dtype=torch.float64) for n in (rows, 50))
    targets = torch.randint(0, 50, (rows,), generator=generator)
    found = []
    for each in (
        lambda h, w: module.row_cross_entropy(h, w, targets),
        lambda h, w: torch.nn.functional.cross_entropy(h @ w.T, targets, reduction="none"),
    ):
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        losses = each(h, w)
        (losses.square() * torch.arange(1, rows + 1)).sum().backward()
        found.append((losses.detach(), h.grad, w.grad.double()))
    for ours, plain in zip(*found, strict=True):
        assert torch.allclose(ours, plain, rtol=1e-5, atol=1e-5)
