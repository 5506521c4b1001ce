"""What is shown before anything heavy: the resolved recipe, the data, the memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cornucopia.core.console import say, show_table, warn
from cornucopia.models.memory import GIB, MemoryEstimate, estimate, lora_parameters, read_shape
from cornucopia.training.examples import DataPlan
from cornucopia.training.recipe import TrainRecipe


def total_steps(recipe: TrainRecipe, examples: int) -> int:
    """Number of optimizer updates of the run."""
    if recipe.max_steps > 0:
        return recipe.max_steps
    return math.ceil(recipe.num_epochs * math.ceil(examples / recipe.batch_size))


def memory_of(recipe: TrainRecipe, plan: DataPlan, folder: Path, dtype_bytes: int) -> MemoryEstimate:
    """Memory of the recipe's largest step."""
    shape = read_shape(folder)
    full = recipe.method == "full"
    trained = shape.parameters if full else lora_parameters(shape, recipe.lora_r, recipe.lora_target_modules)
    longest = sorted(plan.train, key=lambda e: -len(e.input_ids))[: recipe.micro]
    return estimate(
        shape,
        dtype_bytes=dtype_bytes,
        bits=recipe.base_bits,
        trained=trained,
        tokens=sum(len(e.input_ids) for e in longest),
        supervised=sum(e.supervised for e in longest),
        checkpointing=recipe.gradient_checkpointing,
        full=full,
    )


def show(recipe: TrainRecipe, plan: DataPlan, folder: Path, template: str, dtype_bytes: int, free_bytes: int) -> None:
    """Print the plan: recipe, data statistics, memory."""
    changed = recipe.model_dump()
    show_table(
        "配方",
        ["设置", "值"],
        [(key, _cell(value)) for key, value in changed.items() if value not in ("", None, [], False)],
    )
    show_table("数据", ["项", "值"], _data_rows(recipe, plan, template))
    memory = memory_of(recipe, plan, folder, dtype_bytes)
    rows = [
        ("基座权重", memory.weights),
        ("可训练参数与梯度", memory.trained),
        ("优化器", memory.optimizer),
        ("激活", memory.activations),
        ("输出层", memory.logits),
        ("合计", memory.peak),
        ("可用", free_bytes),
    ]
    show_table("内存估计", ["项", "GiB"], [(name, f"{size / GIB:.2f}") for name, size in rows])
    for note in plan.notes:
        say(note)
    for reject in plan.rejects[:5]:
        warn(f"跳过 {reject['where']}：{reject['reason']}")
    if len(plan.rejects) > 5:
        warn(f"……共跳过 {len(plan.rejects)} 行")
    if memory.peak > free_bytes:
        need, free = f"{memory.peak / GIB:.1f}", f"{free_bytes / GIB:.1f}"
        fix = "调小 --micro-batch-size（结果不变）、加 --gradient-checkpointing，或 --bits 4"
        warn(f"估计要 {need} GiB，可用 {free} GiB：{fix}")


def _data_rows(recipe: TrainRecipe, plan: DataPlan, template: str) -> list[tuple[str, Any]]:
    lengths = sorted(len(e.input_ids) for e in plan.train)
    middle, high = lengths[len(lengths) // 2], lengths[int(len(lengths) * 0.95)]
    domains = "、".join(f"{name} {count}" for name, count in plan.domains.most_common(12))
    steps = total_steps(recipe, len(plan.train))
    return [
        ("训练 / 验证条数", f"{len(plan.train)} / {len(plan.validation)}"),
        ("领域", domains),
        ("模板", template),
        ("每条词元 中位 / 95% / 最长", f"{middle} / {high} / {lengths[-1]}"),
        ("每轮词元（计入损失的占比）", f"{plan.tokens}（{plan.supervised / max(plan.tokens, 1):.0%}）"),
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
