"""Row selection with its own backward pass; training/run/test_fast.py tests the patched layer on whole models."""

import pytest
import torch

from cornucopia.kernels.trained_rows import patch_last_layer, select_rows


def test_gradient_reaches_the_chosen_rows_only():
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    rows = torch.tensor([1, 4])
    assert torch.equal(select_rows(x, rows), x[rows])
    assert torch.autograd.gradcheck(lambda t: select_rows(t, rows), (x,))


def test_no_rows_at_all():
    x = torch.randn(4, 2, requires_grad=True)
    select_rows(x, torch.tensor([], dtype=torch.long)).sum().backward()
    assert torch.equal(x.grad, torch.zeros(4, 2))


def test_a_layer_built_otherwise_is_refused_untouched():
    layer = torch.nn.Linear(3, 3)
    with pytest.raises(AttributeError):
        patch_last_layer(layer)
    assert "forward" not in layer.__dict__
