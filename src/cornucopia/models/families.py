"""What differs between model families: which run without code of their own, names of the linear maps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError, ModelError, nearest

NOT_NATIVE = {
    "chatglm": "ChatGLM 1 到 3 代的代码只能在 transformers 4.27 到 4.33 上运行；"
    "改用 GLM-4 的 -hf 版本，或把它部署成 OpenAI 兼容服务再 compare",
    "baichuan": "Baichuan 需要运行仓库自带代码；改用 Qwen2.5 等原生支持的模型，或部署成 OpenAI 兼容服务",
    "moss": "MOSS 需要运行仓库自带代码；部署成 OpenAI 兼容服务后可用于 compare",
    "qwen": "Qwen 第一代需要运行仓库自带代码；改用 Qwen2.5 或 Qwen3",
    "internlm": "InternLM 第一代需要运行仓库自带代码；改用 InternLM3",
    "internlm2": "InternLM2 需要运行仓库自带代码；改用 InternLM3",
    "minicpm": "MiniCPM 1 和 2 需要运行仓库自带代码；改用 MiniCPM3 或 Qwen3",
}


def read_config(folder: str | Path) -> dict[str, Any]:
    """A model folder's config.json.

    Raises:
        ModelError: if it is damaged, or the model needs code of its own.
    """
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            "config.json 不是合格的 JSON", where=str(path), found=str(error), fix="重新下载这个文件"
        ) from None
    if not isinstance(config, dict) or not config.get("model_type"):
        raise ModelError("config.json 里没有 model_type", where=str(path), fix="重新下载这个文件")
    kind = str(config["model_type"]).lower()
    if kind in NOT_NATIVE:
        raise ModelError(
            "这个模型要运行它自带的代码，本项目默认不运行外来代码", where=str(folder), found=kind, fix=NOT_NATIVE[kind]
        )
    return config


def lora_targets(model: Any, wanted: list[str]) -> list[str] | str:
    """The module names LoRA goes on, checked against the model.

    Args:
        model: a loaded causal language model.
        wanted: names such as q_proj, or ["all-linear"].

    Returns:
        The names, or "all-linear" (which PEFT expands to every linear map but the output layer).

    Raises:
        ConfigError: when a name is not in the model, with the names that are.
    """
    if wanted == ["all-linear"]:
        return "all-linear"
    linear = sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if hasattr(module, "weight") and "Linear" in type(module).__name__
        }
    )
    present = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    missing = [name for name in wanted if name not in present]
    if not missing:
        return wanted
    if wanted == ["q_proj", "v_proj"]:
        # The original's default names LLaMA's maps; other families fuse or rename them.
        for names in (
            ["query_key_value"], ["qkv_proj"], ["c_attn"], ["q_proj", "kv_b_proj"], ["q_b_proj", "kv_b_proj"],
        ):  # fmt: skip
            if all(name in present for name in names):
                return names
    close = nearest(missing[0], linear)
    raise ConfigError(
        "模型里没有这个层",
        where=f"--lora-target-modules {missing[0]}",
        found=f"有 {'、'.join(linear)}",
        fix=f"最接近的是 {close}；或写 all-linear" if close else "写 all-linear",
    )


def fused_experts(model: Any) -> dict[str, int]:
    """Frozen weights of experts that one tensor holds for all of them, by their place in a block: how many numbers.

    Args:
        model: with its adapter on; such a tensor is no linear map, so that all-linear passes over it.
    """
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.dim() == 3 and not parameter.requires_grad and "expert" in name:
            place = re.split(r"\.\d+\.", name)[-1]
            found[place] = found.get(place, 0) + parameter.numel()
    return found
