"""Fits a step to the device's memory without changing the update: before a run, and after memory ran out.

Chooses documents per forward pass and whether activations are recomputed; documents per update stay as they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from cornucopia.core.console import say, warn
from cornucopia.core.device import free_bytes
from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import write_json
from cornucopia.models.memory import GIB, MemoryEstimate, Shape, Step
from cornucopia.models.shared_memory import shared_out
from cornucopia.training.data.batches import EpochSampler
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import output as folder
from cornucopia.training.run import ranks

MEMORY = "memory.json"  # what was chosen for this output folder: a resumed run must compute the same way
MARGIN = 0.9  # of the free memory; the rest is for allocators' gaps and other programs
TRIES = 5
PROGRAM_CPU = 690 * 2**20  # benchmarks/memory.py: Python and its libraries 590, oneDNN's compiled products 100
PROGRAM_CUDA = 300 * 2**20  # library workspaces and kernels; the context is gone from the free memory already
_LOOKED_AT = 200_000  # examples whose order is followed to find the largest pass
_CHOICES = ("micro_batch_size", "gradient_checkpointing")


def room(device: str) -> tuple[int, int]:
    """Memory of the device: bytes the program itself takes there, bytes free for all of the program.

    A container's limit counts as the machine's memory.
    """
    if device.startswith("cuda"):
        import torch

        return PROGRAM_CUDA, free_bytes(device) + torch.cuda.memory_allocated()
    import psutil

    return PROGRAM_CPU, free_bytes(device) + psutil.Process().memory_info().rss


def step_of(recipe: TrainRecipe, plan: DataPlan, compute_bytes: int) -> Step:
    """The recipe's largest forward and backward pass.

    Args:
        recipe: with the micro-batch and checkpointing to be tried.
        plan: its data.
        compute_bytes: bytes of an activation.
    """
    tokens, supervised = _largest_pass(recipe, plan)
    return Step(
        tokens=tokens,
        supervised=supervised,
        compute_bytes=compute_bytes,
        bits=recipe.base_bits,
        checkpointing=recipe.gradient_checkpointing,
        packed=_packs(recipe),
        accumulates=recipe.micro < recipe.batch_size,
    )


def memory_of(recipe: TrainRecipe, plan: DataPlan, shape: Shape, compute_bytes: int) -> MemoryEstimate:
    """Memory of the recipe's largest step."""
    memory = METHODS[recipe.method](recipe).memory(shape, step_of(recipe, plan, compute_bytes))
    if OBJECTIVES[recipe.objective].refers:  # the values at the start of what is trained are kept
        memory = replace(memory, weights=memory.weights + memory.gradients)
    if recipe.shard != "fsdp2":
        return memory
    casts = compute_bytes * shape.quantisable if recipe.method == "full" and compute_bytes < 4 else 0
    return shared_out(memory, shape, ranks.world(), casts)


@dataclass(frozen=True)
class Disk:
    """Bytes a run writes: one checkpoint, all that are there at once, the result."""

    checkpoint: int
    checkpoints: int
    result: int

    @property
    def least(self) -> int:
        """Without which not even the first checkpoint and the result fit."""
        return self.checkpoint + self.result

    @property
    def total(self) -> int:
        """The most at once."""
        return self.checkpoints * self.checkpoint + self.result


def disk_of(recipe: TrainRecipe, memory: MemoryEstimate, steps: int) -> Disk:
    """What a run of so many steps writes: weights, and AdamW's two moments with each checkpoint.

    A checkpoint is whole before the oldest goes, so for a moment there is one more than are kept.
    """
    trained = memory.gradients
    weights = memory.weights if METHODS[recipe.method].leaves == "model" else trained
    return Disk(weights + memory.optimizer, min(recipe.save_total_limit + 1, -(-steps // recipe.save_steps)), weights)


def check_disk(disk: Disk, output: Path) -> None:
    """Refuse a run whose result cannot be written; warn of one that may not.

    Raises:
        ConfigError: naming what is needed and what is free.
    """
    free = folder.room(output)
    need = f"检查点和成品最多要 {disk.total / GIB:.2f} GiB，可用 {free / GIB:.2f} GiB"
    if disk.least > free:
        raise ConfigError("磁盘放不下这次训练", where=str(output), found=need, fix="腾出空间，或换 --output-dir")
    if disk.total > free:
        warn(f"磁盘可能不够：{need}。调小 --save-total-limit 或腾出空间")


def _largest_pass(recipe: TrainRecipe, plan: DataPlan) -> tuple[int, int]:
    """Tokens and trained tokens of the run's largest micro-batch, in the order training will take."""
    lengths = plan.train.lengths
    sampler = EpochSampler(lengths, recipe.seed, recipe.batch_size, recipe.group_by_length, recipe.micro)
    epochs = min(-(-recipe.num_epochs // 1), max(_LOOKED_AT // len(lengths), 1))
    best: tuple[int, list[int]] = (0, [])
    for epoch in range(int(epochs)):
        sampler.set_epoch(epoch)
        order = iter(sampler)
        while batch := list(islice(order, recipe.micro)):
            longest = max(lengths[i] for i in batch)
            tokens = sum(lengths[i] for i in batch) if _packs(recipe) else longest * len(batch)
            best = max(best, (tokens, batch))
    return best[0], sum(plan.train[i].supervised for i in best[1])


def _packs(recipe: TrainRecipe) -> bool:
    return recipe.packing and METHODS[recipe.method].packs


def fit(recipe: TrainRecipe, plan: DataPlan, shape: Shape, compute_bytes: int, free: int) -> TrainRecipe:
    """The recipe with the largest micro-batch that fits, and with recomputed activations if none fits without.

    Args:
        recipe: its micro_batch_size is the most that is tried.
        plan: its data.
        shape: of the base model.
        compute_bytes: bytes of an activation.
        free: bytes free for the step, the program's own left out.

    Raises:
        ConfigError: if not even one document at a time with recomputation fits.
    """
    limit = int(free * MARGIN)
    for checkpointing in sorted({recipe.gradient_checkpointing, METHODS[recipe.method].recomputes}):
        for micro in _smaller(recipe, recipe.micro):
            tried = with_choice(recipe, micro, checkpointing)
            peak = memory_of(tried, plan, shape, compute_bytes).peak
            if peak <= limit:
                _tell("自动安排", tried, f"估计要 {peak / GIB:.2f} GiB，可用 {free / GIB:.2f} GiB")
                return tried
    raise too_small(recipe, f"至少要 {peak / GIB:.2f} GiB，可用 {free / GIB:.2f} GiB（留出一成余量）")


def too_small(recipe: TrainRecipe, found: str) -> ConfigError:
    """The error when the smallest portions do not fit either, or one of several processes cannot go on alone."""
    if ranks.world() > 1 and recipe.micro > 1:
        fix = f"调小 --micro-batch-size（这次每次前向 {recipe.micro} 条；每次更新的条数不变），加 --resume 接着练"
        return ConfigError("内存不够", where=f"{recipe.device}，第 {ranks.rank()} 个进程", found=found, fix=fix)
    quantise = "" if recipe.base_bits == 4 or not METHODS[recipe.method].quantised else "--bits 4（量化基座）、"
    return ConfigError(
        f"内存不够：每次只算一条{'、并重算激活' if METHODS[recipe.method].recomputes else ''}，也放不下",
        where=recipe.device,
        found=found,
        fix=f"{quantise}调小 --cutoff-len，或换小一些的基座",
    )


def with_choice(recipe: TrainRecipe, micro: int, checkpointing: bool) -> TrainRecipe:
    """The recipe computed in other portions."""
    return recipe.model_copy(update={"micro_batch_size": micro, "gradient_checkpointing": checkpointing})


def divided(recipe: TrainRecipe) -> TrainRecipe:
    """The recipe in portions of which every process takes equally many.

    Raises:
        ConfigError: an update cannot be shared out evenly.
    """
    if recipe.batch_size % ranks.world():
        raise ConfigError(
            "每次更新的条数分不匀",
            where=f"--batch-size {recipe.batch_size}",
            found=f"{ranks.world()} 个进程",
            fix=f"改成 {ranks.world()} 的整数倍",
        )
    return with_choice(recipe, _smaller(recipe, recipe.micro)[0], recipe.gradient_checkpointing)


def _smaller(recipe: TrainRecipe, most: int) -> list[int]:
    """Micro-batches up to `most` that an update divides into evenly on every rank, the largest first."""
    each = recipe.batch_size // ranks.world()
    return [micro for micro in range(min(most, each), 0, -1) if each % micro == 0]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch or Python says that memory ran out."""
    import torch

    text = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)
    )


def step_down(recipe: TrainRecipe, failures: int) -> TrainRecipe | None:
    """A way to compute the same update in less memory, or None when there is none left.

    The first failure halves the micro-batch, the second quarters it, the third leaves one document, the last has its
    activations recomputed: few tries, as each loads the model anew.
    """
    if failures >= TRIES or ranks.world() > 1:  # the other ranks would wait forever
        return None
    if recipe.micro == 1:
        last = recipe.gradient_checkpointing or not METHODS[recipe.method].recomputes
        return None if last else with_choice(recipe, 1, True)
    target = max(recipe.micro // {1: 2, 2: 4}.get(failures, recipe.micro), 1)
    return with_choice(recipe, _smaller(recipe, target)[0], recipe.gradient_checkpointing)


def tell_step_down(recipe: TrainRecipe, start: str | None) -> None:
    """One line for the user: what is done now, and from where."""
    _tell("内存不够，改小后继续", recipe, f"从 {Path(start).name} 接着练" if start else "从头开始")


def _tell(what: str, recipe: TrainRecipe, more: str) -> None:
    passes = recipe.batch_size // recipe.micro
    again = "重算激活" if recipe.gradient_checkpointing else "不重算激活"
    portions = f"每次前向 {recipe.micro} 条，{passes} 次合成一次更新，{again}"
    say(f"{what}：{portions}（每次更新仍是 {recipe.batch_size} 条）；{more}")


def remember(output: Path, recipe: TrainRecipe) -> None:
    """Keep what was chosen beside the run."""
    write_json(output / MEMORY, _kept(output) | {name: getattr(recipe, name) for name in _CHOICES})


def remembered(output: Path, recipe: TrainRecipe) -> TrainRecipe | None:
    """The recipe as an earlier start of this run computed it; None if it chose nothing."""
    kept = _kept(output)
    micro, checkpointing = (kept.get(name) for name in _CHOICES)
    if type(micro) is not int or checkpointing is None or micro not in _smaller(recipe, recipe.batch_size):
        return None
    return with_choice(recipe, micro, checkpointing is True)


def remember_ways(output: Path, attention: tuple[tuple[int, int], ...], compiled: bool) -> None:
    """Keep beside the run which of several ways to compute the same was quickest; see training.ways."""
    write_json(output / MEMORY, _kept(output) | {"attention": attention, "compiled": compiled})


def remembered_ways(output: Path) -> tuple[tuple[tuple[int, int], ...], bool] | None:
    """What remember_ways kept; None if nothing was, or it cannot be read."""
    kept = _kept(output)
    try:
        attention = tuple((int(most), int(block)) for most, block in kept["attention"])
    except (KeyError, TypeError, ValueError):
        return None
    if attention != tuple(sorted(attention)) or any(block < 0 for _, block in attention):
        return None
    return attention, kept.get("compiled") is True


def _kept(output: Path) -> dict[str, Any]:
    try:
        kept = json.loads((output / MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
