"""LoRA (Hu et al. 2021, arXiv:2106.09685) and its kin: low-rank maps beside frozen linear ones are trained.

rsLoRA (Kalajdzievski 2023, arXiv:2312.03732) scales by alpha / sqrt(r); DoRA (Liu et al. 2024, arXiv:2402.09353) trains
each output's length too; LoRA+ (Hayou et al. 2024, arXiv:2402.12354) gives B a learning rate of its own; PiSSA (Meng
et al. 2024, arXiv:2404.02948) and OLoRA (Büyükakyüz 2024, arXiv:2406.01775) start from parts of the weights.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornucopia.core.console import say
from cornucopia.core.errors import ConfigError, nearest
from cornucopia.models.families import fused_experts, lora_targets
from cornucopia.models.load import Base
from cornucopia.models.memory import LLAMA_MAPS, MemoryEstimate, Shape, Step, estimate, lora_parameters, map_sizes
from cornucopia.training.methods import lora_start
from cornucopia.training.methods.adapter import AdapterMethod, task_of
from cornucopia.training.methods.lora_settings import LoraSettings, starts_from_weights
from cornucopia.training.methods.whole_modules import check_whole, in_float32

_HEADS = ("classifier", "score")  # which PEFT itself adds to a reward model's modules_to_save
_KEPT = {  # settings: PEFT's name of what a finished adapter decides
    "lora_r": "r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "use_rslora": "use_rslora",
    "use_dora": "use_dora", "rank_pattern": "rank_pattern", "alpha_pattern": "alpha_pattern",
    "modules_to_save": "modules_to_save", "layers_to_transform": "layers_to_transform",
}  # fmt: skip


class Lora(AdapterMethod):
    """lora."""

    about = "只训低秩适配器"
    Settings = LoraSettings

    def __init__(self, recipe: Any) -> None:
        """Raises ConfigError where the start needs weights that are not quantised."""
        super().__init__(recipe)
        self._first: dict[str, Any] = {}  # A and B at the start, where they come from the base's weights
        if recipe.base_bits and starts_from_weights(recipe):
            raise ConfigError(
                f"lora_init {recipe.lora_init} 要从没有量化的权重里分出一部分", where="lora_init",
                found=f"bits {recipe.base_bits}", fix="去掉 bits，或用 lora_init: true",
            )  # fmt: skip

    def begin_from(self, adapter: Path) -> dict[str, Any]:
        """The adapter's own rank, scale, dropout, kind and places; its values are the start, not lora_init's."""
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        if str(config.get("peft_type", "LORA")).upper() != "LORA":
            found, fix = str(config["peft_type"]), "换一个 LoRA 适配器作起点"
            raise ConfigError("起点不是 LoRA 适配器", where=str(adapter), found=found, fix=fix)
        fields, targets = LoraSettings.model_fields, config.get("target_modules") or []
        layers = config.get("layers_to_transform")
        if isinstance(layers, int):
            config["layers_to_transform"] = [layers]
        own = {
            name: fields[name].get_default(call_default_factory=True) if config[key] is None else config[key]
            for name, key in _KEPT.items()
            if key in config
        }
        own["modules_to_save"] = [name for name in own.get("modules_to_save", []) if name not in _HEADS]
        places = sorted([targets] if isinstance(targets, str) else targets)
        return own | {"lora_init": "true", "lora_target_modules": places}

    def apply(self, model: Any) -> Any:
        """The model with LoRA on the chosen linear maps."""
        from peft import LoraConfig, get_peft_model

        recipe = self.recipe
        _check_layers(recipe.layers_to_transform, model)
        check_whole(model, recipe.modules_to_save)
        self.prepare(model)
        start: Any = {"true": True}.get(recipe.lora_init, recipe.lora_init)
        config = LoraConfig(
            r=recipe.lora_r,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            bias="none",
            task_type=task_of(model),
            target_modules=self._places(model),
            use_rslora=recipe.use_rslora,
            use_dora=recipe.use_dora,
            init_lora_weights=True if next(model.parameters()).is_meta else start,
            rank_pattern=dict(recipe.rank_pattern),
            alpha_pattern=dict(recipe.alpha_pattern),
            modules_to_save=list(recipe.modules_to_save) or None,
            layers_to_transform=list(recipe.layers_to_transform) or None,
        )
        made = get_peft_model(model, config)
        _check_patterns(recipe, made)
        if next(made.parameters()).is_meta:  # once, when the plan is made
            _tell_experts(made)
        if starts_from_weights(recipe):
            self._first = lora_start.low_rank_maps(made)
        return in_float32(made)

    def apply_start(self, base: Base, adapter: Path) -> Any:
        """The base with the adapter, trained further."""
        return in_float32(super().apply_start(base, adapter))

    def rate(self, name: str) -> float:
        """LoRA+: B learns faster by a factor."""
        return self.recipe.lora_plus_ratio if ".lora_B." in name else 1.0

    def save(self, model: Any, folder: Path) -> None:
        """The adapter; one that started from the base's weights as the difference to its start, for the whole base."""
        super().save(model, folder)
        if self._first:
            lora_start.write_difference(folder, self._first)

    def load(self, model: Any, folder: Path) -> None:
        """The adapter's weights, or of a difference the trained half of it."""
        from peft import set_peft_model_state_dict

        from cornucopia.adapters.load import read_weights

        weights = read_weights(folder)
        weights = lora_start.trained_half(weights, self._first) if self._first else weights
        set_peft_model_state_dict(model, weights, adapter_name="default")

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """Frozen weights, and the maps' and whole modules' with their gradients and moments."""
        recipe = self.recipe
        targets = tuple(recipe.lora_target_modules)
        plain = estimate(shape, replace(step, targets=targets, rank=recipe.lora_r, dropout=recipe.lora_dropout > 0))
        low = self._low_rank(shape)
        tables = sum(shape.vocabulary * shape.hidden for name in recipe.modules_to_save if name in _TABLES)
        trained = low + tables
        more = (4 * low if starts_from_weights(recipe) else 0) + 4 * trained - plain.gradients
        return replace(
            plain,
            weights=plain.weights + more,
            gradients=4 * trained,
            optimizer=8 * trained,
            activations=plain.activations + (self._lengths(shape, step) if recipe.use_dora else 0),
        )

    def _places(self, model: Any) -> list[str] | str:
        """Where LoRA goes; by name where only some blocks have it, for which PEFT's all-linear is no help."""
        places = lora_targets(model, self.recipe.lora_target_modules)
        if places != "all-linear" or not self.recipe.layers_to_transform:
            return places
        names = (name for name, module in model.named_modules() if "Linear" in type(module).__name__)
        return sorted({name.rsplit(".", 1)[-1] for name in names if re.search(r"\.\d+\.", name)})

    def _low_rank(self, shape: Shape) -> int:
        """Trained parameters of the maps, by rank_pattern and layers_to_transform."""
        recipe, one = self.recipe, replace(shape, layers=1)
        total = 0
        for layer in recipe.layers_to_transform or range(shape.layers):
            for target in self._targets():
                place = "mlp" if target in ("gate_proj", "up_proj", "down_proj") else "self_attn"
                rank = _by_pattern(recipe.rank_pattern, f"model.layers.{layer}.{place}.{target}", recipe.lora_r)
                total += lora_parameters(one, rank, [target])
                total += map_sizes(shape, target)[1] if recipe.use_dora else 0
        return total

    def _lengths(self, shape: Shape, step: Step) -> int:
        """Activations that DoRA keeps beside LoRA's: of each map its input and two outputs; one whole product B A."""
        sizes = [map_sizes(shape, target) for target in self._targets()]
        layers = 1 if step.checkpointing else len(self.recipe.layers_to_transform) or shape.layers
        kept = step.tokens * layers * sum(inputs + 2 * outputs for inputs, outputs in sizes)
        return step.compute_bytes * (kept + max(inputs * outputs for inputs, outputs in sizes))

    def _targets(self) -> list[str]:
        wanted = self.recipe.lora_target_modules
        return list(LLAMA_MAPS) if "all-linear" in wanted else wanted


_TABLES = ("embed_tokens", "lm_head", "wte", "word_embeddings")


def _by_pattern(pattern: dict[str, Any], name: str, otherwise: Any) -> Any:
    """The first entry whose key is the end of the name, as PEFT reads it: keys are regular expressions."""
    return next((value for key, value in pattern.items() if re.match(rf"(.*\.)?({key})$", name)), otherwise)


def _check_layers(layers: list[int], model: Any) -> None:
    """Refuse a block that is not there."""
    count = model.config.get_text_config().num_hidden_layers
    wrong = [layer for layer in layers if not 0 <= layer < count]
    if wrong:
        raise ConfigError(
            "模型里没有这一块", where=f"layers_to_transform {wrong[0]}", found=f"模型有 {count} 块",
            fix=f"给 0 到 {count - 1}",
        )  # fmt: skip


def _tell_experts(model: Any) -> None:
    """Name what all-linear may be taken to include."""
    found = fused_experts(model)
    if found:
        share = sum(found.values()) / sum(parameter.numel() for parameter in model.parameters())
        names = "、".join(sorted(found))
        say(f"几个专家的权重合成一个张量，不加 LoRA，保持不变：{names}（占 {share:.0%}）；要训它们用 full 或 freeze")


def _check_patterns(recipe: Any, model: Any) -> None:
    """Refuse a pattern that no map with LoRA has: PEFT would pass over it."""
    places = [name for name, module in model.get_base_model().named_modules() if hasattr(module, "lora_A")]
    for setting in ("rank_pattern", "alpha_pattern"):
        for key in getattr(recipe, setting):
            if not any(re.match(rf"(.*\.)?({key})$", place) for place in places):
                close = nearest(key, {place.rsplit(".", 1)[-1] for place in places})
                raise ConfigError(
                    "没有一个加了 LoRA 的层合这个名字", where=f"{setting} {key}", found=f"如 {places[0]}",
                    fix=f"最接近的是 {close}" if close else "",
                )  # fmt: skip
