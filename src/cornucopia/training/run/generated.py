"""Calculations that the model answers at each validation: the share whose numbers are right is a metric.

The answers come from what the caller of `train` hands in (`inference.rollouts.Rollouts`): training does not know
inference. Numbers are judged as in a comparison (finance.check).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cornucopia.core.errors import DataError, UsageError
from cornucopia.finance.check import check_numbers
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import ranks
from cornucopia.training.run.best import NUMBERS

Rollouts = Callable[..., Any]  # see `loop.train`
Measure = Callable[[Any], dict[str, float]]


def number_accuracy(recipe: TrainRecipe, rollouts: Rollouts | None, tokenizer: Any, template: Any) -> Measure | None:
    """What measures a model, or None where the recipe does not ask for it.

    Args:
        recipe: eval_generate is a file of calculation questions, eval_generate_tokens the length of an answer.
        rollouts: see `loop.train`.
        tokenizer, template: of the run.

    Raises:
        UsageError: nothing was handed in that could answer.
        DataError: unreadable, or no question of it can be calculated.
    """
    if not recipe.eval_generate:
        return None
    if rollouts is None:
        raise UsageError("eval_generate 要让模型现场作答", fix="用 cornucopia train 或 cornucopia.train 来跑")
    questions = _questions(recipe.eval_generate)
    mine = questions[ranks.rank() :: ranks.world()]

    from cornucopia.training.run.fast import plain_forward

    def measure(model: Any) -> dict[str, float]:
        with plain_forward(model):
            asked = rollouts(
                model, tokenizer, template, max_new_tokens=recipe.eval_generate_tokens, temperature=1.0, rounds=0
            )
            episodes = asked.sample(mine, [0] * len(mine), greedy=True)
        right = sum(bool(_verdict(record, one.answer)) for record, one in zip(mine, episodes, strict=True))
        return {NUMBERS: ranks.total_of(right) / len(questions)}

    return measure


def _questions(path: str) -> list[Record]:
    """Those that a calculator can answer."""
    stream = RecordStream(path)
    records = [record for record in stream if isinstance(record, Record)]
    found = [record for record in records if _verdict(record, "") is not None]
    if not found:
        fix = "换成有计算题的文件：题目写成计算器认得的问法，或行里有 calculator 和 inputs"
        raise DataError("没有一道能算出标准答案的题", where=path, found=f"{len(records)} 条", fix=fix)
    return found


def _verdict(record: Record, answer: str) -> bool | None:
    """Whether all numbers are right; None where the question cannot be calculated."""
    named, inputs = record.extra.get("calculator"), record.extra.get("inputs")
    return check_numbers(record.question, answer, calculator=named, inputs=inputs).right
