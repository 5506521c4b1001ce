"""The model card (README.md) of an exported folder: where it comes from, how it is used, what was checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cornucopia.core import hub
from cornucopia.models import catalogue
from cornucopia.models.local import read_json

_FIGURES = {
    "steps": "训练步数", "trained_parameters": "练的参数", "tokens": "读过的词元", "loss_last": "最后的训练损失",
    "eval_loss_best": "最好的验证损失",
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """A base as others may know it.

    Args:
        name: of its folder.
        repo: its repository on a model hub, or ''.
        licence: in words, or '' where nobody says.
    """

    name: str
    repo: str
    licence: str


def origin(folder: Path) -> Origin:
    """What the download's marker, the catalogue and the base's own card say."""
    name = folder.resolve().name
    marker = hub.read_marker(folder)
    repo = marker.repo if marker else ""
    entry = catalogue.find(repo) if repo else None
    entry = entry or catalogue.find(name)
    licence = entry.licence if entry else ""
    return Origin(name, repo or (entry.hf if entry else ""), licence or _stated_licence(folder / "README.md"))


def _stated_licence(path: Path) -> str:
    """The licence in the head of a model card, or ''."""
    try:
        mark, head, _ = path.read_text(encoding="utf-8").split("---", 2)
        value = yaml.safe_load(head)["license"] if not mark.strip() else ""
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return ""
    return value if isinstance(value, str) else ""


SCORING = """## 怎样用

奖励模型：给一问一答打一个分，同一个问题的回答里，分数高的更好；不会回答问题。

```bash
cornucopia data reward 回答.jsonl --model 这个目录 --out 分数.jsonl
```

在 Transformers 里是 `AutoModelForSequenceClassification`，一个类别，分数是 `logits[0, 0]`；
输入是聊天模板写出的整段对话，含结尾的结束符。"""


def model_card(name: str, base: Origin, adapters: Sequence[Path], report: dict[str, Any], use: str) -> str:
    """The card's text.

    Args:
        name: of the exported folder.
        base: what was merged into.
        adapters: folders of the adapters, in order.
        report: as in export.json.
        use: how it is used, from `answering`, or SCORING.
    """
    tag = "text-classification" if use is SCORING else "text-generation"
    parts = [_head(base, adapters, tag), f"# {name}", _made_of(base, adapters, report), use]
    figures = [_figures(folder) for folder in adapters]
    return "\n\n".join(part for part in (*parts, *figures, _end(base)) if part) + "\n"


def _head(base: Origin, adapters: Sequence[Path], tag: str) -> str:
    values: dict[str, Any] = {"language": ["zh"], "library_name": "transformers", "pipeline_tag": tag}
    if base.licence:
        values["license"] = catalogue.hub_licence(base.licence)
    if base.repo:
        values |= {"base_model": base.repo, "base_model_relation": "merge" if len(adapters) > 1 else "finetune"}
    return f"---\n{yaml.safe_dump(values, allow_unicode=True, sort_keys=False)}---"


def _made_of(base: Origin, adapters: Sequence[Path], report: dict[str, Any]) -> str:
    named = f"{base.name}（{base.repo}）" if base.repo else base.name
    rows = [f"| 基座 | {named} |"]
    rows += [f"| 适配器 | {folder.resolve().name} |" for folder in adapters]
    rows += [f"| 数据类型 | {report['dtype']} |", f"| 模板 | {report['template']} |"]
    if adapters:
        rows += [f"| 合并后 logits 的最大偏差 | {report['greatest_difference']:.2g} |"]
        rows += [f"| 适配器使 logits 变化的最大值 | {report['adapter_effect']:.2g} |"]
    does = "由下列适配器依次合并进基座得到" if adapters else "由下列模型整理得到，权重没有合并别的东西"
    return "\n".join([f"{does}，用 `cornucopia export` 导出。", "", "| | |", "| --- | --- |", *rows])


def answering(stop: Sequence[str], prompt: str) -> str:
    """How a model that answers is used.

    Args:
        stop: texts at which an answer ends besides the end of sequence.
        prompt: an example question as the model reads it.
    """
    stops = f", stop_strings={json.dumps(list(stop), ensure_ascii=False)}, tokenizer=tokenizer" if stop else ""
    served = f'\n  "stop": {json.dumps(list(stop), ensure_ascii=False)},' if stop else ""
    return f"""## 怎样用

提问时模型读到的是：

```text
{prompt}
```

聊天模板在 `tokenizer_config.json` 里，Transformers 照它写提示；
有材料时写 `documents=[{{"text": "材料"}}]`（模型自带的聊天模板不一定认）：

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("这个目录")
model = AutoModelForCausalLM.from_pretrained("这个目录", dtype="auto")
messages = [{{"role": "user", "content": "什么是重疾险的犹豫期？"}}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
output = model.generate(**inputs{stops})
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
```

vLLM：

```bash
vllm serve 这个目录 --served-model-name cornucopia
curl http://localhost:8000/v1/chat/completions -H "Content-Type: application/json" -d '{{
  "model": "cornucopia",{served}
  "messages": [{{"role": "user", "content": "什么是重疾险的犹豫期？"}}]
}}'
```

聚宝盆：`cornucopia chat --model 这个目录`。"""


def _figures(folder: Path) -> str:
    """What the training of an adapter left in figures, or ''."""
    result = read_json(folder / "train_result.json")
    rows = [f"| {label} | {_number(result[key])} |" for key, label in _FIGURES.items() if result.get(key) is not None]
    heading = f"## 训练：{folder.resolve().name}"
    return "\n".join([heading, "", "| | |", "| --- | ---: |", *rows]) if rows else ""


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _end(base: Origin) -> str:
    licence = base.licence or "没有查到，发布前请核对基座的许可"
    return f"""## 许可和限制

基座的许可：{licence}。合并后的模型受它约束；训练数据的许可由适配器的作者说明。
回答可能有错，不是投资、法律或税务建议。"""
