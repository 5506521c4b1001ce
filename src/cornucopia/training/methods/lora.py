"""LoRA (Hu et al. 2021, arXiv:2106.09685): low-rank maps beside frozen linear ones are trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError
from cornucopia.models.families import lora_targets
from cornucopia.models.memory import MemoryEstimate, Shape, Step, estimate
from cornucopia.training.methods.adapter import AdapterMethod


class LoraSettings(Config):
    """Rank, scale, dropout and place of the low-rank maps."""

    lora_r: int = option(8, "LoRA 秩", aliases=("lora_rank", "rank"), gt=0)
    lora_alpha: int = option(16, "LoRA 缩放系数 alpha", gt=0)
    lora_dropout: float = option(0.05, "LoRA 丢弃率", ge=0, lt=1)
    lora_target_modules: list[str] = option(
        ["q_proj", "v_proj"], "给哪些层加 LoRA；all-linear 为全部线性层", aliases=("target_modules", "lora_target")
    )


class Lora(AdapterMethod):
    """lora."""

    about = "只训低秩适配器"
    Settings = LoraSettings

    def begin_from(self, adapter: Path) -> dict[str, Any]:
        """The adapter's own rank, scale, dropout and places."""
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        if str(config.get("peft_type", "LORA")).upper() != "LORA":
            found, fix = str(config["peft_type"]), "换一个 LoRA 适配器作起点"
            raise ConfigError("起点不是 LoRA 适配器", where=str(adapter), found=found, fix=fix)
        targets = config.get("target_modules") or []
        return {
            "lora_r": config.get("r", self.recipe.lora_r),
            "lora_alpha": config.get("lora_alpha", self.recipe.lora_alpha),
            "lora_dropout": config.get("lora_dropout", self.recipe.lora_dropout),
            "lora_target_modules": sorted([targets] if isinstance(targets, str) else targets),
        }

    def apply(self, model: Any) -> Any:
        """The model with LoRA on the chosen linear maps."""
        from peft import LoraConfig, get_peft_model

        self.prepare(model)
        config = LoraConfig(
            r=self.recipe.lora_r,
            lora_alpha=self.recipe.lora_alpha,
            lora_dropout=self.recipe.lora_dropout,
            bias="none",
            task_type="CAUSAL_LM",
            target_modules=lora_targets(model, self.recipe.lora_target_modules),
        )
        return get_peft_model(model, config)

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """Frozen weights, and the maps' with their gradients and moments."""
        targets, dropout = tuple(self.recipe.lora_target_modules), self.recipe.lora_dropout > 0
        return estimate(shape, replace(step, targets=targets, rank=self.recipe.lora_r, dropout=dropout))
