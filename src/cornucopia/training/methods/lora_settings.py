"""Settings of LoRA and its kin, under PEFT's and LLaMA-Factory's names."""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import field_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import nearest

_STARTS = ("true", "gaussian", "pissa", "pissa_niter_16", "olora")
_LOFTQ = (
    "不支持 loftq：PEFT 的 LoftQ 会把基座换成它自己的近似，适配器只配那份改过的基座，换回原来的或 bits 4 的就不对；"
    "要省内存用 bits: 4 加 lora_init: true，要更好的起点用 pissa 或 olora"
)


class LoraSettings(Config):
    """Rank, scale, dropout, place and kind of the low-rank maps."""

    lora_r: int = option(8, "LoRA 秩", aliases=("lora_rank", "rank"), gt=0)
    lora_alpha: int | float = option(16, "LoRA 缩放系数 alpha", gt=0)
    lora_dropout: float = option(0.05, "LoRA 丢弃率", ge=0, lt=1)
    lora_target_modules: list[str] = option(
        ["q_proj", "v_proj"], "给哪些层加 LoRA；all-linear 为全部线性层", aliases=("target_modules", "lora_target")
    )
    use_rslora: bool = option(False, "rsLoRA：缩放改为 alpha/√秩，秩大时更稳")
    use_dora: bool = option(False, "DoRA：另训每个输出的长度；慢一些")
    lora_init: str = option(
        "true",
        "LoRA 的起点：true、gaussian、pissa、pissa_niter_N（近似，快）、olora；成品都能直接装在原来的基座上",
        aliases=("init_lora_weights",),
    )
    lora_plus_ratio: float = option(
        1.0, "LoRA+：B 的学习率是 A 的几倍，论文用 16；1 为不用", aliases=("loraplus_lr_ratio",), gt=0
    )
    rank_pattern: dict[str, int] = option({}, "个别层的秩，如 {q_proj: 16}；键是层名的结尾或正则")
    alpha_pattern: dict[str, int | float] = option({}, "个别层的 alpha，写法同 rank_pattern")
    modules_to_save: list[str] = option(
        [], "另外整个训练并随适配器存下的模块，如 embed_tokens、lm_head", aliases=("additional_target",)
    )
    layers_to_transform: list[int] = option([], "只给这几块加 LoRA，从 0 数起；不给为全部")

    @field_validator("lora_init", mode="before")
    @classmethod
    def _known_start(cls, value: Any) -> Any:
        name = str(value).lower() if isinstance(value, (str, bool)) else value
        if not isinstance(name, str) or name in _STARTS or re.fullmatch(r"pissa_niter_[1-9]\d{0,2}", name):
            return name
        if name == "loftq":
            raise ValueError(_LOFTQ)
        close = nearest(name, _STARTS)
        raise ValueError(f"应为 {'、'.join(_STARTS)} 之一{f'，最接近的是 {close}' if close else ''}")

    @field_validator("rank_pattern", "alpha_pattern", mode="before")
    @classmethod
    def _typed_mapping(cls, value: Any) -> Any:
        """A mapping typed on the command line is YAML: {q_proj: 16}."""
        if not isinstance(value, str):
            return value or {}
        try:
            return yaml.safe_load(value) or {}
        except yaml.YAMLError:
            return value

    @field_validator("rank_pattern", "alpha_pattern")
    @classmethod
    def _usable(cls, pattern: dict[str, Any]) -> dict[str, Any]:
        for key, value in pattern.items():
            if value <= 0:
                raise ValueError(f"{key} 应大于 0")
            try:
                re.compile(key)
            except re.error:
                raise ValueError(f"{key} 不是合格的正则表达式") from None
        return pattern


def starts_from_weights(recipe: Any) -> bool:
    """Whether the start is taken out of the base's weights, which training then finds changed."""
    return recipe.lora_init.startswith(("pissa", "olora"))
