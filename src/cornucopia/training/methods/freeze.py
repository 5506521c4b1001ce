"""Freeze: some blocks' own weights change, everything else stays as it is (LLaMA-Factory's and ChatGLM-Tuning's names).

Frozen tensors are written back byte for byte as the base's files have them, and the backward pass ends at the lowest
trained block, so that the blocks below it keep no activations.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, nearest
from cornucopia.models.load import Base, save_weights
from cornucopia.models.memory import MemoryEstimate, Shape, Step, estimate
from cornucopia.models.scorer import HEAD
from cornucopia.training.methods.weights import WeightsMethod

_BLOCK = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")  # as the families of Transformers name their blocks


class FreezeSettings(Config):
    """Which blocks, which of their modules, and which modules outside the blocks are trained."""

    freeze_trainable_layers: int = option(
        2,
        "method freeze 训练几个块：正数是最后几块，负数是最前几块",
        aliases=("num_layer_trainable", "num_layers_trainable"),
    )
    freeze_trainable_modules: list[str] = option(
        ["all"], "method freeze 训练块里的哪些模块，如 mlp、self_attn；all 为整块", aliases=("name_module_trainable",)
    )
    freeze_extra_modules: list[str] = option(
        [], "method freeze 另外训练块以外的哪些模块，如 norm、lm_head、embed_tokens"
    )


class Freeze(WeightsMethod):
    """freeze."""

    about = "只训几个块"
    Settings = FreezeSettings

    def apply(self, model: Any) -> Any:
        """The chosen modules in float32 and trained, the rest frozen in the type it was loaded in."""
        chosen = self._chosen([name for name, _ in model.named_parameters()])
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in chosen)
            if name in chosen:
                parameter.data = parameter.data.float()
        # Recomputing activations would switch this on and have gradients flow down to the embeddings.
        model.enable_input_require_grads = lambda: None
        return model.train()

    def finish(self, model: Any, folder: Path, base: Base) -> None:
        """The trained tensors in the type wanted; the others as the base's files have them, unless a type is given."""
        import torch

        if self.recipe.save_dtype != "auto":
            return super().finish(model, folder, base)
        trained, kept = self.trained(model), _tensors(base.path)
        once = {value.data_ptr(): name for name, value in reversed(model.state_dict().items())}  # tied ones are one
        state = {
            name: value.to(self.stored_dtype()) if name in trained else kept.get(name, value)
            for name, value in model.state_dict().items()
            if once[value.data_ptr()] == name
        }
        model.config.dtype = next((value.dtype for value in kept.values()), torch.float32)
        save_weights(model, folder, state_dict=state)

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """The trained blocks as in full training, the frozen ones as weights alone."""
        count = min(abs(self.recipe.freeze_trainable_layers), shape.layers)
        first, extra = self.recipe.freeze_trainable_layers < 0, self.recipe.freeze_extra_modules
        reaches = shape.layers if first or "embed_tokens" in extra else max(count, 1)
        whole = estimate(replace(shape, layers=reaches), replace(step, full=True))
        block = (shape.quantisable // shape.layers) * count if shape.layers else 0
        tables = sum(shape.vocabulary * shape.hidden for name in ("embed_tokens", "lm_head") if name in extra)
        trained = block + tables
        return replace(
            whole,
            weights=(shape.parameters - trained) * step.compute_bytes + 4 * trained,
            gradients=4 * trained,
            optimizer=8 * trained,
        )

    def _chosen(self, names: list[str]) -> set[str]:
        """Names of the parameters that are trained.

        Raises:
            ConfigError: no such blocks or modules.
        """
        block_of = {name: int(found[1]) for name in names if (found := _BLOCK.search(name))}
        blocks, count = max(block_of.values(), default=-1) + 1, self.recipe.freeze_trainable_layers
        if not 1 <= abs(count) <= blocks:
            raise ConfigError(
                "没有这么多块可训", where=f"freeze_trainable_layers {count}", found=f"模型有 {blocks} 块",
                fix=f"给 1 到 {blocks}（负数从最前面数起）",
            )  # fmt: skip
        wanted = range(blocks - count, blocks) if count > 0 else range(-count)
        inside = {name: _BLOCK.split(name, 1)[-1].split(".")[:-1] for name in block_of}
        outside = {name: name.split(".")[:-1] for name in names if name not in block_of}
        modules, extra = self.recipe.freeze_trainable_modules, self.recipe.freeze_extra_modules
        if modules != ["all"]:
            _check(modules, inside, "freeze_trainable_modules", "all")
        _check(extra, outside, "freeze_extra_modules", "")
        chosen = {
            name for name, parts in inside.items()
            if block_of[name] in wanted and (modules == ["all"] or set(modules) & set(parts))
        }  # fmt: skip
        head = {HEAD, *extra}  # a reward model's head is new, and always trained
        return chosen | {name for name, parts in outside.items() if head & set(parts)}


def _check(wanted: list[str], parts: dict[str, list[str]], setting: str, else_: str) -> None:
    """Refuse a module that is not there."""
    present = sorted({part for names in parts.values() for part in names})
    missing = next((name for name in wanted if name not in present), None)
    if missing is not None:
        close = nearest(missing, present) or else_
        fix = f"最接近的是 {close}" if close else ""
        raise ConfigError("模型里没有这个模块", where=f"{setting} {missing}", found=f"有 {'、'.join(present)}", fix=fix)


def _tensors(folder: Path) -> dict[str, Any]:
    """The tensors of a model folder's safetensors files; empty for one that is stored otherwise."""
    from safetensors.torch import load_file

    tensors: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(str(file))
    return tensors
