"""Tokenised data on disk: the same tokens, another key for anything that matters, damage passed over."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.tokens.render import Example
from cornucopia.tokens.template import resolve_template
from cornucopia.training import cache, examples
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import train
from cornucopia.training.store import TokenStore


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Everything is worth keeping, in a folder of the test's own."""
    monkeypatch.setattr(cache, "WORTH", 0)
    monkeypatch.setenv("CORNUCOPIA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tokens"


@pytest.fixture
def recipe(small, questions, tmp_path):
    def make(name="out", **settings):
        values = {
            "base_model": str(small), "data_path": [str(questions)], "output_dir": str(tmp_path / name),
            "dtype": "float32", "device": "cpu", "max_steps": 3, "batch_size": 4, "save_steps": 2, "val_set_size": 4,
            "eval_steps": 2, "logging_steps": 1, "report_to": [],
        }  # fmt: skip
        return TrainRecipe.build(values | settings)

    return make


@pytest.fixture
def prepare(tokenizer, recipe, monkeypatch):
    """Prepares a recipe's data; tells whether it was tokenised anew."""
    plain, calls = examples._encode_all, []
    monkeypatch.setattr(examples, "_encode_all", lambda *a: calls.append(1) or plain(*a))

    def run(**settings):
        calls.clear()
        template = resolve_template(settings.pop("template", "fin_template"), tokenizer)
        return examples.prepare(recipe(**settings), template, tokenizer), bool(calls)

    return run


def content(plan):
    return (
        [(e.input_ids, e.labels) for e in [*plan.train, *plan.validation]],
        len(plan.train), plan.domains, plan.rejects, plan.notes, plan.truncated, plan.fingerprint,
    )  # fmt: skip


def test_the_second_time_the_same_tokens_come_from_disk(folder, prepare):
    fresh, anew = prepare(cache=False)
    assert anew and not folder.exists()
    first, anew = prepare()
    assert anew and len(list(folder.iterdir())) == 1
    second, anew = prepare(learning_rate=0.1, output_dir="elsewhere", batch_size=2)
    assert not anew and content(second) == content(first) == content(fresh)


def test_whatever_changes_the_tokens_changes_the_key(folder, prepare, questions, tmp_path):
    seen = {content(prepare()[0])[-1]}
    for change in (
        {"cutoff_len": 40}, {"seed": 1}, {"train_on_inputs": True}, {"template": "alpaca"}, {"val_set_size": 0},
        {"data_weights": [2]}, {"val_data": str(questions)}, {"reasoning_column": "input"},
    ):  # fmt: skip
        plan, anew = prepare(**change)
        assert anew, change
        seen.add(plan.fingerprint)
    assert len(seen) == 9
    copy = tmp_path / "data.json"
    shutil.copy(questions, copy)
    prepare(data_path=[str(copy)])
    copy.write_text(copy.read_text(encoding="utf-8").replace("怎么办", "怎么做"), encoding="utf-8")
    assert prepare(data_path=[str(copy)])[1]


def test_another_tokenizer_is_another_key(small, recipe, tokenizer):
    from cornucopia.models.tokenizer import load_tokenizer

    template = resolve_template("fin_template", tokenizer)
    other = load_tokenizer(small)
    assert cache.key(recipe(), template, other) == cache.key(recipe(), template, tokenizer)
    other.add_tokens(["金融"])
    assert cache.key(recipe(), template, other) != cache.key(recipe(), template, tokenizer)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
def test_a_damaged_file_is_passed_over_and_written_anew(damage, folder, prepare):
    good = content(prepare()[0])
    (path,) = folder.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[-9] ^= 1
    path.write_bytes(
        {"empty": b"", "cut": data[: len(data) // 2], "other": b"\x02" + bytes(7) + b"{}"}.get(damage, data)
    )
    plan, anew = prepare()
    assert anew and content(plan) == good
    assert not prepare()[1] and [p.name for p in folder.iterdir()] == [path.name]


@given(st.binary(max_size=200))
def test_any_bytes_are_no_plan_and_no_crash(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_path", lambda name: path)
        assert cache.load("any") is None


def test_a_folder_that_cannot_be_written_costs_nothing(folder, prepare):
    folder.parent.write_text("a file where the folder should be")
    assert prepare()[1] and prepare()[1]


def test_little_data_and_a_dry_run_leave_no_file(folder, prepare, monkeypatch):
    prepare(dry_run=True)
    monkeypatch.setattr(cache, "WORTH", 60)
    prepare()
    assert not folder.exists()


def test_the_longest_unused_files_make_room(folder, prepare, monkeypatch):
    import os

    prepare()
    (first,) = folder.iterdir()
    os.utime(first, (1, 1))
    monkeypatch.setattr(cache, "LIMIT", first.stat().st_size * 3 // 2)
    prepare(seed=7)
    assert not first.exists() and len(list(folder.iterdir())) == 1


def test_rejects_and_notes_are_told_again(folder, prepare, tmp_path):
    path = tmp_path / "bad.jsonl"
    rows = [{"instruction": f"问{i}", "input": "", "output": "答" if i else ""} for i in range(9)]
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows) + "{坏\n", encoding="utf-8")
    first, second = (prepare(data_path=[str(path)])[0] for _ in range(2))
    assert second.rejects == first.rejects and len(first.rejects) == 2


def test_training_from_the_cache_and_resuming_without_it_give_the_same_bits(folder, recipe, tmp_path):
    train(recipe("plain", cache=False))
    train(recipe("first"))
    train(recipe("second"))
    assert len(list(folder.iterdir())) == 1
    weights = [(tmp_path / n / "adapter_model.safetensors").read_bytes() for n in ("plain", "first", "second")]
    assert weights[0] == weights[1] == weights[2]
    for path in (tmp_path / "second").glob("checkpoint-3"):
        shutil.rmtree(path)
    (tmp_path / "second" / "train_result.json").unlink()
    train(recipe("second", resume=True, cache=False))
    assert (tmp_path / "second" / "adapter_model.safetensors").read_bytes() == weights[0]


rows = st.lists(st.lists(st.integers(-100, 2**31 - 1), min_size=1, max_size=5), max_size=6)


@given(rows)
def test_a_store_gives_back_what_was_put_in(lists):
    store = TokenStore.of([Example(list(ids), [label // 2 for label in ids]) for ids in lists])
    assert [e.input_ids for e in store] == lists and store.lengths == [len(ids) for ids in lists]
    assert store[:2] == list(store)[:2] and store.tokens == sum(map(len, lists))
    assert store.supervised == sum(e.supervised for e in store)
    if lists:
        assert store[-1] == store[len(lists) - 1]
    with pytest.raises(IndexError):
        store[len(lists)]
