"""What the plan decides."""

from __future__ import annotations

import pytest

from cornucopia.tokens.render import Example
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.data.store import TokenStore
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.plan import repays_compiling


def plan(examples):
    return DataPlan(TokenStore.of([Example([1] * 100, [1] * 100)] * examples), TokenStore.of([]))


@pytest.mark.parametrize(
    ("examples", "epochs", "parameters", "device", "worth"),
    [
        (100, 1, 1e8, "cpu", False),  # 10,000 tokens of 100 M parameters: a minute
        (2000, 1, 1e8, "cpu", True),  # 200,000: a quarter of an hour
        (200, 10, 1e8, "cpu", True),
        (2000, 1, 1e8, "cuda:0", False),
        (20000, 1, 7e9, "cuda:0", True),  # 2 million tokens of 7 B: five minutes
    ],
)
def test_compiling_must_repay(examples, epochs, parameters, device, worth):
    recipe = TrainRecipe(num_epochs=epochs, batch_size=10)
    assert repays_compiling(recipe, plan(examples), parameters, device) == worth
    for setting in ("on", "off"):
        forced = recipe.model_copy(update={"compile": setting})
        assert repays_compiling(forced, plan(examples), parameters, device) == (setting == "on")
    short = recipe.model_copy(update={"max_steps": 1})
    assert not repays_compiling(short, plan(examples), parameters, device)
