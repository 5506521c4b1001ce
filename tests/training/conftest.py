"""What the tests of training share."""

import pytest

from cornucopia.training.recipe import TrainRecipe


@pytest.fixture
def short_run(small, questions, tmp_path):
    """Recipes of a short float32 run on the CPU, in tmp_path / name, with the settings given."""

    def make(name, **settings):
        values = {
            "base_model": str(small), "data_path": [str(questions)], "output_dir": str(tmp_path / name),
            "dtype": "float32", "device": "cpu", "save_steps": 2, "logging_steps": 1, "report_to": [],
        }  # fmt: skip
        return TrainRecipe.build(values | settings)

    return make


@pytest.fixture
def prepare():
    """Prepares a recipe's data with its objective."""
    from cornucopia.tokens.template import resolve_template
    from cornucopia.training.data.prepare import prepare as plain
    from cornucopia.training.objectives import OBJECTIVES

    def run(recipe, tokenizer, template="fin_template", **settings):
        return plain(
            recipe, OBJECTIVES[recipe.objective](recipe, resolve_template(template, tokenizer), tokenizer), **settings
        )

    return run
