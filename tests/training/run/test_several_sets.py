"""Several data sets in one run: their shares, each one's validation loss, the best by any of them, an early end."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.inference.rollouts import Rollouts
from cornucopia.records.episode import Episode
from cornucopia.records.schema import Message
from cornucopia.training.data.mixture import mix
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.callbacks import EarlyStop
from cornucopia.training.run.loop import train

ROOT = Path(__file__).resolve().parents[3]
LOAN = {"principal": 100000, "rate": "4.2%", "months": 120}


@pytest.fixture
def files(tmp_path):
    """Two files of 40 and 10 questions."""
    made = []
    for name, count in (("贷款", 40), ("保险", 10)):
        made.append(tmp_path / f"{name}.jsonl")
        rows = [{"instruction": f"{name}第{n}问", "output": f"{name}答{n % 5}", "domain": name} for n in range(count)]
        made[-1].write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return [str(path) for path in made]


def used(recipe):
    return Counter({part.name: len(part.order) for part in mix(recipe, "sft").parts})


def test_temperature_evens_out_the_shares_of_an_epoch_as_long_as_before(short_run, files):
    assert used(short_run("a", data_path=files)) == {"贷款": 40, "保险": 10}
    assert used(short_run("a", data_path=files, data_temperature=1.0)) == {"贷款": 40, "保险": 10}
    warm = used(short_run("a", data_path=files, data_temperature=2.0))
    assert warm == {"贷款": 33, "保险": 17}  # sqrt(40) : sqrt(10) = 2 : 1
    even = used(short_run("a", data_path=files, data_temperature=1e6))
    assert even == {"贷款": 25, "保险": 25}


def test_caps_take_a_random_part_before_shares_are_reckoned(short_run, files):
    recipe = short_run("a", data_path=files, data_caps=[10, 0])
    assert used(recipe) == {"贷款": 10, "保险": 10}
    taken = mix(recipe, "sft").parts[0].order.tolist()
    assert taken == sorted(set(taken)) and taken != list(range(10))
    assert used(short_run("a", data_path=files, data_caps=[10, 0], data_weights=[1, 2])) == {"贷款": 10, "保险": 20}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"data_caps": [3]}, "data_caps"),
        ({"data_weights": [1, 1], "data_temperature": 2}, "只能给一个"),
        ({"early_stopping": 2}, "没有验证数据"),
        ({"val_set_size": 4, "best_metric": "贷款_los"}, "贷款_loss"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, told, short_run, files):
    with pytest.raises(ConfigError, match=told):
        train(short_run("a", data_path=files, max_steps=1, **settings))


def test_each_sets_loss_is_told_and_decides_the_best(short_run, files, tmp_path):
    settings = {
        "data_path": files, "val_set_size": 0.2, "batch_size": 8, "max_steps": 6, "eval_steps": 2,
        "best_metric": "保险_loss", "learning_rate": 1e-2,
    }  # fmt: skip
    result = train(short_run("a", **settings))
    rows = [row for row in read_jsonl(tmp_path / "a" / "log.jsonl") if "eval_loss" in row]
    assert len(rows) == 3 and all({"eval_保险_loss", "eval_贷款_loss"} <= row.keys() for row in rows)
    best = min(rows, key=lambda row: row["eval_保险_loss"])
    assert result["best_metric"] == "eval_保险_loss" and result["best_step"] == best["step"]
    assert result["best"]["保险_loss"] == best["eval_保险_loss"]
    assert "保险_loss" in (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    for row in rows:  # by trained tokens, so between the two
        low, high = sorted((row["eval_保险_loss"], row["eval_贷款_loss"]))
        assert low - 1e-6 <= row["eval_loss"] <= high + 1e-6


class _State:
    def __init__(self, losses):
        self.log_history = [{"eval_loss": loss} for loss in losses]


class _Control:
    should_training_stop = False


@pytest.mark.parametrize(
    ("losses", "stops"), [([3, 2, 1], False), ([1, 2], False), ([1, 2, 3], True), ([3, 1, 1, 1], True), ([], False)]
)
def test_it_ends_when_the_last_validations_brought_nothing_better(losses, stops):
    control = _Control()
    EarlyStop(2, "eval_loss", larger=False).on_evaluate(None, _State(losses), control)
    assert control.should_training_stop is stops


def test_an_early_end_keeps_the_best_and_is_the_same_after_a_resume(short_run, files, tmp_path):
    settings = {
        "data_path": files, "val_set_size": 0.2, "batch_size": 8, "max_steps": 40, "eval_steps": 1, "save_steps": 1,
        "early_stopping": 2, "learning_rate": 0.3, "lr_scheduler_type": "constant", "max_grad_norm": 1e6,
    }  # fmt: skip
    result = train(short_run("a", **settings))
    assert result["finished"] and result["steps"] == result["best_step"] + 2 < 40
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "train_result.json").unlink()
    shutil.rmtree(tmp_path / "b" / f"checkpoint-{result['steps']}")
    assert train(short_run("b", **settings, resume=True))["steps"] == result["steps"]
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("a", "b"))
    assert all((one[name] == two[name]).all() for name in one)


def test_calculations_are_answered_at_each_validation_and_choose_the_best(short_run, files, tmp_path):
    """Answers are handed in: right from the second validation to the last but one, so the second is the best."""
    ask = tmp_path / "算.jsonl"
    rows = [
        {"instruction": "算一下", "output": "", "calculator": "equal_payment", "inputs": inputs}
        for inputs in (
            {"principal": 100000, "rate": "4.2%", "months": 120},
            {"principal": 5000, "rate": "12%", "months": 6},
        )
    ]
    rows.append({"instruction": "什么是犹豫期？", "output": "签收后可以反悔的一段时间。"})
    ask.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    asked = []

    class Handed:
        def __init__(self, model, tokenizer, template, *, max_new_tokens, **_):
            self.tokens = max_new_tokens

        def sample(self, records, seeds, *, greedy):
            asked.append((len(records), self.tokens, greedy))
            said = Message("assistant", "每月还 1,021.98 元。" if len(asked) == 2 else "不知道")
            return [Episode(record, (said,)) for record in records]

    settings = {
        "data_path": files, "val_set_size": 0.2, "batch_size": 8, "max_steps": 3, "eval_steps": 1, "save_steps": 1,
        "best_metric": "number_accuracy", "eval_generate": str(ask), "eval_generate_tokens": 9,
    }  # fmt: skip
    result = train(short_run("a", **settings), Handed)
    assert asked == [(2, 9, True)] * 3
    assert result["best"]["number_accuracy"] == 0.5 and result["best_step"] == 2
    with pytest.raises(ConfigError, match="eval_generate"):
        short_run("b", **settings, shard="fsdp2")


def test_the_engine_answers_in_the_midst_of_training_as_after_it(short_run, files, tmp_path):
    """On the fast step's model, whose own forward pass takes packed rows; and the run is none the worse for it."""
    found = {}

    class Noted(Rollouts):
        def sample(self, *asked, **how):
            episodes = super().sample(*asked, **how)
            found["during"] = [episode.answer for episode in episodes]
            return episodes

    ask = tmp_path / "算.jsonl"
    row = {"instruction": "贷款第3问", "output": "", "calculator": "equal_payment", "inputs": LOAN}
    ask.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    settings = {"data_path": files, "val_set_size": 0.2, "batch_size": 8, "max_steps": 2, "eval_steps": 2, "lora_r": 4}
    train(short_run("a", **settings, eval_generate=str(ask), eval_generate_tokens=6), Noted)
    train(short_run("b", **settings))
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("a", "b"))
    assert all((one[name] == two[name]).all() for name in one)
    import cornucopia

    model = cornucopia.load(short_run("a").base, adapter=str(tmp_path / "a"), dtype="float32", device="cpu")
    after = model.answer("贷款第3问", max_new_tokens=6, do_sample=False, repetition_penalty=1.0)
    assert found["during"] == [after]


def test_full_training_goes_on_learning_after_the_model_has_answered(short_run, files, tmp_path):
    """The engine must not put other tensors into the place of those that are learnt."""
    ask = tmp_path / "算.jsonl"
    row = {"instruction": "贷款第3问", "output": "", "calculator": "equal_payment", "inputs": LOAN}
    ask.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    settings = {"data_path": files, "val_set_size": 0.2, "batch_size": 8, "max_steps": 3, "eval_steps": 1}
    settings |= {"method": "full", "learning_rate": 1e-3}
    train(short_run("a", **settings, eval_generate=str(ask), eval_generate_tokens=3), Rollouts)
    train(short_run("b", **settings))
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert one.keys() == two.keys() and all((one[name] == two[name]).all() for name in one)


def test_the_recipe_of_several_sets_trains(small, tmp_path):
    settings = {"base": str(small), "output_dir": str(tmp_path / "out"), "max_steps": 2, "eval_steps": 1, "lora_r": 4}
    settings |= {"dtype": "float32", "device": "cpu", "data_caps": [40, 0, 0], "cache": False}
    given = TrainRecipe.load(ROOT / "recipes" / "multi-task.yaml", settings)
    data = [str(ROOT / path) for path in given.data_path]
    result = train(given.model_copy(update={"data_path": data}))
    assert {"fin_data_loss", "loan_loss", "insurance_loss"} <= result["best"].keys()
