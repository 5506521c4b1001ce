"""Examples from files: weights, and what they take."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import ConfigError
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


def examples_of(tmp_path, tokenizer, text, **settings):
    path = tmp_path / "data.jsonl"
    path.write_text(text, encoding="utf-8")
    recipe = TrainRecipe.build({"data_path": [str(path)], **settings})
    return list(prepare(recipe, resolve_template("fin_template", tokenizer), tokenizer).train)


def test_a_beginning_is_trained_without_an_end_among_whole_answers(tmp_path, tokenizer):
    row = '{"instruction": "退保扣钱吗？", "input": "", "output": "犹豫期内"'
    whole, broken = examples_of(tmp_path, tokenizer, f'{row}}}\n{row}, "complete": false}}\n')
    assert whole.labels[-1] == tokenizer.eos_token_id and broken.labels == whole.labels[:-1]


def test_documents_join_instruction_tuning_and_are_trained_whole(tmp_path, tokenizer):
    text = '{"instruction": "问", "output": "答"}\n{"text": "等额本息"}\n{"text": "半句", "complete": false}\n'
    asked, document, half = examples_of(tmp_path, tokenizer, text)
    assert asked.labels.count(IGNORE) > 5
    assert document.labels == [IGNORE, *document.input_ids[1:]] and document.input_ids[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in half.input_ids


def test_a_column_can_hold_what_is_thought_before_the_answer(tmp_path, tokenizer):
    row = '{"instruction": "问", "output": "答", "topic": "犹豫期"}\n'
    (plain,) = examples_of(tmp_path, tokenizer, row)
    (thought,) = examples_of(tmp_path, tokenizer, row, reasoning_column="topic")
    assert "犹豫期" not in tokenizer.decode(plain.input_ids)
    assert tokenizer.decode([i for i in thought.labels if i != IGNORE]) == "<think>\n犹豫期\n</think>\n\n答</s>"
    with pytest.raises(ConfigError, match="继续预训练没有思考过程") as caught:
        TrainRecipe.build({"stage": "pretrain", "reasoning_column": "topic"})
    assert "给的是" not in str(caught.value)  # it is no single value's fault
