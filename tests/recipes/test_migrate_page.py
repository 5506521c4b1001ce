"""docs/migrate.md: every option and recipe that it names is there."""

from __future__ import annotations

import re

import pytest

from cornucopia.core.paths import project_root
from cornucopia.export.run import ExportOptions
from cornucopia.models.vocabulary.extend import ExtendOptions
from cornucopia.training.recipe import TrainRecipe

PAGE = (project_root() / "docs/migrate.md").read_text(encoding="utf-8")
OURS = [line.split("|")[2] for line in PAGE.splitlines() if line.startswith("|") and "---" not in line]


@pytest.mark.parametrize("cell", [cell for cell in OURS if "--" in cell])
def test_options_are_known(cell):
    kind = ExportOptions if "export" in cell else ExtendOptions if "vocab" in cell else TrainRecipe
    names = set(kind.alias_map())
    for flag in re.findall(r"--([a-zA-Z][\w-]*)", cell):
        name = flag.replace("-", "_")
        assert name in names or name.removeprefix("no_") in names, flag


def test_recipes_are_there():
    for name in re.findall(r"recipes/[\w-]+\.yaml", PAGE):
        assert (project_root() / name).is_file(), name
