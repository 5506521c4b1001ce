"""Element-by-element work in one pass over memory: PyTorch's compiler writes one loop (C++ on CPU, Triton on GPU).

Off until `use(True)`, because compiling takes some twenty seconds once: the caller knows whether a run is long enough.
While off, a fused function is the plain one. Only small functions go through here, never a layer: shapes that change
with every packed row then cost nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any

import torch

_state = {"on": False}


def use(on: bool) -> None:
    """Switch compiled loops on or off for all functions made by `fused`."""
    if on:
        from torch._inductor import config

        config.compile_threads = 1  # a pool of compiling processes, each with its own PyTorch, would take a gigabyte
    _state["on"] = on


def in_use() -> bool:
    """Whether they are on."""
    return _state["on"]


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors that is compiled when fusion is in use (on first use, for sizes of any kind).

    Args:
        function: of tensors and numbers, without branches on their values and without side effects.
    """

    @cache  # asking for a compiled function already loads the compiler: two seconds and 90 MB
    def compiled() -> Callable[..., Any]:
        return torch.compile(function, dynamic=True, fullgraph=True)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        return compiled()(*arguments) if _state["on"] else function(*arguments)

    return call


def fuse_rotary(model: Any) -> Callable[[], None]:
    """Let the model's attention modules turn queries and keys in one pass, forward and backward.

    The family's own `apply_rotary_pos_emb` is compiled, so that every family keeps its formula. It is a function of the
    family's module and looked up there by name at each call.

    Args:
        model: a Transformers model whose attention uses `apply_rotary_pos_emb`.

    Returns:
        A function that undoes it.

    Raises:
        ValueError: if there is none.
    """
    homes = {sys.modules[type(m).__module__] for m in model.modules() if type(m).__name__.endswith("Attention")}
    homes = {home for home in homes if hasattr(home, "apply_rotary_pos_emb")}
    if not homes:
        raise ValueError("no rotary embedding")
    return partial(_restore, [(home, _replace(home)) for home in homes])


def _replace(home: Any) -> Any:
    plain = home.apply_rotary_pos_emb
    home.apply_rotary_pos_emb = fused(plain)
    return plain


def _restore(replaced: list[tuple[Any, Any]]) -> None:
    for home, plain in replaced:
        home.apply_rotary_pos_emb = plain
