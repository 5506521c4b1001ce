"""Examples from files: what of them is trained on, in which order, and what is told of the rest."""

from __future__ import annotations

import hashlib
import json

import pytest

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.tokens.render import IGNORE
from cornucopia.training.data import examples, mixture, token_files
from cornucopia.training.data import prepare as module
from cornucopia.training.recipe import TrainRecipe
from tiny_models import make_tokenizer


@pytest.fixture
def lines_of(tmp_path, tokenizer, prepare):
    """Lines of a sorted file that a weight takes into training."""
    path = tmp_path / "sorted.jsonl"
    rows = [{"instruction": f"第{i:02d}问", "input": "", "output": "先看风险。"} for i in range(40)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    def lines(weight, seed=1):
        recipe = TrainRecipe.build({"data_path": [str(path)], "data_weights": [weight], "seed": seed})
        plan = prepare(recipe, tokenizer)
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


@pytest.fixture
def examples_of(tmp_path, tokenizer, prepare):
    def run(text, **settings):
        path = tmp_path / "data.jsonl"
        path.write_text(text, encoding="utf-8")
        recipe = TrainRecipe.build({"data_path": [str(path)], **settings})
        return list(prepare(recipe, tokenizer).train)

    return run


def test_a_beginning_is_trained_without_an_end_among_whole_answers(examples_of, tokenizer):
    row = '{"instruction": "退保扣钱吗？", "input": "", "output": "犹豫期内"'
    whole, broken = examples_of(f'{row}}}\n{row}, "complete": false}}\n')
    assert whole.labels[-1] == tokenizer.eos_token_id and broken.labels == whole.labels[:-1]


def test_documents_join_instruction_tuning_and_are_trained_whole(examples_of, tokenizer):
    text = '{"instruction": "问", "output": "答"}\n{"text": "等额本息"}\n{"text": "半句", "complete": false}\n'
    asked, document, half = examples_of(text)
    assert asked.labels.count(IGNORE) > 5
    assert document.labels == [IGNORE, *document.input_ids[1:]] and document.input_ids[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in half.input_ids


def test_a_column_can_hold_what_is_thought_before_the_answer(examples_of, tokenizer):
    row = '{"instruction": "问", "output": "答", "topic": "犹豫期"}\n'
    (plain,) = examples_of(row)
    (thought,) = examples_of(row, reasoning_column="topic")
    assert "犹豫期" not in tokenizer.decode(plain.input_ids)
    assert tokenizer.decode([i for i in thought.labels if i != IGNORE]) == "<think>\n犹豫期\n</think>\n\n答</s>"
    with pytest.raises(ConfigError, match="没有思考过程") as caught:
        TrainRecipe.build({"objective": "pretrain", "reasoning_column": "topic"})
    assert "给的是" not in str(caught.value)  # it is no single value's fault


@pytest.fixture
def plan_of(tmp_path, prepare):
    def run(**settings):
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
        values = {
            "data_path": [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")],
            "cutoff_len": 120,
            "cache": False,
        }
        recipe = TrainRecipe.build(values | settings)
        return prepare(recipe, tokenizer)

    return run


GOLDEN = [
    ({}, "fe0767c36fcbab34", [71, 0, 14], [("股票", 16), ("文", 10), ("（未标）", 16), ("长", 7), ("保险", 16)]),
    (
        {"data_weights": [0.5, 2.0]},
        "debe6ce588cb8ae6", [92, 0, 14], [("股票", 20), ("文", 13), ("保险", 19), ("长", 8), ("（未标）", 20)],
    ),
    (
        {"data_weights": [1, 2.5], "val_set_size": 7, "seed": 3},
        "06a908be21498532", [117, 7, 14], [("股票", 25), ("文", 16), ("（未标）", 24), ("保险", 26), ("长", 12)],
    ),
    (
        {"val_set_size": 0.2, "objective": "pretrain"},
        "a7175a2c8913aadd", [177, 22, 2], [("（未标）", 21), ("股票", 14), ("文", 7), ("长", 7), ("保险", 12)],
    ),
    (
        {"val_set_size": 5, "cutoff_len": 400, "train_on_inputs": True},
        "bb96d72e11ec30d1", [60, 5, 14], [("股票", 15), ("文", 9), ("（未标）", 14), ("长", 7), ("保险", 15)],
    ),
    (
        {"cutoff_len": 40, "data_weights": [0.5, 2.0], "val_set_size": 12},
        "534c334fe7372ef3", [61, 5, 74], [("长", 8), ("股票", 16), ("（未标）", 18), ("保险", 9), ("文", 11)],
    ),
]  # fmt: skip


@pytest.mark.parametrize("spill", [2**25, 50])
@pytest.mark.parametrize(("settings", "fingerprint", "counts", "domains"), GOLDEN)
def test_the_plan_of_a_recipe_stays_what_it_is(
    plan_of, tmp_path, monkeypatch, spill, settings, fingerprint, counts, domains
):
    """Runs that are resumed and models that are built again, byte for byte, stand on it."""
    monkeypatch.setattr(token_files, "SPILL", spill)
    monkeypatch.setenv("CORNUCOPIA_CACHE", str(tmp_path / "cache"))
    plan = plan_of(**settings)
    assert (plan.fingerprint, list(plan.domains.items())) == (fingerprint, domains)
    assert [len(plan.train), len(plan.validation), len(plan.rejects)] == counts
    lines = "".join(row["where"].rpartition("/")[2] for row in plan.rejects)
    assert hashlib.sha256(lines.encode()).hexdigest()[:8] == {2: "b2292088", 14: "5a709c7a", 74: "8c8ed630"}[counts[2]]
    assert plan.train.supervised == sum(example.supervised for example in plan.train)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".jsonl"]


def test_many_bad_rows_are_counted_and_the_first_kept(plan_of, monkeypatch):
    whole = plan_of(cutoff_len=40).rejects
    monkeypatch.setattr(mixture, "MOST_SKIPPED", 20)
    plan = plan_of(cutoff_len=40)
    assert plan.rejects == whole[:20] and len(whole) > 20
    assert plan.notes == [f"坏行太多：一共跳过 {len(whole)} 行，只记下前 20 行"]


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path, tokenizer, prepare, monkeypatch):
    path = tmp_path / "data.jsonl"
    path.write_text('{"instruction": "问", "output": "答"}\n', encoding="utf-8")
    plain = module.mix

    def write_on(*arguments):
        decided = plain(*arguments)
        path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
        return decided

    monkeypatch.setattr(module, "mix", write_on)
    with pytest.raises(DataError, match=r"(?s)数据文件在读的时候变了.*先是 1 条，后来是 2 条"):
        prepare(TrainRecipe.build({"data_path": [str(path)]}), tokenizer)


def test_tokenising_many_records_shows_how_far_it_is(lines_of, monkeypatch, capsys):
    lines_of(1)
    assert "分词" not in capsys.readouterr().err
    monkeypatch.setattr(examples, "_MANY", 30)
    assert sorted(lines_of(1.5, seed=3)) != [] and "分词 40/40" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "few"), [(6, 1), (6, 2), (30, 3)])
def test_a_count_of_validation_rows_is_taken_over_all_files_together(tmp_path, tokenizer, prepare, size, few):
    """A file of fewer rows than its share has no part of its own to give."""
    for name, rows in (("小", few), ("大", 40)):
        lines = [json.dumps({"instruction": f"{name}{i}问", "output": "答"}, ensure_ascii=False) for i in range(rows)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    paths = [str(tmp_path / f"{name}.jsonl") for name in ("小", "大")]
    plan = prepare(TrainRecipe.build({"data_path": paths, "val_set_size": size}), tokenizer)
    assert (len(plan.train), len(plan.validation)) == (40 + few - size, size)


def test_a_count_as_large_as_all_files_together_says_what_fits(tmp_path, tokenizer, prepare):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"instruction": "问{i}", "output": "答"}}\n' for i in range(3)), encoding="utf-8")
    with pytest.raises(DataError, match="至多 5 条"):
        prepare(TrainRecipe.build({"data_path": [str(path)] * 2, "val_set_size": 6}), tokenizer)
