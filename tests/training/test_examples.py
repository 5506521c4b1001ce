"""Examples from files: weights, and what they take."""

from __future__ import annotations

import json

import pytest

from cornucopia.tokens.render import IGNORE
from cornucopia.tokens.template import resolve_template
from cornucopia.training.examples import prepare
from cornucopia.training.recipe import TrainRecipe


@pytest.fixture
def lines_of(tmp_path, tokenizer):
    """Lines of a sorted file that a weight takes into training."""
    path = tmp_path / "sorted.jsonl"
    rows = [{"instruction": f"第{i:02d}问", "input": "", "output": "先看风险。"} for i in range(40)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    def lines(weight, seed=1):
        recipe = TrainRecipe.build({"data_path": [str(path)], "data_weights": [weight], "seed": seed})
        plan = prepare(recipe, resolve_template("fin_template", tokenizer), tokenizer)
        return [int(tokenizer.decode(e.input_ids).split("第")[1][:2]) for e in plan.train]

    return lines


def test_a_fractional_weight_takes_a_random_sample_and_not_the_files_head(lines_of):
    quarter = lines_of(0.25)
    assert len(quarter) == len(set(quarter)) == 10 and max(quarter) >= 20
    assert lines_of(0.25) == quarter and lines_of(0.25, seed=2) != quarter


def test_a_weight_above_one_takes_everything_and_a_sample(lines_of):
    taken = lines_of(2.5)
    counts = [taken.count(line) for line in range(40)]
    assert sorted(counts) == [2] * 20 + [3] * 20 and counts != sorted(counts, reverse=True)


def test_the_end_of_the_answer_can_be_left_out_of_the_loss_and_stays_in_the_text(tmp_path, tokenizer):
    path = tmp_path / "heads.jsonl"
    path.write_text('{"instruction": "退保扣钱吗？", "input": "", "output": "犹豫期内"}\n', encoding="utf-8")
    end = tokenizer.eos_token_id

    def example(**settings):
        recipe = TrainRecipe.build({"data_path": [str(path)], **settings})
        (only,) = prepare(recipe, resolve_template("fin_template", tokenizer), tokenizer).train
        return only

    whole, headless = example(), example(train_on_eos=False)
    assert whole.labels[-1] == end and headless.labels[-1] == IGNORE
    assert headless.input_ids == whole.input_ids and headless.labels[:-1] == whole.labels[:-1]
    assert headless.supervised == whole.supervised - 1 > 0
