"""Experiment trackers: is the named one installed, and does it start, before anything heavy is loaded.

The Trainer's own callbacks log to a run that is already open, so opening it here turns a missing login or a tracker
that does not fit this Trainer into one clear message.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError, first_line
from cornucopia.training.recipe import TrainRecipe

OFFLINE = {
    "wandb": "WANDB_MODE=offline 只记在本机，wandb login 登录",
    "swanlab": "SWANLAB_MODE=offline 只记在本机，swanlab login 登录",
}


def tracker_names(recipe: TrainRecipe) -> list[str]:
    """The trackers a recipe asks for; a W&B project asks for W&B."""
    return sorted(set(recipe.report_to) | ({"wandb"} if recipe.wandb_project else set()))


def check_trackers(recipe: TrainRecipe) -> None:
    """Refuse a tracker that is not installed.

    Raises:
        ConfigError: with the command that installs it.
    """
    for name in tracker_names(recipe):
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"没有安装 {name}", where="--report-to", fix=f"pip install {name}，或 --report-to none")


def start_trackers(recipe: TrainRecipe) -> None:
    """Open the runs of W&B and SwanLab; the others need no opening.

    Raises:
        ConfigError: the tracker refuses (no login, no network, another version).
    """
    for name in tracker_names(recipe):
        if name not in OFFLINE:
            continue
        try:
            _open(name, recipe.wandb_run_name or Path(recipe.output_dir).name, recipe.wandb_project)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a tracker may even call sys.exit when it finds no login
            fix = f"{OFFLINE[name]}，或 --report-to none"
            found = first_line(error, 160)
            raise ConfigError(f"{name} 没有启动", where="--report-to", found=found, fix=fix) from None


def _open(name: str, run: str, project: str) -> None:
    module: Any = importlib.import_module(name)
    if name == "wandb":
        module.init(project=project or os.getenv("WANDB_PROJECT") or "cornucopia", name=run)
    elif not getattr(module, "has_run", bool)():
        module.init(project=os.getenv("SWANLAB_PROJECT") or "cornucopia", experiment_name=run)
