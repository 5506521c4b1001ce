"""An adapter as the plainest LoRA there is: one rank, scale 1, nothing beside A and B.

That is what servers of many adapters (vLLM's `--lora-modules`) take.

rsLoRA, ranks and scales that differ by layer, and adapters that began as PiSSA are the same numbers written otherwise:
the scale goes into B, and a lower rank is filled up with zeros. DoRA, whole layers and single tokens cannot be written
so, for they are no low-rank difference.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cornucopia.adapters.load import peft_names, read_weights
from cornucopia.core.errors import ModelError
from cornucopia.models.find import find_adapter

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's --max-lora-rank takes, its 1 aside
_ENDS = re.compile(r"\.lora_(A|B)\.weight$")
# A setting of adapter_config.json -> why it cannot be written plainly.
_REASONS = {
    "use_dora": "DoRA 还按列缩放权重，不是低秩的差",
    "modules_to_save": "整层一起练的（modules_to_save，如扩过词表的嵌入和输出层）不是低秩的差",
    "trainable_token_indices": "单独练了几个词元的嵌入，不是低秩的差",
    "target_parameters": "练了合在一起的专家参数，别的引擎不收",
    "alora_invocation_tokens": "aLoRA 只在一段文字之后生效",
    "megatron_config": "Megatron 的分片格式",
}


def rank_for(rank: int) -> int:
    """The smallest of vLLM's --max-lora-rank that holds a rank."""
    return next(size for size in RANKS if size >= rank)


def plain_lora(adapter: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The adapter's tensors and settings, rewritten; on a linear layer they give W + B A.

    Args:
        adapter: its folder, as PEFT or our training wrote it.

    Returns:
        Tensors by PEFT name: A (R, I) and B (O, R) with the same R everywhere; and adapter_config.json's values.

    Raises:
        ModelError: it is no LoRA, or one that cannot be written so; with the reason.
    """
    folder = find_adapter(adapter)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    weights = peft_names(read_weights(folder))
    _check(folder, config, weights)
    maps = sorted({_ENDS.sub("", name) for name in weights})
    rank = max(weights[f"{name}.lora_A.weight"].shape[0] for name in maps)
    if rank > RANKS[-1]:
        raise _refused(folder, f"秩 {rank}，最大 {RANKS[-1]}")
    made = {}
    for name in maps:
        a, b = weights[f"{name}.lora_A.weight"].float(), weights[f"{name}.lora_B.weight"].float()
        scale = _scale(name, config, a.shape[0])
        made[f"{name}.lora_A.weight"] = _filled(a, rank, 0)
        made[f"{name}.lora_B.weight"] = _filled(b * scale, rank, 1)
    return made, _settings(config, rank, maps)


def write_plain_lora(folder: Path, weights: dict[str, Any], config: dict[str, Any]) -> None:
    """Write both files of an adapter folder, which is there."""
    from safetensors.torch import save_file

    from cornucopia.core.jsonl import write_json

    save_file(weights, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    write_json(folder / "adapter_config.json", config)


def _check(folder: Path, config: dict[str, Any], weights: dict[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise _refused(folder, f"{kind} 不是 LoRA")
    reasons = [reason for name, reason in _REASONS.items() if config.get(name)]
    if config.get("lora_bias") or config.get("bias") not in (None, "none"):
        reasons.append("偏置也一起练了（lora_bias、bias）")
    other = [name for name in weights if not _ENDS.search(name)]
    reasons += [f"{other[0]} 不是 LoRA 的 A 或 B"] if other and not reasons else []
    if reasons:
        raise _refused(folder, "；".join(reasons))


def _refused(folder: Path, found: str) -> ModelError:
    fix = f"合并进基座：cornucopia export --base-model 基座 --adapter {folder} --out 目录"
    return ModelError("这个适配器不能写成普通的 LoRA", where=str(folder), found=found, fix=fix)


def _scale(name: str, config: dict[str, Any], rank: int) -> float:
    """alpha / r, or alpha / sqrt(r) for rsLoRA (arXiv:2312.03732), by PEFT's rule for patterns."""
    layer = name.removeprefix("base_model.model.")
    alpha = _patterned(layer, config.get("alpha_pattern") or {}, config["lora_alpha"])
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)


def _patterned(layer: str, pattern: dict[str, Any], default: Any) -> Any:
    """The value of the first pattern that is the end of the layer's name (a regular expression), as PEFT matches it."""
    return next((value for key, value in pattern.items() if re.match(rf"(.*\.)?({key})$", layer)), default)


def _filled(value: Any, rank: int, axis: int) -> Any:
    """A or B with its rank dimension filled up with zeros."""
    import torch

    missing = list(value.shape)
    missing[axis] = rank - value.shape[axis]
    return torch.cat([value, value.new_zeros(missing)], dim=axis).contiguous()


def _settings(config: dict[str, Any], rank: int, maps: list[str]) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": Path(config.get("base_model_name_or_path") or "").name,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": bool(config.get("fan_in_fan_out")),
        "target_modules": _targets(config, maps),
        "inference_mode": True,
    }


def _targets(config: dict[str, Any], maps: list[str]) -> list[str]:
    """Kinds of layers where every layer of a kind has its maps, else each layer by its whole name."""
    every = isinstance(config.get("target_modules"), list) and not any(
        config.get(name) for name in ("layers_to_transform", "exclude_modules")
    )
    names = {name.rsplit(".", 1)[-1] if every else name.removeprefix("base_model.model.") for name in maps}
    return sorted(names)
