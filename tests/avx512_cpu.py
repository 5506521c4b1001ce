"""bitsandbytes as it behaves on a CPU with AVX512-BF16, on any CPU."""

from __future__ import annotations

import copy
from typing import Any


def pretend(monkeypatch: Any) -> None:
    """Have bitsandbytes rewrite 4-bit weights for inference as it does there; its product has no gradient there either.

    The rewriting is bitsandbytes' own code; only its question about the CPU and the product are replaced.
    """
    import bitsandbytes as bnb
    import torch

    @torch.no_grad()
    def product(x, weight, out=None, transposed_A=False, transposed_B=False, state=None):
        from cornucopia.kernels.four_bit import widen4

        assert state.packing_format_for_cpu and not state.nested
        layer = torch.nn.Module()
        layer.weight = torch.nn.Parameter(weight.detach().clone(), requires_grad=False)
        layer.weight.quant_state = copy.deepcopy(state)
        return (x.bfloat16() @ widen4(layer, torch.bfloat16).T).to(x.dtype)

    monkeypatch.setattr(bnb.nn.modules, "has_avx512bf16", lambda: True)
    monkeypatch.setattr(bnb.functional, "gemv_4bit", product)
