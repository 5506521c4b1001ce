"""LoRA adapters of many rows in one batch on one base: each token gets its own row's adapter's share, and no other's.

All adapters' A stand under one another and all B beside one another, so that one pair of products serves every row;
between the two, what does not belong to a token's own adapter is multiplied by zero.

Shapes: N tokens, R ranks of all adapters together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

MAPS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}


@dataclass(frozen=True)
class Stack:
    """Of one map of one layer: `a` (R, inputs), `b` (R, outputs) with the scaling in it, ranks of each adapter."""

    a: torch.Tensor
    b: torch.Tensor
    owners: tuple[str, ...]  # of each of the R ranks


class LoraStacks:
    """All adapters that some rows ask for, in the form that LoraRows uses.

    Args:
        layers: the model's blocks, their linear maps wrapped by PEFT.
        names: the adapters.
    """

    def __init__(self, layers: Sequence[Any], names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.stacks: dict[tuple[int, str], Stack] = {}
        for number, layer in enumerate(layers):
            for kind, paths in MAPS.items():
                if stack := _stack([layer.get_submodule(path) for path in paths], names):
                    self.stacks[number, kind] = stack

    def rows(self, adapters: Sequence[str | None], counts: Sequence[int]) -> LoraRows | None:
        """For pieces of `counts` tokens by these adapters; None when none of them has one."""
        if not any(adapters):
            return None
        return LoraRows(self, [name for name, count in zip(adapters, counts, strict=True) for _ in range(count)])


class LoraRows:
    """The adapters of one step's tokens."""

    def __init__(self, stacks: LoraStacks, owners: Sequence[str | None]) -> None:
        self._stacks = stacks.stacks
        self._owners = owners
        self._one = owners[0] if len(set(owners)) == 1 and len(stacks.names) == 1 else None
        self._masks: dict[tuple[str, ...], torch.Tensor] = {}

    def add(self, y: torch.Tensor, x: torch.Tensor, layer: int, kind: str) -> None:
        """Add to y (N, outputs) what the adapters make of x (N, inputs)."""
        stack = self._stacks.get((layer, kind))
        if stack is None:
            return
        inner = x @ stack.a.t()  # (N, R)
        if self._one is None:
            inner = inner * self._mask(stack.owners, inner)
        y.addmm_(inner, stack.b)

    def _mask(self, owners: tuple[str, ...], like: torch.Tensor) -> torch.Tensor:
        if owners not in self._masks:
            rows = [[float(owner == name) for owner in owners] for name in dict.fromkeys(self._owners)]
            table = torch.tensor(rows, dtype=like.dtype, device=like.device)
            numbers = {name: number for number, name in enumerate(dict.fromkeys(self._owners))}
            index = torch.tensor([numbers[name] for name in self._owners], device=like.device)
            self._masks[owners] = table[index]
        return self._masks[owners]


def unfit_adapter(model: Any, name: str) -> str:
    """Why an adapter of a PEFT model cannot be stacked (Chinese), or ''."""
    config = model.peft_config[name]
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if kind != "LORA":
        return f"适配器的方法是 {kind}"
    odd = ("use_dora", "lora_bias", "modules_to_save", "trainable_token_indices", "alora_invocation_tokens")
    if found := [option for option in odd if getattr(config, option, None)]:
        return f"适配器用了 {found[0]}"
    known = tuple(path for paths in MAPS.values() for path in paths)
    for path, module in model.named_modules():
        ranks = (*getattr(module, "lora_A", ()), *getattr(module, "lora_embedding_A", ()))
        if name in ranks and not path.endswith(known):
            return f"适配器改了 {path}"
    return ""


def _stack(modules: Sequence[Any], names: Sequence[str]) -> Stack | None:
    """Of maps whose outputs stand side by side; None when no adapter changes them."""
    parts, owners = [], []
    total, begin = sum(module.out_features for module in modules), 0
    for module in modules:
        for name in names:
            if name in getattr(module, "lora_A", ()):
                a, b = module.lora_A[name].weight.detach(), module.lora_B[name].weight.detach()
                wide = b.new_zeros(len(a), total)
                wide[:, begin : begin + module.out_features] = b.t() * module.scaling[name]
                parts.append((a, wide))
                owners += [name] * len(a)
        begin += module.out_features
    if not parts:
        return None
    return Stack(torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts]), tuple(owners))
