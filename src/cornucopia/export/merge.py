"""Adapters added into the weights of their base, in float32 on the CPU, and how far the answers moved.

Float32 whatever is stored: the merge is rounded once, when it is written, and what the check finds is that rounding
alone. Shapes: T tokens of a prompt, V the vocabulary; logits are (T, V) float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.adapters.load import attach
from cornucopia.core.console import say
from cornucopia.core.errors import ModelError, first_line
from cornucopia.models.load import Base, check_finite

Prompts = Sequence[list[int]]


@dataclass(frozen=True)
class Merged:
    """What merging gave; the merged weights are base.model's.

    Args:
        logits: of each prompt, from the base with its adapters before the last of them was merged.
        greatest: the largest of their absolute values.
        effect: how far the adapters moved a logit at the most; 0 without adapters.
        difference: how far merging itself moved one, in float32.
        changed: number of tensors that are not the base's.
    """

    logits: list[Any]
    greatest: float
    effect: float
    difference: float
    changed: int


def check_mergeable(folder: Path) -> None:
    """Refuse, before any weight is read, an adapter that no weight can take in.

    Raises:
        ModelError: it learns virtual tokens (prefix tuning and kin), or its adapter_config.json is damaged.
    """
    from peft import PeftConfig

    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError("adapter_config.json 有误", where=str(folder), found=first_line(error)) from None
    if config.is_prompt_learning:
        raise _not_mergeable(folder, f"{_kind(config)}：学到的是提示前面的虚拟词元，不是权重")


def _kind(config: Any) -> str:
    return str(getattr(config.peft_type, "value", config.peft_type))


def _not_mergeable(folder: Path, found: str) -> ModelError:
    fix = f"不合并，直接用：cornucopia infer --model 基座 --adapter {folder}"
    return ModelError("这种适配器不能合并进权重", where=str(folder), found=found, fix=fix)


def merge(base: Base, adapters: Sequence[Path], prompts: Prompts) -> Merged:
    """Add the adapters into the base's weights, one after another.

    Args:
        base: in float32 on the CPU.
        adapters: their folders, in order.
        prompts: token ids of the texts that the logits are compared on.

    Raises:
        ModelError: an adapter of another base, one that cannot be merged, or one that changes nothing.
    """
    plain = logits = logits_of(base.model, prompts)
    greatest, difference, changed = _greatest(plain), 0.0, set[str]()
    tied = _untie(base.model) if adapters else False
    digests = _digests(base.model) if adapters else {}
    for number, folder in enumerate(adapters):
        say(f"合并 {folder}")
        logits = _merge_one(base, folder, f"adapter{number}", prompts)
        after = _digests(base.model)
        moved = {name for name, digest in after.items() if digests.get(name) != digest}
        if not moved:
            found = "合并前后每一个权重都相同（适配器全是零，没有练过）"
            raise ModelError("合并什么也没有改变", where=str(folder), found=found, fix="核对是不是练好的那个适配器")
        difference = max(difference, greatest_difference(logits_of(base.model, prompts), logits))
        digests, changed = after, changed | moved
    if tied:
        _tie_again(base.model)
    return Merged(logits, greatest, greatest_difference(logits, plain), difference, len(changed))


def _merge_one(base: Base, folder: Path, name: str, prompts: Prompts) -> list[Any]:
    """Merge one adapter; the logits from before it was merged."""
    with_adapter = attach(base.model, base, folder, name)
    logits = logits_of(with_adapter, prompts)
    try:
        base.model = with_adapter.merge_and_unload()
    except (NotImplementedError, AttributeError, TypeError, ValueError) as error:
        kind = _kind(with_adapter.peft_config[name])
        raise _not_mergeable(folder, f"{kind}：{first_line(error)}") from None
    base.model.__dict__.pop("peft_config", None)  # the next adapter stands on a plain model
    check_finite(base.model.named_parameters(), folder)
    return logits


def logits_of(model: Any, prompts: Prompts) -> list[Any]:
    """Logits (T, V) of every position of each prompt, in float32."""
    import torch

    with torch.inference_mode():
        return [model(input_ids=torch.tensor([ids])).logits[0].float().clone() for ids in prompts]


def greatest_difference(one: Sequence[Any], other: Sequence[Any]) -> float:
    """The greatest absolute difference between two lists of logits; infinite where one of them is not a number."""
    values = [float((a - b).abs().max()) for a, b in zip(one, other, strict=True)]
    return max(values) if all(value == value for value in values) else float("inf")


def _greatest(logits: Iterable[Any]) -> float:
    return max(float(part.abs().max()) for part in logits)


def _digests(model: Any) -> dict[str, str]:
    import torch

    def digest(tensor: Any) -> str:
        return hashlib.sha256(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()).hexdigest()

    tensors = model.state_dict()
    with ThreadPoolExecutor() as pool:
        return dict(zip(tensors, pool.map(digest, tensors.values()), strict=True))


def _untie(model: Any) -> bool:
    """Give the output layer weights of its own, for an adapter may change one of the two; whether they were one."""
    import torch

    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or head.weight is not table.weight:
        return False
    head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
    return True


def _tie_again(model: Any) -> None:
    """Make them one where they are still the same; the config says which."""
    import torch

    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    same = torch.equal(head.weight, table.weight)
    if same:
        head.weight = table.weight
    model.config.tie_word_embeddings = model.config.get_text_config().tie_word_embeddings = same
