"""What a plan needs of a model whose weights are not here: its shape, its modules, a tokenizer to count with."""

from __future__ import annotations

import json
from pathlib import Path

from cornucopia.core.console import warn
from cornucopia.core.errors import ModelError
from cornucopia.core.paths import bundled_model
from cornucopia.models.catalogue import find
from cornucopia.models.scorer import scorer_class
from cornucopia.models.spec import ResolvedModel, resolve
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.recipe import TrainRecipe

_VOCABULARY = 151_936  # of the catalogue's models, roughly


def rehearse(recipe: TrainRecipe, scratch: Path) -> ResolvedModel:
    """The recipe's model as far as a plan needs it; what is missing is told and stood in for.

    Args:
        recipe: its base may be a folder with config.json alone, or a name of the catalogue that is not on this disk.
        scratch: an empty folder.

    Raises:
        ModelError: neither here nor in the catalogue with its size.
    """
    spec = recipe.spec()
    try:
        resolved = resolve(spec)
    except ModelError:
        entry = find(recipe.base.removeprefix("base_models/"))
        if entry is None or not (entry.config or entry.parameters):
            raise
        known = "记的" if entry.config else f"里的参数量（{entry.parameters:g} B）估计"
        warn(f"{entry.name} 不在本地：形状按目录{known}，下载后以 config.json 为准")
        config = entry.config or _config((entry.parameters or 0) * 1e9)
        (scratch / "config.json").write_text(json.dumps(config), encoding="utf-8")
        resolved = resolve(spec.model_copy(update={"base": str(scratch), "revision": None}))
    try:
        resolved.tokenizer  # noqa: B018  read here, so that its absence is met here
    except ModelError:
        warn("没有它的分词器：词元数按 nano 的分词器估计")
        if spec.template in (None, "chat"):
            resolved.spec = resolved.spec.model_copy(update={"template": "fin_template"})
        resolved.tokenizer = load_tokenizer(bundled_model())
    return resolved


def trained_parameters(recipe: TrainRecipe, folder: Path) -> tuple[int, int] | None:
    """Parameters that change, and all, counted on the model without weights; None where it cannot be built so.

    Raises:
        ConfigError: a setting of the method names what the model does not have.
        ModelError: the objective needs a reward model, which this family has not.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            if OBJECTIVES[recipe.objective].scores:
                config.num_labels = 1
                model = scorer_class(config).from_config(config, trust_remote_code=False)
            else:
                model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (ValueError, KeyError, OSError, RuntimeError, ImportError, TypeError, AttributeError, NotImplementedError):
        return None  # loading it tells why
    every = sum(parameter.numel() for parameter in model.parameters())
    method = METHODS[recipe.method](recipe)
    return sum(parameter.numel() for parameter in method.trained(method.apply(model)).values()), every


def _config(parameters: float) -> dict[str, object]:
    """A LLaMA of so many parameters, as deep and wide as such models are: one block for each 128 of width."""
    hidden = 128
    while 12.5 * (hidden // 128) * hidden**2 + 2 * _VOCABULARY * hidden < parameters:
        hidden += 128
    return {
        "model_type": "llama", "hidden_size": hidden, "num_hidden_layers": hidden // 128,
        "num_attention_heads": hidden // 128, "num_key_value_heads": hidden // 128,
        "intermediate_size": int(2.8 * hidden) // 64 * 64, "vocab_size": _VOCABULARY,
    }  # fmt: skip
