"""By which number a checkpoint is the best one: of the objective, of one validation set, or of what is generated."""

from __future__ import annotations

from collections import defaultdict

from cornucopia.core.errors import ConfigError, nearest
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.objectives.objective import Objective
from cornucopia.training.recipe import TrainRecipe

NUMBERS = "number_accuracy"  # of eval_generate
_SMALLER = ("loss",)  # metrics that are better when smaller; all others are shares, margins and rewards


def best_metric(recipe: TrainRecipe, objective: Objective, plan: DataPlan) -> str:
    """The metric's name in the log.

    Raises:
        ConfigError: no validation gives it.
    """
    name = recipe.best_metric.removeprefix("eval_")
    own = list(objective.metrics(defaultdict(lambda: 1.0)))
    several = plan.sets if len(plan.sets) > 1 else []
    known = [*own, *(f"{part}_{metric}" for part, _ in several for metric in own)]
    known += [NUMBERS] if recipe.eval_generate else []
    if not plan.validation and (name != "loss" or recipe.early_stopping or recipe.eval_generate):
        setting = "early_stopping" if recipe.early_stopping else "best_metric"
        raise ConfigError("没有验证数据，比不出好坏", where=setting, fix="--val-set-size 0.05，或 --val-data 验证.json")
    if name not in known:
        close = nearest(name, known)
        hint = f"，最接近的是 {close}" if close else ""
        raise ConfigError("没有这个验证指标", where="best_metric", found=name, fix=f"有 {'、'.join(known)}{hint}")
    return f"eval_{name}"


def larger_is_better(name: str) -> bool:
    """Whether a metric is better when larger."""
    return not name.endswith(_SMALLER)
