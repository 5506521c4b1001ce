"""Compiled loops against the plain functions they are made from."""

from __future__ import annotations

import shutil

import pytest
import torch

from cornucopia.kernels import fusion
from cornucopia.kernels.frozen import round_rows, widen8
from cornucopia.kernels.rms_norm import rms_norm
from cornucopia.kernels.swiglu import swiglu

needs_compiler = pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")


@pytest.fixture
def switch():
    yield fusion.use
    fusion.use(False)


def results(rows):
    """Values and gradients of the fused kernels."""
    generator = torch.Generator().manual_seed(rows)
    gate, up, weight = (torch.randn(*s, generator=generator).requires_grad_() for s in ((rows, 48), (rows, 48), (48,)))
    value = rms_norm(swiglu(gate, up), weight, 1e-6)
    pull = torch.randn(rows, 48, generator=generator)
    return [value, *torch.autograd.grad(value, (gate, up, weight), pull)]


@needs_compiler
def test_compiled_kernels_give_the_plain_values_and_gradients_for_rows_of_any_number(switch):
    plain = {rows: results(rows) for rows in (7, 300, 51)}
    switch(True)
    for rows, expected in plain.items():
        for found, exact in zip(results(rows), expected, strict=True):
            assert torch.allclose(found, exact, rtol=1e-4, atol=1e-4)


@needs_compiler
@pytest.mark.parametrize("kind", [torch.int8, torch.float8_e4m3fn])
def test_compiled_rounding_to_8_bits_is_the_plain_one(kind, switch):
    x = torch.randn(9, 32, generator=torch.Generator().manual_seed(0))
    values, scales = round_rows(x, kind)
    wide = widen8(values, scales, torch.float32)
    switch(True)
    found, own = round_rows(x, kind)
    assert torch.allclose(own, scales, rtol=1e-6)
    # A number midway between two values may fall to either side.
    assert (found.float() - values.float()).abs().gt(0).float().mean() < 0.02
    assert torch.allclose(widen8(values, scales, torch.float32), wide, rtol=1e-6)


def test_off_it_is_the_plain_function_and_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: lambda *a: pytest.fail("compiled"))
    double = fusion.fused(lambda x: x * 2)
    assert double(torch.ones(1)).item() == 2 and not fusion.in_use()


def test_a_model_without_rotary_embedding_is_refused():
    with pytest.raises(ValueError, match="rotary"):
        fusion.fuse_rotary(torch.nn.Linear(2, 2))
