"""Tokenised data on disk: the same tokens, another key for anything that matters, damage passed over."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.tokens.render import Example
from cornucopia.tokens.template import resolve_template
from cornucopia.training.data import cache, token_files
from cornucopia.training.data import prepare as module
from cornucopia.training.data.store import TokenStore
from cornucopia.training.objectives.pretrain import Pretraining
from cornucopia.training.objectives.sft import InstructionTuning
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.loop import train


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
def prepared(tokenizer, recipe, prepare, monkeypatch):
    """Prepares a recipe's data; tells whether it was tokenised anew."""
    plain, calls = module.encode_all, []
    monkeypatch.setattr(module, "encode_all", lambda *a: calls.append(1) or plain(*a))

    def run(template="fin_template", keep=True, **settings):
        calls.clear()
        return prepare(recipe(**settings), tokenizer, template, keep=keep), bool(calls)

    return run


def content(plan):
    return (
        [(e.input_ids, e.labels) for e in [*plan.train, *plan.validation]],
        len(plan.train), plan.domains, plan.rejects, plan.notes, plan.truncated, plan.fingerprint,
    )  # fmt: skip


def test_the_second_time_the_same_tokens_come_from_disk(folder, prepared):
    fresh, anew = prepared(cache=False)
    assert anew and not folder.exists()
    first, anew = prepared()
    assert anew and len(list(folder.iterdir())) == 1
    second, anew = prepared(learning_rate=0.1, output_dir="elsewhere", batch_size=2)
    assert not anew and content(second) == content(first) == content(fresh)


def test_whatever_changes_the_tokens_changes_the_key(folder, prepared, questions, tmp_path):
    seen = {content(prepared()[0])[-1]}
    for change in (
        {"cutoff_len": 40}, {"seed": 1}, {"train_on_inputs": True}, {"template": "alpaca"}, {"val_set_size": 0},
        {"data_weights": [2]}, {"val_data": str(questions)}, {"reasoning_column": "input"},
    ):  # fmt: skip
        plan, anew = prepared(**change)
        assert anew, change
        seen.add(plan.fingerprint)
    assert len(seen) == 9
    copy = tmp_path / "data.json"
    shutil.copy(questions, copy)
    prepared(data_path=[str(copy)])
    copy.write_text(copy.read_text(encoding="utf-8").replace("怎么办", "怎么做"), encoding="utf-8")
    assert prepared(data_path=[str(copy)])[1]


def test_another_tokenizer_is_another_key(small, recipe, tokenizer):
    from cornucopia.models.tokenizer import load_tokenizer

    def key(one, kind=InstructionTuning):
        return cache.key(recipe(), kind(recipe(), resolve_template("fin_template", one), one))

    other = load_tokenizer(small)
    assert key(other) == key(tokenizer) != key(tokenizer, Pretraining)
    other.add_tokens(["金融"])
    assert key(other) != key(tokenizer)


@pytest.mark.parametrize("file", ["plan.json", "train.ids", "train.labels", "train.offsets", "validation.ids"])
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other", "gone"])
def test_a_damaged_file_is_passed_over_and_written_anew(damage, file, folder, prepared):
    good = content(prepared()[0])
    (kept,) = folder.iterdir()
    path = kept / file
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= damage == "flipped"
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "other": b"\x02{}\n[1]"}.get(damage, data))
    plan, anew = prepared()
    assert anew and content(plan) == good
    assert not prepared()[1] and [p.name for p in folder.iterdir()] == [kept.name]


@given(st.binary(max_size=200), st.sampled_from([b"", b"{}", b"[]", b'{"arrays": {}}', b'{"arrays": {"train.x": ""}}']))
def test_any_bytes_are_no_plan_and_no_crash(tmp_path_factory, data, page):
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_bytes(
        data if not page else hashlib.sha256(page + data).hexdigest().encode() + b"\n" + page + data
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_folder", lambda name: folder)
        assert cache.load("any") is None


@pytest.mark.parametrize("spot", [0.0, 0.3, 0.5, 0.99])
def test_of_huge_arrays_blocks_are_compared(spot, folder, prepared, monkeypatch):
    monkeypatch.setattr(cache, "WHOLE", 100)
    monkeypatch.setattr(cache, "_BLOCK", 8)
    monkeypatch.setattr(cache, "_BLOCKS", 16)
    good = content(prepared()[0])
    assert not prepared()[1]
    path = next(folder.iterdir()) / "train.ids"
    data = bytearray(path.read_bytes())
    start = min(int(len(data) * spot), len(data) - len(data) // 8)
    data[start : start + len(data) // 8] = bytes(len(data) // 8)
    path.write_bytes(data)
    plan, anew = prepared()
    assert anew and content(plan) == good


def test_tokens_that_went_to_files_are_kept_as_they_are(folder, prepared, monkeypatch):
    good = content(prepared(cache=False)[0])
    monkeypatch.setattr(token_files, "SPILL", 100)
    monkeypatch.setattr(cache, "WORTH", 60)
    monkeypatch.setattr(cache, "LIMIT", 1)
    plan, _ = prepared()
    (kept,) = folder.iterdir()
    assert kept.name[0] != "." and content(plan) == good
    second, anew = prepared()
    assert not anew and content(second) == good
    assert isinstance(second.train.ids.base, np.memmap)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, DataError("坏了")])
def test_what_is_broken_off_leaves_nothing(stop, folder, prepared, monkeypatch):
    def break_off(stores):
        assert [path.name[-4:] for path in folder.iterdir()] == [".tmp"]
        raise stop

    monkeypatch.setattr(token_files, "SPILL", 100)
    monkeypatch.setattr(module, "_fingerprint", break_off)
    with pytest.raises(type(stop) if isinstance(stop, DataError) else stop):
        prepared()
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("process", "age", "stays"), [("99999999", 9999, False), ("99999999", 0, True), (None, 9999, True)]
)
def test_what_a_killed_program_left_is_removed(process, age, stays, folder, prepared):
    left = folder / f".key.{process or os.getpid()}.tmp"
    left.mkdir(parents=True)
    (left / "train.ids").write_bytes(b"1234")
    for path in (left / "train.ids", left):
        os.utime(path, (time.time() - age, time.time() - age))
    prepared()
    assert left.exists() == stays


def test_a_folder_that_cannot_be_written_costs_nothing(folder, prepared):
    folder.parent.write_text("a file where the folder should be")
    assert prepared()[1] and prepared()[1]


def test_little_data_and_a_dry_run_leave_no_file(folder, prepared, monkeypatch):
    prepared(keep=False)
    monkeypatch.setattr(cache, "WORTH", 60)
    prepared()
    assert not folder.exists()


def test_the_longest_unused_make_room(folder, prepared, monkeypatch):
    prepared()
    (first,) = folder.iterdir()
    older = folder / "older.safetensors"
    older.write_bytes(b"1")
    os.utime(first, (1, 1))
    os.utime(older, (0, 0))
    monkeypatch.setattr(cache, "LIMIT", sum(file.stat().st_size for file in first.iterdir()) * 3 // 2)
    prepared(seed=7)
    assert not first.exists() and not older.exists() and len(list(folder.iterdir())) == 1


def test_rejects_and_notes_are_told_again(folder, prepared, tmp_path):
    path = tmp_path / "bad.jsonl"
    rows = [{"instruction": f"问{i}", "input": "", "output": "答" if i else ""} for i in range(9)]
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows) + "{坏\n", encoding="utf-8")
    first, second = (prepared(data_path=[str(path)])[0] for _ in range(2))
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


@given(rows, st.lists(st.integers(0, 99), max_size=9), st.sampled_from([1, 3, 2**20]))
def test_a_store_gives_back_what_was_put_in(lists, order, at_once):
    examples = [Example(list(ids), [label if label % 3 else -100 for label in ids]) for ids in lists]
    store = TokenStore.of(examples)
    chosen = np.array([number % len(lists) for number in order] if lists else [], np.int64)
    ordered = TokenStore(store.offsets, store.ids, store.labels, chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cornucopia.training.data.store._AT_ONCE", at_once)
        for given_back, expected in ((store, examples), (ordered, [examples[i] for i in chosen])):
            assert list(given_back) == expected and list(given_back.lengths) == [len(e.input_ids) for e in expected]
            assert given_back[:2] == expected[:2] and given_back.tokens == sum(len(e.input_ids) for e in expected)
            assert given_back.supervised == sum(e.supervised for e in expected)
            assert not expected or given_back[-1] == expected[-1]
            with pytest.raises(IndexError):
                given_back[len(expected)]


@given(rows, st.sampled_from([1, 8, 40]))
def test_a_writer_gives_the_same_store_in_memory_and_from_files(tmp_path_factory, lists, spill):
    examples = [Example(ids, [label // 2 for label in ids]) for ids in lists]
    folder = tmp_path_factory.mktemp("spill")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_files, "SPILL", spill)
        patch.setattr(token_files, "_PART", 8)
        patch.setenv("CORNUCOPIA_CACHE", str(folder / "cache"))
        stores = []
        for place in (folder / "kept", None):
            writer = token_files.TokenWriter("train", token_files.opener(place))
            for example in examples:
                writer.add(example)
            stores.append(writer.finish())
    assert list(stores[0]) == list(stores[1]) == examples
    assert not list((folder / "cache").rglob("*"))  # what has no name is gone whatever happens


def test_arrays_that_do_not_belong_together_are_refused():
    ids = np.zeros(4, np.int32)
    for offsets, order in (
        ([], None),
        ([1, 4], None),
        ([0, 3], None),
        ([0, 2, 2, 4], None),
        ([0, 4], [1]),
        ([0, 4], [-1]),
    ):
        with pytest.raises(ValueError):
            TokenStore(np.array(offsets), ids, ids, None if order is None else np.array(order))
