"""What a run leaves: the adapter or model, its metadata, its result, its loss curve."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cornucopia.core.jsonl import write_text
from cornucopia.models.load import Base
from cornucopia.models.memory import read_shape
from cornucopia.models.meta import ModelMeta, library_versions, write_meta
from cornucopia.tokens.segments import Template
from cornucopia.tokens.template import PromptTemplate
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.methods.method import Method
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.output import STAGING, move_in

# What a model folder needs beside its weights and config.json.
_COMPANIONS = (
    "tokenizer*",
    "*tokens*.json",
    "vocab.json",
    "merges.txt",
    "chat_template*.jinja",
    "generation_config.json",
)


def save(output: Path, model: Any, method: Method, base: Base, meta: ModelMeta, card: str) -> None:
    """Write the result in a folder beside and move it in file by file: a kill leaves whole files."""
    from cornucopia.training.run.fast import slow_down

    slow_down(model)
    staging = output / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    model.config.use_cache = True
    method.finish(model, staging, base)
    if method.leaves == "model":
        copy_companions(base.path, staging)
    write_meta(staging, meta)
    write_text(staging / "README.md", card)
    move_in(staging, output)


def copy_companions(base: Path, folder: Path) -> None:
    """What makes a folder of weights a model: the base's tokenizer and chat template."""
    for pattern in _COMPANIONS:
        for file in base.glob(pattern):
            shutil.copy(file, folder / file.name)


def make_meta(
    recipe: TrainRecipe, template: Template, folder: Path, plan: DataPlan, base_fingerprint: Any
) -> ModelMeta:
    """What an adapter says of itself: template, base, data, recipe, versions."""
    text = template.text if isinstance(template, PromptTemplate) else None
    return ModelMeta(
        template=template.name,
        template_text=text,
        base=recipe.base,
        base_fingerprint=str(base_fingerprint),
        vocab_size=read_shape(folder).vocabulary,
        data_fingerprint=plan.fingerprint,
        recipe=recipe.model_dump(mode="json"),
        versions=library_versions(),
    )


def summary(trainer: Any, seconds: float, plan: DataPlan) -> dict[str, Any]:
    """The result, as in train_result.json: steps, losses, seconds, tokens."""
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    evals = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    tokens = trainer.state.num_input_tokens_seen
    return {
        "steps": trainer.state.global_step,
        "loss_first": losses[0] if losses else None,
        "loss_last": losses[-1] if losses else None,
        "eval_loss_best": min(evals) if evals else None,
        **_metrics(trainer),
        "tokens": tokens,
        "seconds": round(seconds, 2),
        "trained_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "rejects": len(plan.rejects),
    }


def _metrics(trainer: Any) -> dict[str, Any]:
    """Which checkpoint was the best and by what, and what the validation there found, set by set."""
    rows = [row for row in trainer.state.log_history if "eval_loss" in row]
    if not rows:
        return {}
    best = next((row for row in rows if row["step"] == trainer.state.best_global_step), rows[-1])
    found = {name.removeprefix("eval_"): value for name, value in best.items() if name.startswith("eval_")}
    return {"best_metric": trainer.args.metric_for_best_model, "best_step": best["step"], "best": found}


def as_yaml(recipe: TrainRecipe) -> str:
    """The recipe as a file that `cornucopia train` reads."""
    import yaml

    return yaml.safe_dump(recipe.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
