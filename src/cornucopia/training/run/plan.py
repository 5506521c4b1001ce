"""What is shown before anything heavy: the resolved recipe, the data, the memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cornucopia.core.console import say, show_table, warn
from cornucopia.core.device import cpu_has_fast_bfloat16
from cornucopia.models.memory import GIB, MemoryEstimate
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.recipe import TrainRecipe

_CPU_WORTH = 600 * 1e11  # seconds times operations a second
_GPU_WORTH = 180 * 2e14


def total_steps(recipe: TrainRecipe, examples: int) -> int:
    """Number of optimizer updates of the run."""
    if recipe.max_steps > 0:
        return recipe.max_steps
    return math.ceil(recipe.num_epochs * math.ceil(examples / recipe.batch_size))


def repays_compiling(recipe: TrainRecipe, plan: DataPlan, parameters: int, device: str) -> bool:
    """Whether a run is long enough for some twenty seconds of compiling to pay.

    By what the plan alone says, so that a resumed run decides alike: against ten minutes of a laptop's CPU or three of
    a data centre's GPU.
    """
    if recipe.compile != "auto":
        return recipe.compile == "on"
    return operations(recipe, plan, parameters) > (_GPU_WORTH if device.startswith("cuda") else _CPU_WORTH)


def operations(recipe: TrainRecipe, plan: DataPlan, parameters: int) -> float:
    """Floating-point operations of the run: the weights' two products, four a parameter and token."""
    tokens = plan.train.tokens / len(plan.train) * recipe.batch_size * total_steps(recipe, len(plan.train))
    return 4 * parameters * tokens


def compile_hint(recipe: TrainRecipe, repays: bool, device: str) -> str:
    """Whether element-by-element work is compiled, and why (Chinese)."""
    if recipe.compile != "auto":
        return f"按 --compile {recipe.compile}"
    if repays:
        return "会编译：这次训练够长，省下的多过编译用的约 20 秒（可选时开头先试，不快就不用）"
    gains = "有 AMX 或 AVX512-BF16 的 CPU 上每步可快约 1.3 倍，" if device == "cpu" and cpu_has_fast_bfloat16() else ""
    return f"不编译：{gains}估计不到十分钟（GPU 三分钟），编译要约 20 秒；常练就加 --compile on"


def show(
    recipe: TrainRecipe,
    plan: DataPlan,
    template: str,
    memory: MemoryEstimate,
    own: int,
    free: int,
    disk: tuple[int, int],
    compiling: str,
    counts: tuple[int, int] | None,
) -> None:
    """Print the plan: recipe, data statistics, memory, disk.

    Args:
        recipe: resolved.
        plan: its data.
        template: the template's name.
        memory: of its largest step.
        own: bytes that the program itself holds on the device beside that.
        free: bytes free on the device for the program as a whole.
        disk: bytes that checkpoints and result take at most, and bytes free there.
        compiling: from `compile_hint`.
        counts: parameters that change and all, where they could be counted.
    """
    changed = recipe.model_dump()
    if recipe.max_steps > 0:  # what the steps make of it, not a number that nothing follows
        epochs = recipe.max_steps * recipe.batch_size / len(plan.train)
        changed["num_epochs"] = f"{epochs:.3g}（由 max_steps 决定）"
    show_table(
        "配方",
        ["设置", "值"],
        [(key, _cell(value)) for key, value in changed.items() if value not in ("", None, [], False)],
    )
    show_table("数据", ["项", "值"], _data_rows(recipe, plan, template))
    rows = [
        ("权重", memory.weights),
        ("梯度", memory.gradients),
        ("优化器", memory.optimizer),
        ("激活", memory.activations),
        ("输出层与损失", memory.logits),
        ("以上同时最多", memory.peak),
        ("程序本身", own),
        ("合计", memory.peak + own),
        ("可用", free),
    ]
    show_table("内存估计", ["项", "GiB"], [(name, f"{size / GIB:.2f}") for name, size in rows])
    if counts:
        say(f"要训练的参数 {counts[0]:,}，占 {counts[1]:,} 的 {counts[0] / counts[1]:.2%}")
    names = ("检查点和成品最多", "可用")
    show_table("磁盘", ["项", "GiB"], [(name, f"{size / GIB:.2f}") for name, size in zip(names, disk, strict=True)])
    say(compiling)
    for note in plan.notes:
        say(note)
    for reject in plan.rejects[:5]:
        warn(f"跳过 {reject['where']}：{reject['reason']}")
    if len(plan.rejects) > 5:
        warn(f"……共跳过 {len(plan.rejects)} 行")
    if memory.peak + own > free:
        need, there = f"{(memory.peak + own) / GIB:.1f}", f"{free / GIB:.1f}"
        warn(f"估计要 {need} GiB，可用 {there} GiB：用 --auto 自动安排（结果不变），或 --bits 4")


def _data_rows(recipe: TrainRecipe, plan: DataPlan, template: str) -> list[tuple[str, Any]]:
    lengths = np.sort(np.asarray(plan.train.lengths))
    middle, high = lengths[len(lengths) // 2], lengths[int(len(lengths) * 0.95)]
    domains = "、".join(f"{name} {count}" for name, count in plan.domains.most_common(12))
    steps = total_steps(recipe, len(plan.train))
    return [
        ("训练 / 验证条数", f"{len(plan.train)} / {len(plan.validation)}"),
        ("领域", domains),
        ("模板", template),
        ("每条词元 中位 / 95% / 最长", f"{middle} / {high} / {lengths[-1]}"),
        (
            "每轮词元（计入损失的占比）",
            f"{plan.train.tokens}（{plan.train.supervised / max(plan.train.tokens, 1):.0%}）",
        ),
        ("截短：问题 / 回答", f"{plan.truncated['prompt']} / {plan.truncated['answer']}"),
        ("跳过的坏行", len(plan.rejects)),
        ("更新步数", steps),
    ]


def _cell(value: Any) -> str:
    return (
        "、".join(map(str, value))
        if isinstance(value, list)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
