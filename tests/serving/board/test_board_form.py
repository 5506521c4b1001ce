from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.options import parse
from cornucopia.serving.board import choices, form
from cornucopia.serving.problems import Problem
from cornucopia.training.recipe import TrainRecipe

FILES = {
    "base",
    "adapter",
    "data_path",
    "val_data",
    "eval_generate",
    "output_dir",
    "deepspeed",
    "resume_from_checkpoint",
}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "learning_rate": st.floats(1e-7, 1), "max_steps": st.integers(-1, 10**6), "packing": st.booleans(),
        "lora_target_modules": st.lists(st.sampled_from(["q_proj", "v_proj", "all-linear"]), min_size=1).map(", ".join),
        "system": st.text("你是-助手\"' \n\\$`{}", min_size=1), "rank_pattern": st.just('{"q_proj": 4}'),
        "rewards": st.just("calculator=2, length"), "objective": st.sampled_from(["sft", "pretrain", "dpo"]),
        "warmup_steps": st.integers(0, 100), "template": st.sampled_from(["chat", "alpaca"]), "use_dora": st.booleans(),
    },
)  # fmt: skip


def test_nothing_that_may_name_a_file_is_offered():
    offered = form.fields()
    assert not FILES & set(offered)
    free = {name for name, field in offered.items() if field["kind"] == "text"}
    assert free == set(form._TEXTS)  # a new text setting of the recipe is looked at by somebody first


def test_every_field_has_a_label_a_help_and_a_default_of_the_recipe():
    every = [field for group in form.groups() for field in group["fields"]]
    assert len(every) == len(form.fields()) == len({field["name"] for field in every})
    own = TrainRecipe().model_dump()
    for field in every:
        told = TrainRecipe.model_fields[field["name"]].description
        assert 0 < len(field["label"]) < 30 and told.endswith(field["help"])
        assert field["default"] == form.shown(own[field["name"]])


@given(VALUES)
@settings(max_examples=60)
def test_the_command_line_that_is_shown_trains_the_same(values):
    recipe = form.recipe_of(values, {"data_path": ["a.json"], "report_to": []})
    words = shlex.split(form.command(recipe))
    assert words[:2] == ["cornucopia", "train"]
    again, _ = parse(TrainRecipe, words[2:], prog="cornucopia train", positional="recipe", summary="")
    assert again == recipe


def test_the_form_filled_from_a_recipe_of_the_project_makes_the_same_recipe():
    assert "quickstart" in choices.recipes() and "serve" not in choices.recipes()
    for name, recipe in choices.recipes().items():
        kept = {key: getattr(recipe, key) for key in recipe.model_fields_set if key not in form.fields()}
        assert form.recipe_of(form.values_of(recipe), kept) == recipe, name


@pytest.mark.parametrize(
    "values",
    [
        {"output_dir": "/tmp/x"}, {"base": "/etc"}, {"template": "/etc/passwd.json"}, {"template": "../x.json"},
        {"learning_rate": "quick"}, {"learning_rate": -1}, {"max_steps": [1]}, {"max_steps": {}},
        {"system": "a" * 5000}, {"objective": "none"}, {"": 1},
        {"packing": "perhaps"}, {"method": "full", "bits": 4}, {"lora_r": None},
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told(values):
    with pytest.raises(Problem) as told:
        form.recipe_of(values, {})
    assert told.value.status == 400 and told.value.message
