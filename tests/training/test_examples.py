"""Examples from files: what of them is trained on, in which order, and what is told of the rest."""

from __future__ import annotations

import hashlib
import json

import pytest

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.tokens.render import IGNORE
from cornucopia.tokens.template import resolve_template
from cornucopia.training import examples, mixture, token_files
from cornucopia.training.examples import prepare
from cornucopia.training.recipe import TrainRecipe
from tiny_models import make_tokenizer


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


def plan_of(tmp_path, **settings):
    """Two files with questions, documents, bad rows and answers that cannot fit, tokenised to bytes."""
    tokenizer = make_tokenizer()
    for name, start in (("a", 0), ("b", 60)):
        rows = []
        for n in range(start, start + 30):
            question, domain = f"第{n % 11}问：怎么办" + "？" * (n % 7), ["保险", "股票", ""][n % 3]
            rows.append({"instruction": question, "input": "材料" * (n % 3), "output": "答" * (1 + n % 40)})
            rows[-1] |= {"domain": domain} if n % 5 else {"output": ""}
            rows += [{"text": "文" * n, "domain": "文"}] if n % 6 == 1 else []
            rows += [{"instruction": question * 30, "output": "答" * 300, "domain": "长"}] if n % 9 == 2 else []
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text + "{坏\n", encoding="utf-8")
    values = {"data_path": [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")], "cutoff_len": 120, "cache": False}
    recipe = TrainRecipe.build(values | settings)
    return prepare(recipe, resolve_template("fin_template", tokenizer), tokenizer)


GOLDEN = [
    ({}, "fe0767c36fcbab34", [71, 0, 14], [("股票", 16), ("文", 10), ("（未标）", 16), ("长", 7), ("保险", 16)]),
    (
        {"data_weights": [0.5, 2.0]},
        "debe6ce588cb8ae6", [92, 0, 14], [("股票", 20), ("文", 13), ("保险", 19), ("长", 8), ("（未标）", 20)],
    ),
    (
        {"data_weights": [1, 2.5], "val_set_size": 7, "seed": 3},
        "d9bf01d25e5ffc14", [115, 7, 14], [("股票", 26), ("文", 16), ("（未标）", 22), ("保险", 26), ("长", 11)],
    ),
    (
        {"val_set_size": 0.2, "stage": "pretrain"},
        "a7175a2c8913aadd", [177, 22, 2], [("（未标）", 21), ("股票", 14), ("文", 7), ("长", 7), ("保险", 12)],
    ),
    (
        {"val_set_size": 5, "cutoff_len": 400, "train_on_inputs": True},
        "294d8ef3dacf5561", [60, 5, 14], [("股票", 16), ("文", 8), ("（未标）", 15), ("长", 7), ("保险", 14)],
    ),
    (
        {"cutoff_len": 40, "data_weights": [0.5, 2.0], "val_set_size": 4},
        "82431db7d5a4e442", [63, 3, 80], [("长", 8), ("股票", 20), ("（未标）", 19), ("文", 12), ("保险", 17)],
    ),
]  # fmt: skip


@pytest.mark.parametrize("spill", [2**25, 50])
@pytest.mark.parametrize(("settings", "fingerprint", "counts", "domains"), GOLDEN)
def test_the_plan_of_a_recipe_stays_what_it_is(tmp_path, monkeypatch, spill, settings, fingerprint, counts, domains):
    """Runs that are resumed and models that are built again, byte for byte, stand on it."""
    monkeypatch.setattr(token_files, "SPILL", spill)
    monkeypatch.setenv("CORNUCOPIA_CACHE", str(tmp_path / "cache"))
    plan = plan_of(tmp_path, **settings)
    assert (plan.fingerprint, list(plan.domains.items())) == (fingerprint, domains)
    assert [len(plan.train), len(plan.validation), len(plan.rejects)] == counts
    lines = "".join(row["where"].rpartition("/")[2] for row in plan.rejects)
    assert hashlib.sha256(lines.encode()).hexdigest()[:8] == {2: "b2292088", 14: "5a709c7a", 80: "058bab32"}[counts[2]]
    assert plan.train.supervised == sum(example.supervised for example in plan.train)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".jsonl"]


def test_many_bad_rows_are_counted_and_the_first_kept(tmp_path, monkeypatch):
    whole = plan_of(tmp_path, cutoff_len=40).rejects
    monkeypatch.setattr(mixture, "MOST_SKIPPED", 20)
    plan = plan_of(tmp_path, cutoff_len=40)
    assert plan.rejects == whole[:20] and len(whole) > 20
    assert plan.notes == [f"坏行太多：一共跳过 {len(whole)} 行，只记下前 20 行"]


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path, tokenizer, monkeypatch):
    path = tmp_path / "data.jsonl"
    path.write_text('{"instruction": "问", "output": "答"}\n', encoding="utf-8")
    plain = examples.mix

    def write_on(recipe):
        decided = plain(recipe)
        path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
        return decided

    monkeypatch.setattr(examples, "mix", write_on)
    with pytest.raises(DataError, match=r"(?s)数据文件在读的时候变了.*先是 1 条，后来是 2 条"):
        prepare(TrainRecipe.build({"data_path": [str(path)]}), resolve_template("fin_template", tokenizer), tokenizer)


def test_tokenising_many_records_shows_how_far_it_is(lines_of, monkeypatch, capsys):
    lines_of(1)
    assert "分词" not in capsys.readouterr().err
    monkeypatch.setattr(examples, "_MANY", 30)
    assert sorted(lines_of(1.5, seed=3)) != [] and "分词 40/40" in capsys.readouterr().err
