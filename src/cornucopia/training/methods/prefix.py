"""Prefix tuning, or P-Tuning v2 (Liu et al. 2021, arXiv:2110.07602): learnt keys and values before every block's own.

The names are ChatGLM-6B's. Only the prefix is trained and saved; with a projection a two-layer network makes it during
training and its result is what is saved.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, first_line
from cornucopia.models.load import Base
from cornucopia.models.memory import MemoryEstimate, Shape, Step, estimate
from cornucopia.models.scorer import HEAD, is_scorer
from cornucopia.training.methods.adapter import AdapterMethod, task_of

ENCODER = "prefix_encoder.safetensors"  # of a checkpoint: what makes the prefix, which the adapter alone does not tell


class PrefixSettings(Config):
    """Length of the prefix, and whether a network makes it."""

    pre_seq_len: int = option(128, "method prefix 学几个虚拟词元", aliases=("num_virtual_tokens",), gt=0)
    prefix_projection: bool = option(False, "method prefix 由一个两层网络算出虚拟词元；只在训练时用，成品里没有它")
    prefix_hidden: int | None = option(
        None, "prefix_projection 的网络的中间宽度；默认同基座", aliases=("encoder_hidden_size",), gt=0
    )


class Prefix(AdapterMethod):
    """prefix."""

    about = "只训每层前面的虚拟词元（P-Tuning v2）"
    Settings = PrefixSettings
    packs = False  # the prefix stands before a row, not before each document in it
    refers = False  # its start is a prefix drawn by chance, not the base
    recomputes = False  # the blocks of Transformers drop given keys and values when they are computed anew

    def begin_from(self, adapter: Path) -> dict[str, Any]:
        """The prefix's length; it is trained further itself, without the network that made it."""
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        kind = str(config.get("peft_type", "LORA")).upper()
        if kind != "PREFIX_TUNING":
            raise ConfigError(
                "起点不是 prefix 适配器", where=str(adapter), found=kind, fix="换一个，或改用 --method lora"
            )
        return {"pre_seq_len": config["num_virtual_tokens"], "prefix_projection": False, "prefix_hidden": None}

    def apply(self, model: Any) -> Any:
        """The model with a new prefix in float32, all its own weights frozen.

        Raises:
            ConfigError: the family's attention has no room for it.
        """
        from peft import PrefixTuningConfig, get_peft_model

        recipe = self.recipe
        config = PrefixTuningConfig(
            task_type=task_of(model),
            num_virtual_tokens=recipe.pre_seq_len,
            prefix_projection=recipe.prefix_projection,
            encoder_hidden_size=recipe.prefix_hidden or model.config.get_text_config().hidden_size,
        )
        made = get_peft_model(model, config)
        made.prompt_encoder.float()
        if not is_scorer(
            model
        ):  # PEFT asks a classifier for a cache by a name it does not have; ours puts it in itself
            _try(made.eval())
        return made.train()

    def save(self, model: Any, folder: Path) -> None:
        """The prefix as an adapter, and what makes it."""
        from safetensors.torch import save_file

        super().save(model, folder)
        save_file({name: value.contiguous() for name, value in _made_of(model).items()}, str(folder / ENCODER))

    def load(self, model: Any, folder: Path) -> None:
        """What makes the prefix."""
        import torch
        from safetensors.torch import load_file

        places = _made_of(model)
        with torch.no_grad():
            for name, value in load_file(str(folder / ENCODER)).items():
                places[name].copy_(value)

    def finish(self, model: Any, folder: Path, base: Base) -> None:
        """The prefix alone."""
        super().save(model, folder)

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """Frozen weights; the prefix's keys and values in each row, once by themselves and once joined to the row's."""
        recipe = self.recipe
        made = 2 * shape.layers * shape.kv  # numbers of one virtual token
        width = recipe.prefix_hidden or shape.hidden
        network = recipe.pre_seq_len * shape.kv + (shape.kv + 1) * width + (width + 1) * made
        trained = network if recipe.prefix_projection else recipe.pre_seq_len * made
        plain = estimate(shape, replace(step, targets=(), dropout=False, packed=False))
        return replace(
            plain,
            weights=plain.weights + 4 * trained,
            gradients=4 * trained,
            optimizer=8 * trained,
            activations=plain.activations + 2 * recipe.micro * recipe.pre_seq_len * made * step.compute_bytes,
        )


def _try(model: Any) -> None:
    """Two tokens through the model: PEFT makes keys and values of one shape, which not every attention has."""
    import torch

    try:
        with torch.no_grad():
            model(input_ids=torch.zeros(1, 2, dtype=torch.long, device=next(model.parameters()).device))
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise ConfigError(
            "这个系列的注意力接不上前缀（键和值的形状不同，或不是普通的注意力）", where="method prefix",
            found=f"{model.config.model_type}：{first_line(error, 120)}", fix="--method lora",
        ) from None  # fmt: skip


def _made_of(model: Any) -> dict[str, Any]:
    """All that is trained: what makes the prefix, and of a reward model the head."""
    parts = dict(model.prompt_encoder["default"].state_dict())
    if is_scorer(model):
        parts["head"] = next(p for p in getattr(model.get_base_model(), HEAD).parameters() if p.requires_grad)
    return parts
