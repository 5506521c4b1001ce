"""The quickest of several ways to compute the same step, tried on this machine at the start of a run and kept with it.

Only on CPUs with 16-bit matrix instructions: how much quicker each way is depends on how well PyTorch's operators use
them. Knows nothing of the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cornucopia.core.console import say
from cornucopia.core.device import choose_device, choose_dtype, cpu_has_fast_bfloat16
from cornucopia.kernels import fusion
from cornucopia.kernels.packed_attention import Blocks, packed_attention, use
from cornucopia.tokens.render import Example
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.objectives.objective import Objective
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import planner, ranks
from cornucopia.training.run.fast import base_of, extras
from cornucopia.training.run.plan import operations, repays_compiling
from cornucopia.training.run.start import goes_on

FIXED: dict[str, Blocks] = {"sdpa": (), "blocks": ((2**31, 128),)}  # recipe.attention
TRIED = (0, 128, 256)  # queries of a block; 0: PyTorch's own backward pass
SECONDS = 1.0  # of trying kinds of attention
CLEARLY = 0.9  # another way must take less than this share of the time
CLOSE = 3e-2  # relative: gradients in 16 bits that differ by more are not the same
ROUNDS = 4
_WORK = 12 * 64 * 6 * 512**2  # of one trial at most: six documents of 512 tokens, 12 heads of 64
_WORTH = 120 * 1e11  # operations of a run that is long enough for a second of trying
_STEP_TOKENS = 1024  # of the row that is computed compiled and not


@dataclass(frozen=True)
class Ways:
    """How a run computes.

    Args:
        attention: see kernels.packed_attention.use.
        compiled: whether element-by-element work is compiled.
    """

    attention: Blocks
    compiled: bool


def ways_of(recipe: TrainRecipe, output: Path, plan: DataPlan, model: Any) -> tuple[Ways, torch.dtype | None]:
    """How this run computes: by what the recipe fixes, what an earlier start of the run chose, or a trial here.

    Args:
        recipe, output, plan: of the run.
        model: to be trained.

    Returns:
        The ways, and, where they come from a trial, which `settle` is to end, the type that the run computes in.
    """
    device = choose_device(recipe.device)
    usual = Ways(FIXED.get(recipe.attention, ()), repays_compiling(recipe, plan, model.num_parameters(), device))
    kept = planner.remembered_ways(output)
    if kept:
        return _where_open(recipe, usual, Ways(*kept)), None
    dtype = choose_dtype(recipe.dtype, device, model.num_parameters())
    anything = recipe.attention == "auto" or (recipe.compile == "auto" and usual.compiled)
    if goes_on(recipe) or not anything or not _worth_trying(recipe, plan, model, device, dtype):
        return usual, None
    if recipe.attention == "auto":
        usual = replace(usual, attention=try_attention(plan.train.lengths, recipe.micro, heads_of(model), dtype))
    return usual, dtype


def _where_open(recipe: TrainRecipe, fixed: Ways, chosen: Ways) -> Ways:
    return Ways(
        chosen.attention if recipe.attention == "auto" else fixed.attention,
        chosen.compiled if recipe.compile == "auto" else fixed.compiled,
    )


def settle(
    ways: Ways,
    dtype: torch.dtype,
    recipe: TrainRecipe,
    output: Path,
    plan: DataPlan,
    model: Any,
    objective: Objective,
) -> bool:
    """Compare compiled with not compiled on the real step where that is open, and keep everything with the run.

    Args:
        ways, dtype: as from `ways_of`; the ways are in use.
        recipe, output, plan: of the run.
        model: on the fast step, compiled if `ways` says so and it could be.
        objective: of the step.

    Returns:
        Whether to stay compiled.
    """
    compiled = "compiled" in extras(model)
    compared = compiled and recipe.compile == "auto"
    if compared:
        row = objective.collate(_short_row(plan), packed=True)
        compiled = compiling_pays(lambda: objective.loss(model, row, 1), model, dtype)
    planner.remember_ways(output, ways.attention, compiled)
    parts = [_told(ways.attention)] if recipe.attention == "auto" else []
    parts += [f"逐元素的运算{'编译' if compiled else '不编译'}"] if compared else []
    if parts:
        say(f"在这台机器上试过，取快的：{'；'.join(parts)}（记在 {planner.MEMORY}，续练照用）")
    return compiled


def _told(attention: Blocks) -> str:
    kinds = [_kind(block) for _, block in attention]
    if len(set(kinds)) == 1:
        return f"注意力的反向{kinds[0]}"
    shorter = [f"{most} 词元以内的{kind}" for (most, _), kind in zip(attention[:-1], kinds, strict=False)]
    return f"注意力的反向，{'，'.join(shorter)}，更长的{kinds[-1]}"


def _kind(block: int) -> str:
    return f"每 {block} 词元一块" if block else "用 PyTorch 的"


def _worth_trying(recipe: TrainRecipe, plan: DataPlan, model: Any, device: str, dtype: torch.dtype) -> bool:
    """A long run in 16 bits on a CPU made for them, in one process (ranks would choose apart)."""
    if device != "cpu" or dtype.itemsize != 2 or not cpu_has_fast_bfloat16() or not recipe.packing:
        return False
    long_enough = operations(recipe, plan, model.num_parameters()) > _WORTH
    return long_enough and ranks.world() == 1


def heads_of(model: Any) -> tuple[int, int, int]:
    """Query heads, key/value heads and head dimension of a model."""
    config = base_of(model).config.get_text_config()
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return heads, getattr(config, "num_key_value_heads", None) or heads, width


def try_attention(
    lengths: Any, micro: int, heads: tuple[int, int, int], dtype: torch.dtype, seconds: float = SECONDS
) -> Blocks:
    """The quickest backward pass for each length of document that occurs.

    Args:
        lengths: tokens of each document.
        micro: documents of a row.
        heads: see heads_of.
        dtype: of the products.
        seconds: after this much time lengths that make up less of the work are computed as those nearest to them.
    """
    sizes = np.asarray(lengths)
    classes = 2 ** np.ceil(np.log2(np.maximum(sizes, 64))).astype(int)
    work = {int(most): float((sizes[classes == most] ** 2).sum()) for most in np.unique(classes)}
    ends = time.perf_counter() + seconds
    chosen: dict[int, int] = {}
    for most in sorted(work, key=lambda most: -work[most]):
        if chosen and time.perf_counter() > ends:
            break
        here = sizes[classes == most]
        length = int(np.median(here))
        most_documents = _WORK // (heads[0] * heads[2] * length**2)
        documents = max(min(round(micro * len(here) / len(sizes)), most_documents), 1)
        chosen[most] = quickest(documents, length, heads, dtype)
    nearest = {most: chosen[min(chosen, key=lambda tried: abs(tried - most))] for most in sorted(work)}
    return tuple(nearest.items())


def quickest(documents: int, length: int, heads: tuple[int, int, int], dtype: torch.dtype) -> int:
    """The block of TRIED whose forward and backward pass take least, in turns; 0 unless another is clearly ahead."""
    generator = torch.Generator().manual_seed(0)
    query, key, value, pull = (
        torch.randn(1, h, documents * length, heads[2], generator=generator).to(dtype).requires_grad_()
        for h in (heads[0], heads[1], heads[1], heads[0])
    )
    ends = torch.arange(0, documents * length + 1, length, dtype=torch.int32)

    def step(block: int) -> tuple[float, torch.Tensor]:
        before, began = use(((length, block),)), time.perf_counter()
        try:
            out, _ = packed_attention(torch.nn.Identity(), query, key, value, None, cu_seq_lens_q=ends)
            slopes = torch.autograd.grad(out, (query, key, value), pull.detach().transpose(1, 2))
        finally:
            use(before)
        return time.perf_counter() - began, torch.cat([slope.flatten() for slope in slopes]).float()

    return _pick(step)


def _pick(step: Callable[[int], tuple[float, torch.Tensor]]) -> int:
    """One of TRIED, by time and by whether the result is the first one's."""
    first, right = step(TRIED[0])
    left = [TRIED[0]]
    for block in TRIED[1:]:
        took, found = step(block)
        if took < 5 * first and float((found - right).norm()) <= CLOSE * float(right.norm()):
            left.append(block)
    times = dict.fromkeys(left, float("inf"))
    for _ in range(ROUNDS):
        times = {block: min(best, step(block)[0]) for block, best in times.items()}
    best = min(times, key=lambda block: times[block])
    return best if times[best] < CLEARLY * times[TRIED[0]] else TRIED[0]


def compiling_pays(loss: Callable[[], torch.Tensor], model: Any, dtype: torch.dtype) -> bool:
    """Whether a step is quicker with compiled loops, which must be in use, than without.

    Args:
        loss: the forward pass of the step.
        model: its model, on the CPU. Gradients are dropped, and random states put back.
        dtype: of autocast, as in training.
    """
    times: dict[bool, list[float]] = {True: [], False: []}
    with torch.random.fork_rng(devices=[]):
        for _ in range(ROUNDS):
            for on, took in times.items():
                fusion.use(on)
                began = time.perf_counter()
                with torch.autocast("cpu", dtype):
                    value = loss()
                value.backward()
                took.append(time.perf_counter() - began)
                model.zero_grad(set_to_none=True)
    fusion.use(True)
    return min(times[True][1:]) < min(times[False][1:])


def _short_row(plan: DataPlan) -> list[Example]:
    """Documents from the data's beginning, _STEP_TOKENS together or one longer one."""
    total = np.cumsum(np.asarray(plan.train.lengths[:64]))
    return plan.train[: max(int((total <= _STEP_TOKENS).sum()), 1)]
