"""The training benchmark's rules: the same documents for everybody, and a table that says when it is not so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks/training"


@pytest.fixture
def bench(monkeypatch):
    """Imports from the benchmark's folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield __import__
    for name in ("attention", "prepare", "table", "ours_run", "clock", "limit", "scaling", "run"):
        sys.modules.pop(name, None)


def test_groups_are_alike_and_hold_every_document_once(bench):
    lengths = [70 + 7 * i % 440 for i in range(60)]
    order = bench("prepare").deal(lengths, size=6)
    totals = [sum(lengths[i] for i in order[start : start + 6]) for start in range(0, 60, 6)]
    assert sorted(order) == list(range(60))
    assert max(totals) < 1.05 * min(totals)


def test_rendered_text_gives_the_same_tokens_as_our_rendering(bench, tmp_path):
    prepare = bench("prepare")
    from cornucopia.core.paths import bundled_model
    from cornucopia.models.tokenizer import load_tokenizer

    found = prepare.make_data(tmp_path, [128, 300, 80])
    tokenizer = load_tokenizer(bundled_model())
    texts = json.loads((tmp_path / "rendered.json").read_text(encoding="utf-8"))
    documents = [json.loads(line) for line in (tmp_path / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    for text, document in zip(texts, documents, strict=True):
        apart = [tokenizer(text[key], add_special_tokens=False).input_ids for key in ("instruction", "output")]
        assert apart[0] + apart[1] == document["input_ids"]
        assert [label for label in document["labels"] if label >= 0] == apart[1]
    assert 0 <= 508 - found["tokens"] <= 6
    assert prepare.make_data(tmp_path / "again", [128, 300, 80]) == found
    assert (tmp_path / "again/records.jsonl").read_bytes() == (tmp_path / "records.jsonl").read_bytes()


def test_documents_of_pretraining_are_learnt_whole_and_end_by_themselves(bench, tmp_path):
    prepare = bench("prepare")
    from cornucopia.core.paths import bundled_model
    from cornucopia.models.tokenizer import load_tokenizer

    prepare.make_data(tmp_path, [90, 130], pretrain=True)
    tokenizer = load_tokenizer(bundled_model())
    texts = json.loads((tmp_path / "rendered.json").read_text(encoding="utf-8"))
    documents = [json.loads(line) for line in (tmp_path / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    for text, document in zip(texts, documents, strict=True):
        theirs = tokenizer(text["instruction"] + tokenizer.eos_token, add_special_tokens=False).input_ids
        assert theirs == document["input_ids"] and document["labels"][1:] == document["input_ids"][1:]
    assert set(json.loads((tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines()[0])) == {"text"}


def test_every_mode_has_its_contestants_and_its_own_results(bench):
    from argparse import Namespace

    run = bench("run")
    for mode in ("lora", "full", "pretrain"):
        options = Namespace(mode=mode, updates=2, dtype="float32", ours_flags="", model="nano")
        spec = run.base_spec(options, Path("x"), {})
        assert {name.partition(":")[0] for name in run.CONTESTANTS[mode]} == {"ours", "trl", "llamafactory"}
        assert Path(spec["work"]).name == {"lora": "work"}.get(mode, f"work-{mode}")
    assert Path(spec["data"]).name == "data-pretrain" and spec["learning_rate"] == 2e-4


def test_our_file_undoes_the_commands_own_order(bench, tmp_path):
    from cornucopia.training.data.batches import EpochSampler

    lines = [f'{{"output": "{i}"}}' for i in range(24)]
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = bench("ours_run").unshuffled(tmp_path, tmp_path / "ours", seed=42, batch=12)
    given = path.read_text(encoding="utf-8").splitlines()
    assert [given[i] for i in EpochSampler([1] * 24, 42, 12)] == lines != given


def run(name, seconds, tokens=(100, 200, 300)):
    return {
        "name": name, "tokens": list(tokens), "supervised": [50, 100, 150], "seconds": seconds, "threads": "2",
        "losses": [2.0, 1.9, 1.8], "peak": 2**31, "peak_training": 2**30, "versions": {"torch": "2.13.0"},
    }  # fmt: skip


def test_table_takes_medians_without_the_first_update(bench):
    rows = [run("ours", [0.1, 0.1]), run("ours", [0.2, 0.3]), run("ours", [0.1, 0.15]), run("trl:packing", [1.0, 1.0])]
    rows.append(run("ours:small_rows", [0.2, 0.2]) | {"peak_training": 2**29})
    rows.append({"name": "limit", "limit": 4000.0, "with_attention": 3500.0})
    text = bench("table").render(rows)
    assert "| ours | 2000 | 2500 1000 2000 | 8.00 | 50% | 1.00 | 1.00 | 0.12 |" in text
    assert "| ours:small_rows | 1250 | 1250 | 5.00 | 31% | 0.50 | 0.50 | 0.20 |" in text  # ours too, no peer
    assert "一致" in text and "trl:packing | 250 | 250 | 1.00 | 6% |" in text


def test_table_says_who_had_other_documents(bench):
    text = bench("table").render([run("ours", [0.1, 0.1]), run("trl:padded", [1.0, 1.0], (100, 200, 301))])
    assert "注意：trl:padded 的词元与 ours 不同" in text and "各系统一致" not in text


@pytest.mark.parametrize("joined", [False, True])
def test_limit_counts_the_products_of_a_step(bench, joined):
    config = {
        "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
        "num_hidden_layers": 2, "vocab_size": 96,
    }  # fmt: skip
    steps = bench("limit").products(config, 2, [{"lengths": [5, 7], "supervised": 4}], joined)
    work = sum(left.shape[0] * left.shape[1] * right.shape[1] for left, right, _ in steps)
    q, kv, mlp, tokens = 32 * 32, 32 * 16, 3 * 32 * 64, 12
    frozen = 2 * (2 * q + 2 * kv + mlp)
    lora = 2 * (2 * 2 * 32 + 2 * 32 + 2 * 16)
    below_lowest = q + 2 * kv + 2 * 2 * 32  # no input gradient under the lowest adapter
    assert work == tokens * (2 * frozen + 3 * lora - below_lowest) + 2 * 4 * 32 * 96


def test_all_ways_of_attention_that_are_timed_compute_the_same(bench):
    import torch

    attention = bench("attention")
    forwards, inputs = attention.ways(3, 9, [4, 2, 8], torch.float64)
    results = [forward() for forward in forwards.values()]
    assert len(results) == 5 and all(torch.allclose(one, results[0], atol=1e-5) for one in results)
    assert all(len(times) == 2 for times in attention.measure(forwards, inputs, 0).values())
