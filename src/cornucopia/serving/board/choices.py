"""What a form may pick from: each a name that the page is told and what the server knows it by.

A name from outside is looked up in these tables and never becomes a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cornucopia.core.errors import CornucopiaError
from cornucopia.core.paths import project_root
from cornucopia.models.find import ADAPTER_WEIGHTS
from cornucopia.models.local import list_adapters, list_models
from cornucopia.serving.board.runs import Runs
from cornucopia.serving.problems import Problem
from cornucopia.training.recipe import TrainRecipe

_BUNDLED = ("fin_data.json", "preference.json")  # of instruction_data/, what is trained on


def bases(runs: Runs) -> dict[str, str]:
    """Name -> `base` of a recipe: the models of this disk, and what full tuning has left among the runs."""
    local = ["nano" if model.bundled else model.folder.name for model in list_models() if not model.problem]
    tuned = {
        f"runs/{name}": str(folder)
        for name, folder in runs.folders().items()
        if (folder / "config.json").is_file() and any(folder.glob("model*.safetensors"))
    }
    return dict(zip(local, local, strict=True)) | tuned


def adapters(runs: Runs) -> dict[str, str]:
    """Name -> `adapter` of a recipe: those of this disk, and those among the runs."""
    own = {
        f"runs/{name}": folder
        for name, folder in runs.folders().items()
        if (folder / "adapter_config.json").is_file() and any((folder / file).is_file() for file in ADAPTER_WEIGHTS)
    }
    known = {folder.resolve() for folder in own.values()}
    root = project_root()
    others = [adapter.folder for adapter in list_adapters() if not adapter.problem]
    named = {folder.relative_to(root).as_posix(): folder for folder in others if folder.resolve() not in known}
    return {name: str(folder) for name, folder in (own | named).items()}


def bundled_data() -> dict[str, Path]:
    """Name -> file of the data that comes with the project."""
    home = project_root() / "instruction_data"
    return {f"instruction_data/{name}": home / name for name in _BUNDLED if (home / name).is_file()}


@cache
def recipes() -> dict[str, TrainRecipe]:
    """Name -> recipe of the project's own recipes that `cornucopia train` reads."""
    found = {}
    for path in sorted((project_root() / "recipes").glob("*.yaml")):
        try:
            found[path.stem] = TrainRecipe.load(path)
        except CornucopiaError:  # another command's
            continue
    return found


def pick(name: Any, table: Mapping[str, Any], what: str) -> Any:
    """What the table holds under a name.

    Raises:
        Problem: nothing.
    """
    if not isinstance(name, str) or name not in table:
        raise Problem(400, f"没有这个{what}：{str(name)[:80]}；刷新页面再选")
    return table[name]
