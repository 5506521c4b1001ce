"""The form from which a run is started, made from the recipe's own settings; what it sends back is a recipe again.

A setting is offered only when no value of it can name a file: models, adapters, templates and data are picked from
lists (choices.py). A new text setting of the recipe is therefore left out until it is named here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from cornucopia.core.config import how_split
from cornucopia.core.errors import CornucopiaError
from cornucopia.core.jsonl import to_json
from cornucopia.serving.problems import Problem, refused
from cornucopia.tokens.template import TEMPLATES
from cornucopia.training.data.settings import DataSettings
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.recipe import TrainRecipe

USUAL = (
    "objective", "method", "template", "num_epochs", "max_steps", "learning_rate", "batch_size", "cutoff_len",
    "val_set_size", "lora_r", "lora_alpha", "lora_target_modules",
)  # fmt: skip
# What the board decides itself, or what asks for more than one process.
_LEFT_OUT = {
    "cards", "dry_run", "resume", "overwrite", "load_8bit", "shard", "shard_offload", "eval_generate_tokens",
    "data_path", "data_weights", "data_caps",
}  # fmt: skip
# Texts that name no file, each with what may well stand there.
_TEXTS: dict[str, tuple[str, ...]] = {
    "dtype": ("auto", "float32", "bfloat16", "float16"),
    "device": ("auto", "cpu", "cuda"),
    "lr_scheduler_type": ("linear", "cosine", "constant", "constant_with_warmup", "cosine_with_restarts", "polynomial"),
    "optim": ("adamw_torch", "adamw_torch_fused", "adafactor", "paged_adamw_32bit", "paged_adamw_8bit"),
    "lora_init": ("true", "gaussian", "pissa", "pissa_niter_16", "olora"),
    "best_metric": ("loss", "accuracy"),
    "prompt_column": (), "response_column": (), "reasoning_column": (), "system": (), "rewards": (),
    "lora_target_modules": ("all-linear", "q_proj, v_proj"), "rank_pattern": (), "alpha_pattern": (),
    "modules_to_save": (), "layers_to_transform": (), "freeze_trainable_modules": (), "freeze_extra_modules": (),
}  # fmt: skip
# Texts of which only these are taken.
_CHOICES: dict[str, tuple[str, ...]] = {
    "objective": tuple(OBJECTIVES),
    "method": tuple(METHODS),
    "template": ("chat", *sorted(path.stem for path in TEMPLATES.glob("*.json"))),
}
_NAMES = {
    name: {word: kind.about for word, kind in table.items()}
    for name, table in (("objective", OBJECTIVES), ("method", METHODS))
}
_LONGEST = 4000  # characters of a value
_KINDS = ((bool, "switch"), (int, "number"), (float, "number"))


@cache
def fields() -> dict[str, dict[str, Any]]:
    """Every setting that is offered: its kind (switch, number, choice, text), label, help, default, limits, choices."""
    found = {}
    for name, field in TrainRecipe.model_fields.items():
        kind = _kind(name, field.annotation)
        if not kind or name in _LEFT_OUT:
            continue
        label, more = _label(field.description or "")
        found[name] = {
            "name": name, "kind": kind, "label": label, "help": "" if name in _NAMES else more, "when": _when(name),
            "default": shown(field.get_default(call_default_factory=True)),
            "choices": _choices(name, field.annotation), "names": _NAMES.get(name, {}),
            "whole": field.annotation in (int, int | None), **_limits(field.metadata),
        }  # fmt: skip
    return found


def groups() -> list[dict[str, Any]]:
    """The fields in their groups: the usual ones first."""
    every = fields()
    found: dict[str, list[dict[str, Any]]] = {"常用": [every[name] for name in USUAL]}
    for name, field in every.items():
        if name not in USUAL:
            found.setdefault(_group(name, field["when"]), []).append(field)
    # After the usual ones those of the way that was chosen, then everybody's.
    order = sorted(found, key=lambda title: (title != "常用", not found[title][0]["when"]))
    return [{"title": title, "open": title == "常用", "fields": found[title]} for title in order]


def recipe_of(values: Mapping[str, Any], picked: Mapping[str, Any]) -> TrainRecipe:
    """
    Args:
        values: setting -> what was entered; as it came from outside.
        picked: settings that the server has chosen itself: base, data, folder.

    Raises:
        Problem: a setting that is not offered, or a value that does not fit.
    """
    offered = fields()
    for name, value in values.items():
        if name not in offered:
            raise Problem(400, f"表单里没有这一项：{name[:60]}", param=name[:60])
        if not isinstance(value, (str, int, float)) or len(str(value)) > _LONGEST:
            raise Problem(400, f"{name} 应是文字、数字或开关，至多 {_LONGEST} 字", param=name)
        if offered[name]["kind"] == "choice" and value not in offered[name]["choices"]:
            raise Problem(400, f"{name} 应为 {'、'.join(map(str, offered[name]['choices']))} 之一", param=name)
    try:
        return TrainRecipe.build({**values, **picked}, where="表单")
    except CornucopiaError as error:
        raise refused(error) from None


def values_of(recipe: TrainRecipe) -> dict[str, Any]:
    """What the form holds for a recipe: the offered settings that differ from their defaults."""
    return {name: shown(value) for name, value in _changed(recipe).items() if name in fields()}


def command(recipe: TrainRecipe) -> str:
    """The command line that trains the same."""
    words = ["cornucopia", "train"]
    for name, value in _changed(recipe).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list) and (not value or how_split(TrainRecipe.model_fields[name]) == "never"):
            words += [f"{flag}={item}" for item in value] or [f"{flag}=none"]
        elif isinstance(value, list):
            words += [flag, *map(str, value)]
        else:
            text = str(shown(value))
            words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return shlex.join(words)


def shown(value: Any) -> Any:
    """A value as a form's control holds it: a list with commas, a mapping in braces, nothing as ''."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return to_json(value) if value else ""
    return str(value) if isinstance(value, Path) else "" if value is None else value


def _changed(recipe: TrainRecipe) -> dict[str, Any]:
    own = {name: field.get_default(call_default_factory=True) for name, field in TrainRecipe.model_fields.items()}
    return {name: value for name, value in recipe.model_dump().items() if value != own[name]}


def _label(told: str) -> tuple[str, str]:
    """A setting's help as a label and what more there is to say; the label ends where the first clause does."""
    told = re.sub("^method [a-z]+ ", "", told)  # the form shows it only where that method is chosen
    clause = re.match("(?:（[^（）]*）|[^：；，])*", told)
    whole = clause.group() if clause else told
    label = re.sub("（[^（）]*）", "", whole)
    return label, told[len(whole) :].lstrip("：；，") if label == whole else told


def _kind(name: str, annotation: Any) -> str:
    """'' for what could name a file."""
    kinds = set(get_args(annotation)) - {type(None)} if get_args(annotation) else {annotation}
    if name in _CHOICES or get_origin(annotation) is Literal:
        return "choice"
    if name in _TEXTS:
        return "text"
    return next((told for kind, told in _KINDS if kind in kinds and kinds <= {int, float, bool}), "")


def _choices(name: str, annotation: Any) -> list[Any]:
    own = list(get_args(annotation)) if get_origin(annotation) is Literal else []
    return own or list(_CHOICES.get(name, _TEXTS.get(name, ())))


def _limits(metadata: list[Any]) -> dict[str, float]:
    names = ((Gt, "gt"), (Ge, "ge"), (Lt, "lt"), (Le, "le"))
    return {name: getattr(limit, name) for kind, name in names for limit in metadata if isinstance(limit, kind)}


def _when(name: str) -> dict[str, list[str]]:
    """The method or objectives whose own setting it is; {} for everybody's."""
    for key, table in (("method", METHODS), ("objective", OBJECTIVES)):
        own = [word for word, kind in table.items() if name in kind.Settings.model_fields]
        if own:
            return {key: own}
    return {}


def _group(name: str, when: dict[str, list[str]]) -> str:
    for key, words in when.items():
        return f"{'、'.join(words)} 的设置" if key == "method" else f"学法 {'、'.join(words)} 的设置"
    if name in DataSettings.model_fields:
        return "数据"
    return "模型与设备" if name in ("bits", "quant_type", "dtype", "device", "save_dtype") else "步数、优化与保存"
