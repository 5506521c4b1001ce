"""Every recipe opens with the command that runs it, and that command's Config reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from cornucopia.cli.eval import EvalOptions
from cornucopia.comparison.recipe import CompareRecipe, check
from cornucopia.core.errors import CornucopiaError
from cornucopia.evaluation.run import chosen_tasks
from cornucopia.factory.recipe import DataRecipe
from cornucopia.models.catalogue import find
from cornucopia.serving.settings import ServeSettings
from cornucopia.tokens.template import resolve_template
from cornucopia.training.recipe import TrainRecipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.y*ml"))
CONFIGS = {
    "eval": EvalOptions,
    "train": TrainRecipe,
    "compare": CompareRecipe,
    "data build": DataRecipe,
    "serve": ServeSettings,
}
COMMAND = re.compile(r"# 运行：cornucopia (data \w+|\w+) (recipes/[\w./-]+)")
SHARED = "../shared/"  # public data beside the checkout, which need not be there
PROMISED = {"finance-20k", "quickstart", "quickstart-compare", "compare", "llama-7b-24g", "qwen-7b-24g", "cpu-laptop"}


def command_of(path: Path) -> str:
    """The command named in the first line, which names the file itself too."""
    found = COMMAND.match(path.read_text(encoding="utf-8").splitlines()[0])
    assert found, f"{path.name} does not begin with「# 运行：cornucopia ...」"
    assert found[2] == path.relative_to(ROOT).as_posix()
    return found[1]


def made_by_running(name: str) -> bool:
    return name.startswith("runs/")


def paths_of(recipe: DataRecipe) -> list[str]:
    """Files and folders that a data recipe reads."""
    given = [value for part in (*recipe.sources, *recipe.steps) for value in part.settings.model_dump().values()]
    flat = [item for value in given for item in (value if isinstance(value, list) else [value])]
    return [str(item) for item in flat if isinstance(item, Path)]


def test_the_promised_recipes_are_there():
    assert {path.stem for path in RECIPES} >= PROMISED


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_its_command_reads_it(path):
    recipe = CONFIGS[command_of(path)].load(path)
    assert not isinstance(recipe, CompareRecipe) or check(recipe)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_wrong_key_in_it_is_refused(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_text(path.read_text(encoding="utf-8") + "\nlearning_rat: 1\n", encoding="utf-8")
    with pytest.raises(CornucopiaError, match="learning_rat"):
        CONFIGS[command_of(path)].load(copy)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_it_names_exists(path):
    recipe = CONFIGS[command_of(path)].load(path)
    if isinstance(recipe, ServeSettings):
        assert all(model.base == "nano" for model in recipe.table().values())
        return
    assert made_by_running(recipe.output_dir)
    if isinstance(recipe, EvalOptions):
        assert recipe.base == "nano" and set(chosen_tasks(recipe.tasks, recipe.ask)) == set(recipe.tasks)
        return
    if isinstance(recipe, DataRecipe):
        assert not [name for name in paths_of(recipe) if not name.startswith(SHARED) and not (ROOT / name).exists()]
        return
    training = isinstance(recipe, TrainRecipe)
    files = [*recipe.data_path, *filter(None, [recipe.val_data])] if training else [recipe.questions]
    bases = [recipe.base] if training else [one.base for one in recipe.contestants if one.base]
    adapters = [] if training else [one.adapter for one in recipe.contestants if one.adapter]
    assert all(made_by_running(name) or (ROOT / name).is_file() for name in files), files
    assert all(made_by_running(name) for name in adapters), adapters
    for name in bases:
        known = find(name.removeprefix("base_models/"))
        assert name == "nano" or made_by_running(name) or (known and known.kind != "adapter"), name
    if training and recipe.template not in (None, "chat"):
        assert resolve_template(recipe.template, None).name == recipe.template


def test_the_quickstart_compares_what_it_trained():
    trained = TrainRecipe.load(ROOT / "recipes/quickstart.yaml")
    compared = CompareRecipe.load(ROOT / "recipes/quickstart-compare.yaml")
    assert [(one.name, one.base, one.adapter) for one in compared.contestants] == [
        ("基座", trained.base, None), ("调优后", trained.base, trained.output_dir),
    ]  # fmt: skip
    assert Path(compared.output_dir) / "report.html" == Path("runs/quickstart/report.html")


def test_defaults_of_the_original():
    given = yaml.safe_load((ROOT / "recipes/llama-7b-24g.yaml").read_text(encoding="utf-8"))
    original = {"lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "lora_target_modules": ["q_proj", "v_proj"],
                "warmup_ratio": 0.1, "num_epochs": 10, "eval_steps": 32, "save_steps": 32}  # fmt: skip
    assert {key: given[key] for key in original} == original and float(given["learning_rate"]) == 2e-4
    assert all(TrainRecipe.model_fields[key].get_default(call_default_factory=True) == original[key]
               for key in original)  # fmt: skip
