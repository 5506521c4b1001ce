"""The model card that a run leaves: what it stands on, what it learnt, what came of it, how to use it. In Chinese.

No path of the machine it was made on stands in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cornucopia.models.catalogue import find, hub_licence
from cornucopia.models.meta import ModelMeta
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.methods import METHODS
from cornucopia.training.methods.adapter import public_name
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.recipe import TrainRecipe

_TEMPLATE = """---
base_model: {base}
library_name: {library}
language: zh
license: {hub_licence}
tags: [cornucopia, finance, {method}]
---

# {title}

用聚宝盆（Cornucopia）在 {base} 上训练：{objective}，{how}。

| 项 | 值 |
| --- | --- |
{rows}

## 怎样用

```bash
{command}
```

{other}

模板 {template} 记在 `cornucopia.json` 里，聚宝盆的命令会自动使用；用别的程序时要照它写提示词。

## 许可与限制

- 基座的许可：{licence}。本目录的权重同样受它约束。
- 数据的许可由训练的人确认；这里只记文件名和指纹。
- 回答可能有错，不构成投资建议；给客户用之前请先评测。
"""


def card(recipe: TrainRecipe, meta: ModelMeta, plan: DataPlan, result: dict[str, Any]) -> str:
    """The card's text.

    Args:
        recipe: of the run.
        meta: what stands in cornucopia.json.
        plan: the data.
        result: what stands in train_result.json.
    """
    method, base = METHODS[recipe.method], public_name(recipe.base)
    entry = find(base)
    adapter, scores = method.leaves == "adapter", OBJECTIVES[recipe.objective].scores
    command = "cornucopia data reward 回答.jsonl --out 分数.jsonl" if scores else "cornucopia chat"
    command += f" --model {base} --adapter 本目录" if adapter else " --model 本目录"
    kind = "AutoModelForSequenceClassification" if scores else "AutoModelForCausalLM"
    plain = f"{kind}.from_pretrained(基座, num_labels=1)" if scores else "基座"
    other = f"`PeftModel.from_pretrained({plain}, 本目录)`" if adapter else f"`{kind}.from_pretrained(本目录)`"
    return _TEMPLATE.format(
        base=base,
        library="peft" if adapter else "transformers",
        method=recipe.method,
        title=Path(recipe.output_dir).resolve().name,
        objective=recipe.objective,
        how=method.about,
        rows="\n".join(f"| {name} | {value} |" for name, value in _rows(recipe, meta, plan, result)),
        command=command,
        other=f"在 Transformers 里：{other}。",
        template=meta.template,
        hub_licence=hub_licence(entry.licence if entry else ""),
        licence=(entry.licence if entry else "") or "见基座自己的说明",
    )


def _rows(recipe: TrainRecipe, meta: ModelMeta, plan: DataPlan, result: dict[str, Any]) -> list[tuple[str, str]]:
    settings = {name: getattr(recipe, name) for name in METHODS[recipe.method].Settings.model_fields}
    own = "，".join(f"{name} {_cell(value)}" for name, value in settings.items())
    names = "、".join(Path(path).name for path in recipe.data_path)
    rows = [
        ("基座", f"{public_name(recipe.base)}（指纹 {meta.base_fingerprint}）"),
        ("方法", f"{recipe.method}{f'：{own}' if own else ''}"),
        ("数据", f"{names}，{len(plan.train)} 条训练，{len(plan.validation)} 条验证（指纹 {plan.fingerprint}）"),
        (
            "训练",
            f"{result['steps']} 步，每步 {recipe.batch_size} 条，学习率 {recipe.learning_rate:g}",
        ),
    ]
    if result.get("loss_first") is not None:
        rows.append(("训练损失", f"{result['loss_first']:.3f} → {result['loss_last']:.3f}"))
    if result.get("eval_loss_best") is not None:
        rows.append(("验证损失（最好）", f"{result['eval_loss_best']:.3f}"))
    sets = {name: value for name, value in result.get("best", {}).items() if name != "loss"}
    if sets:
        told = "，".join(f"{name} {value:.3f}" for name, value in sets.items())
        rows.append((f"最好的一步（第 {result['best_step']} 步）", told))
    return [*rows, ("版本", "，".join(f"{name} {number}" for name, number in meta.versions.items()))]


def _cell(value: Any) -> str:
    return "、".join(map(str, value)) if isinstance(value, list) else str(value)
