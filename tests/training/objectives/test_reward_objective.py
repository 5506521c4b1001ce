"""Reward models: TRL's numbers, packed or padded, opened by plain Transformers and PEFT, and used to score."""

from __future__ import annotations

import json
import logging
import math

import pytest
import torch

from cornucopia.adapters.load import attach
from cornucopia.adapters.reward import open_reward
from cornucopia.core.errors import ModelError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.models.load import load_base
from cornucopia.models.scorer import scores_of
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.records.formats import to_record
from cornucopia.tokens.template import resolve_template
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.run.fast import extras, slow_down, speed_up
from cornucopia.training.run.loop import train
from tiny_models import make_adapter

PAIRS = [
    {"instruction": f"问题{n}", "chosen": "好" * (n % 3 + 1), "rejected": "坏答" * (n % 2 + 1), "margin": n / 4}
    for n in range(6)
]
METHODS_TRIED = ("lora", "full", "freeze", "prefix")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("reward") / "pairs.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in PAIRS), "utf-8")
    return path


@pytest.fixture
def run(short_run, pairs):
    def make(name, **settings):
        settings = {"batch_size": 6, "max_steps": 4, "learning_rate": 1e-2, "lr_scheduler_type": "constant",
                    "warmup_ratio": 0, "lora_dropout": 0, "lora_r": 4, "pre_seq_len": 4, "val_set_size": 0,
                    "data_path": [str(pairs)], "max_grad_norm": 1e9, "objective": "reward"} | settings  # fmt: skip
        return short_run(name, **settings)

    return make


@pytest.fixture(scope="module")
def scorer(small, tmp_path_factory):
    """Folder of a reward model with a head drawn by chance, as plain Transformers writes it."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("scorer") / "model"
    torch.manual_seed(3)
    model = AutoModelForSequenceClassification.from_pretrained(small, num_labels=1, dtype=torch.float32)
    torch.nn.init.normal_(model.score.weight, std=0.3)
    tokenizer = AutoTokenizer.from_pretrained(small)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def losses_of(folder):
    return [row["loss"] for row in read_jsonl(folder / "log.jsonl") if "loss" in row]


def records():
    return [to_record(dict(row))[0] for row in PAIRS]


def opened(recipe, folder, tokenizer, method="lora"):
    """Objective, model and the batch's examples."""
    objective = OBJECTIVES["reward"](recipe, resolve_template("fin_template", tokenizer), tokenizer)
    base = load_base(resolve(ModelSpec(base=str(folder), dtype="float32", device="cpu")), scores=True)
    model = METHODS[method](recipe).apply(base.model)
    return objective, model.eval(), [e for made in objective.examples(records()) for e in made]


def trl_losses(folder, tokenizer, output, center):
    """The losses of TRL's own trainer on the same rows, all of them in every batch."""
    from datasets import Dataset

    trl = pytest.importorskip("trl")
    logging.disable(logging.WARNING)
    template = resolve_template("fin_template", tokenizer)

    def prompt(record):
        return "".join(s.text for s in template.segments(record, eos=tokenizer.eos_token) if not s.answer)

    asked = [prompt(record) for record in records()]
    rows = [
        {"chosen": text + row["chosen"], "rejected": text + row["rejected"], "margin": row["margin"]}
        for text, row in zip(asked, PAIRS, strict=True)
    ]
    settings = trl.RewardConfig(
        output_dir=str(output), per_device_train_batch_size=6, max_steps=4, learning_rate=1e-2, bf16=False,
        lr_scheduler_type="constant", warmup_steps=0, logging_steps=1, report_to=[], use_cpu=True, disable_tqdm=True,
        max_length=None, gradient_checkpointing=False, save_strategy="no", max_grad_norm=1e9, disable_dropout=True,
        center_rewards_coefficient=center or None, model_init_kwargs={"dtype": "float32"},
    )  # fmt: skip
    made = trl.RewardTrainer(
        model=str(folder), args=settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    made.train()
    return [float(row["loss"]) for row in made.state.log_history if "loss" in row]


@pytest.mark.parametrize("center", [0.0, 0.05])
def test_the_losses_are_trls_step_by_step(center, run, scorer, tokenizer, tmp_path):
    train(run("ours", base_model=str(scorer), method="full", center_rewards=center, template="fin_template"))
    theirs = trl_losses(scorer, tokenizer, tmp_path / "trl", center)
    assert losses_of(tmp_path / "ours") == pytest.approx(theirs, rel=2e-3)
    assert theirs[-1] < theirs[0]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_packed_rows_give_what_padded_batches_give(method, run, scorer, tokenizer):
    """Loss and gradients, the last layer on last tokens only included."""
    objective, model, examples = opened(run("x", method=method), scorer, tokenizer, method)
    trained = [value for value in model.parameters() if value.requires_grad]
    with torch.no_grad():
        for name, value in model.named_parameters():
            value += (".lora_B." in name) * 0.05
    found = []
    for packed in (False, True):
        assert not packed or (speed_up(model) == "" and "rows" in extras(model))
        batch = objective.collate(examples, packed)
        assert int(objective.items(batch)) == len(examples)
        slopes = torch.autograd.grad(objective.loss(model, batch, len(examples)), trained)
        sums = {name: float(value) for name, value in objective.sums(model, batch).items()}
        found.append((objective.metrics(sums), torch.cat([slope.flatten() for slope in slopes])))
    (plain, slope), (fast, quick) = found
    assert fast == pytest.approx(plain, rel=1e-3, abs=1e-5)
    assert float((slope - quick).norm() / slope.norm()) < 1e-3
    slow_down(model)
    batch = objective.collate(examples, False)
    assert float(objective.sums(model, batch)["loss"]) / len(examples) == pytest.approx(plain["loss"], rel=1e-5)


def test_margins_move_the_loss_as_the_formula_says(run, scorer, tokenizer):
    objective, model, examples = opened(run("x", center_rewards=0.1), scorer, tokenizer)
    batch = objective.collate(examples, False)
    scores = scores_of(model, batch).tolist()
    by_hand = [
        math.log1p(math.exp(-(c - r - row["margin"]))) + 0.1 * (c + r) ** 2
        for c, r, row in zip(scores[::2], scores[1::2], PAIRS, strict=True)
    ]
    assert float(objective.loss(model, batch, 6)) == pytest.approx(sum(by_hand) / 6, rel=1e-5)


def test_what_fills_up_a_process_weighs_nothing(run, scorer, tokenizer):
    from cornucopia.tokens.render import Example

    objective, model, examples = opened(run("x"), scorer, tokenizer)
    fill = Example(examples[0].input_ids[:2], [-100, -100])
    for packed in (False, True):
        assert not packed or speed_up(model) == ""
        alone, filled = (objective.collate(part, packed) for part in (examples[:2], [*examples[:2], fill]))
        assert int(objective.items(filled)) == 2
        assert float(objective.loss(model, filled, 2)) == pytest.approx(float(objective.loss(model, alone, 2)))


@pytest.mark.parametrize("method", METHODS_TRIED)
def test_every_method_learns_it_and_what_it_leaves_scores(method, run, pairs, small, tmp_path):
    rate = {"prefix": 0.1, "lora": 3e-2}.get(method, 1e-2)
    settings = {"val_data": str(pairs), "eval_steps": 20, "save_steps": 20, "max_steps": 20, "learning_rate": rate}
    result = train(run("made", method=method, **settings))
    last = [row for row in read_jsonl(tmp_path / "made" / "log.jsonl") if "eval_accuracy" in row][-1]
    assert result["finished"] and last["eval_loss"] < losses_of(tmp_path / "made")[0]
    assert last["eval_accuracy"] >= (0.6 if method == "prefix" else 0.8)
    folder = {"adapter": str(tmp_path / "made"), "base": str(small)}
    folder = folder if METHODS[method].leaves == "adapter" else {"base": str(tmp_path / "made")}
    model = open_reward(ModelSpec(**folder, dtype="float32", device="cpu"))
    chosen = model.score(records())
    others = [r.changed(messages=(*r.messages[:-1], *r.rejected[0])) for r in records()]
    rejected = model.score(others)
    assert sum(c > r for c, r in zip(chosen, rejected, strict=True)) / 6 == pytest.approx(last["eval_accuracy"])
    assert sum(chosen) / 6 == pytest.approx(last["eval_chosen"], abs=1e-3)
    assert model.score(records()[2:3]) == pytest.approx(chosen[2:3], abs=1e-5)
    if method != "prefix":  # PEFT does not find a prefix's way into this Transformers' classifiers
        assert plain_scores(method, small, tmp_path / "made", model, others) == pytest.approx(rejected, abs=1e-4)


def plain_scores(method, small, made, model, asked):
    """What Transformers and PEFT make of the folder without anything of ours, one conversation at a time."""
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification as Classifier

    if METHODS[method].leaves == "adapter":
        plain = PeftModel.from_pretrained(Classifier.from_pretrained(small, num_labels=1, dtype=torch.float32), made)
    else:
        plain = Classifier.from_pretrained(made, dtype=torch.float32)
    with torch.no_grad():
        return [float(plain.eval()(torch.tensor([model.encode(one).input_ids])).logits[0, 0]) for one in asked]


@pytest.mark.parametrize("method", METHODS_TRIED)
def test_broken_off_and_resumed_it_ends_with_the_same_bits(method, run, tmp_path, monkeypatch):
    from cornucopia.training.run import callbacks

    settings = {"method": method, "max_steps": 4, "save_steps": 2, "batch_size": 2, "lora_dropout": 0.1,
                "learning_rate": 1e-3}  # fmt: skip
    train(run("whole", **settings))

    class Stop(Exception):
        pass

    def stop(self, args, state, control, **_):
        if state.global_step == 3:
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(callbacks.InterruptCallback, "on_step_end", stop)
        train(run("broken", **settings))
    train(run("broken", resume=True, **settings))
    name = f"{METHODS[method].leaves}_model.safetensors".replace("model_model", "model")
    assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert losses_of(tmp_path / "broken") == losses_of(tmp_path / "whole")


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_base_keeps_its_head_wide(bits, run, small, tmp_path):
    train(run("made", bits=bits, max_steps=2))
    model = open_reward(ModelSpec(base=str(small), adapter=str(tmp_path / "made"), bits=bits, device="cpu"))
    head = model.model.get_base_model().score
    assert {p.dtype for p in head.parameters()} == {torch.float32}
    assert all(math.isfinite(score) for score in model.score(records()))


def test_an_adapter_that_answers_may_be_the_start(run, small, tmp_path):
    make_adapter(small, tmp_path / "start")
    train(run("on", adapter=str(tmp_path / "start"), max_steps=1, template="fin_template"))
    train(run("further", adapter=str(tmp_path / "on"), max_steps=1))
    assert losses_of(tmp_path / "further")[0] < losses_of(tmp_path / "on")[0]


def test_models_of_the_other_kind_are_refused(run, small, scorer, adapter, tmp_path):
    train(run("made", max_steps=1))
    base = load_base(resolve(ModelSpec(base=str(small), dtype="float32", device="cpu")))
    with pytest.raises(ModelError, match="只会给回答打分"):
        attach(base.model, base, tmp_path / "made", "x")
    with pytest.raises(ModelError, match="cornucopia data reward"):
        load_base(resolve(ModelSpec(base=str(scorer), dtype="float32", device="cpu")))
    for spec in ({"base": str(small)}, {"base": str(small), "adapter": str(adapter)}):
        with pytest.raises(ModelError, match="这不是奖励模型"):
            open_reward(ModelSpec(**spec))


def test_a_family_without_a_scorer_is_refused(run, small, tmp_path):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.for_model("ernie4_5", vocab_size=300, hidden_size=16, intermediate_size=16, head_dim=8,
                                  num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "ernie")
    AutoTokenizer.from_pretrained(small).save_pretrained(tmp_path / "ernie")
    with pytest.raises(ModelError, match="ernie4_5"):
        train(run("x", base_model=str(tmp_path / "ernie")))


def test_bad_rows_are_told_and_skipped(run, tmp_path):
    rows = [
        *PAIRS,
        {"instruction": "同", "chosen": "一样", "rejected": "一样"},
        {"instruction": "只有一边", "output": "好"},
        {"instruction": "差距", "chosen": "好", "rejected": "坏", "margin": "很大"},
        {"instruction": "差距", "chosen": "好", "rejected": "坏", "margin": -1},
    ]
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    train(run("bad", data_path=[str(tmp_path / "b.jsonl")], max_steps=1))
    reasons = [row["reason"] for row in read_jsonl(tmp_path / "bad" / "rejects.jsonl")]
    assert len(reasons) == 4 and sum("margin" in reason for reason in reasons) == 2
