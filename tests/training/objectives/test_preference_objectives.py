"""Preference objectives: the numbers of TRL, packed or padded, and a reference that stays where it was."""

from __future__ import annotations

import json
import logging
import math

import pytest
import torch

from cornucopia.core.errors import ConfigError, CornucopiaError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.models.load import load_base
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.tokens.render import BAD, GOOD, NEXT, Example
from cornucopia.tokens.template import resolve_template
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.objectives.next_token import sequence_losses
from cornucopia.training.run.fast import speed_up
from cornucopia.training.run.loop import train
from tiny_models import make_adapter

PAIRS = [{"instruction": f"问题{n}", "chosen": "好" * (n % 3 + 1), "rejected": "坏答" * (n % 2 + 1)} for n in range(6)]
LABELLED = [
    {"instruction": f"问题{n}", "output": "好答" * (n % 3 + 1), "label": n % 2 == 0} for n in range(6)
]  # fmt: skip
KINDS = ("dpo", "ipo", "simpo", "orpo", "kto")


@pytest.fixture
def data(tmp_path):
    for name, rows in (("pairs", PAIRS), ("labelled", LABELLED)):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return lambda kind: str(tmp_path / ("labelled.jsonl" if kind == "kto" else "pairs.jsonl"))


@pytest.fixture
def run(short_run, data):
    def make(name, kind, **settings):
        settings = {"batch_size": 6, "max_steps": 4, "learning_rate": 1e-2, "lr_scheduler_type": "constant",
                    "warmup_ratio": 0, "lora_dropout": 0, "lora_r": 4, "data_path": [data(kind)], "val_set_size": 0,
                    "max_grad_norm": 1e9, "objective": kind} | settings  # fmt: skip
        return short_run(name, **settings)

    return make


def losses_of(folder):
    return [row["loss"] for row in read_jsonl(folder / "log.jsonl") if "loss" in row]


def silent_start(small, folder):
    """An adapter that changes nothing, so that its start is the base: what TRL takes for the reference."""
    from safetensors.torch import load_file, save_file

    make_adapter(small, folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors = {name: value * (".lora_A." in name) for name, value in tensors.items()}
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    return folder


def trl_losses(kind, base, adapter, tokenizer, folder):
    """The losses of TRL's own trainer on the same rows, all of them in every batch."""
    import peft
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    trl = pytest.importorskip("trl")
    logging.disable(logging.WARNING)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = peft.PeftModel.from_pretrained(model, adapter, is_trainable=True)
    template = resolve_template("fin_template", tokenizer)
    from cornucopia.records.formats import to_record

    def prompt(row):
        record = to_record(dict(row))[0]
        return "".join(s.text for s in template.segments(record, eos=tokenizer.eos_token) if not s.answer)

    if kind == "kto":
        rows = [{"prompt": prompt(r), "completion": r["output"], "label": r["label"]} for r in LABELLED]
        trainer, arguments = trl.KTOTrainer, trl.KTOConfig
        own = {}
    else:
        rows = [{"prompt": prompt(r), "chosen": r["chosen"], "rejected": r["rejected"]} for r in PAIRS]
        trainer, arguments = trl.DPOTrainer, trl.DPOConfig
        own = {"loss_type": {"dpo": "sigmoid"}.get(kind, kind)}
    settings = arguments(
        output_dir=str(folder), per_device_train_batch_size=6, max_steps=4, learning_rate=1e-2, beta=0.1,
        lr_scheduler_type="constant", warmup_steps=0, logging_steps=1, report_to=[], use_cpu=True, bf16=False,
        max_length=256, gradient_checkpointing=False, save_strategy="no", max_grad_norm=1e9, disable_tqdm=True, **own,
    )  # fmt: skip
    made = trainer(model=model, args=settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    made.train()
    return [float(row["loss"]) for row in made.state.log_history if "loss" in row]


@pytest.mark.parametrize("kind", ["dpo", "ipo"])
def test_the_losses_are_trls_step_by_step(kind, run, small, tokenizer, tmp_path):
    start = silent_start(small, tmp_path / "start")
    train(run("ours", kind, adapter=str(start)))
    theirs = trl_losses(kind, small, start, tokenizer, tmp_path / "trl")
    assert losses_of(tmp_path / "ours") == pytest.approx(theirs, rel=2e-3)
    assert theirs[-1] < theirs[0]


def by_hand(kind, chosen, rejected, beta, gamma=0.5):
    """Of one pair without a start, from (sum, tokens)."""
    c, r = chosen[0] / chosen[1], rejected[0] / rejected[1]
    if kind == "simpo":
        return math.log1p(math.exp(-(beta * (c - r) - gamma)))
    odds = (c - math.log(1 - math.exp(c))) - (r - math.log(1 - math.exp(r)))
    return -c + beta * math.log1p(math.exp(-odds))


@pytest.fixture
def opened(run, small, tokenizer):
    def make(kind, **settings):
        recipe = run("x", kind, **settings)
        objective = OBJECTIVES[kind](recipe, resolve_template("fin_template", tokenizer), tokenizer)
        base = load_base(resolve(ModelSpec(base=str(small), dtype="float32", device="cpu")))
        model = METHODS["lora"](recipe).apply(base.model)
        with torch.no_grad():
            for name, value in model.named_parameters():
                if ".lora_B." in name:
                    value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(0)) * 0.2)
        return recipe, objective, model.eval()

    return make


def examples_of(objective, kind):
    from cornucopia.records.formats import to_record

    rows = LABELLED if kind == "kto" else PAIRS
    return [e for made in objective.examples([to_record(dict(row))[0] for row in rows]) for e in made]


@pytest.mark.parametrize("kind", ["simpo", "orpo"])
def test_losses_without_a_start_are_those_of_the_paper(kind, opened):
    _, objective, model = opened(kind)
    examples = examples_of(objective, kind)
    alone = []
    for example in examples:
        found = [sequence_losses(model, objective.collate([Example(*_plain(s))], False)) for s in example.sequences()]
        (c, cn), (r, rn) = [(-loss[0].item(), int(tokens[0])) for loss, tokens in found]
        alone.append(by_hand(kind, (c, cn), (r, rn), objective.beta))
    batch = objective.collate(examples, False)
    assert float(objective.loss(model, batch, len(examples))) == pytest.approx(sum(alone) / len(alone), rel=1e-4)


def _plain(sequence):
    return sequence.input_ids, [-100, *sequence.labels[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_packed_rows_give_what_padded_batches_give(kind, opened):
    recipe, objective, model = opened(kind)
    objective.reference = METHODS["lora"](recipe).reference(model)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value += (".lora_B." in name) * 0.05
    examples = examples_of(objective, kind)
    trained = [value for value in model.parameters() if value.requires_grad]
    found = []
    for packed in (False, True):
        assert not packed or speed_up(model) == ""
        batch = objective.collate(examples, packed)
        assert int(objective.items(batch)) == len(examples)
        loss = objective.loss(model, batch, len(examples))
        slopes = torch.autograd.grad(loss, trained)
        sums = {name: float(value) for name, value in objective.sums(model, batch).items()}
        found.append((float(loss), torch.cat([slope.flatten() for slope in slopes]), objective.metrics(sums)))
    (plain, slope, metrics), (fast, quick, same) = found
    assert fast == pytest.approx(plain, rel=1e-4) and metrics == pytest.approx(same, rel=1e-3)
    assert float((slope - quick).norm() / slope.norm()) < 1e-3
    assert metrics["loss"] == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_fills_up_a_process_weighs_nothing(kind, opened):
    recipe, objective, model = opened(kind)
    objective.reference = METHODS["lora"](recipe).reference(model)
    examples = examples_of(objective, kind)[:2]
    fill = Example(examples[0].input_ids[:2], [-100, -100])
    alone, filled = objective.collate(examples, False), objective.collate([*examples, fill], False)
    assert int(objective.items(filled)) == int(objective.items(alone))
    if kind != "kto":  # whose batch also measures how far the model has gone, with the prompts it has
        assert float(objective.loss(model, filled, 2)) == pytest.approx(
            float(objective.loss(model, alone, 2)), rel=1e-5
        )


@pytest.mark.parametrize("method", ["lora", "full", "freeze"])
def test_the_reference_is_the_model_at_the_start(method, run, small):
    recipe = run("x", "dpo", method=method, lora_dropout=0.5)
    base = load_base(resolve(ModelSpec(base=str(small), dtype="float32", device="cpu")))
    made = METHODS[method](recipe)
    ids = torch.tensor([[5, 6, 7, 8]])
    start = base.model(ids).logits.detach().clone()
    model = made.apply(base.model)
    reference = made.reference(model)
    with torch.no_grad():
        for value in made.trained(model).values():
            value += 0.1
    model.train()
    changed = model.eval()(ids).logits.detach()
    model.train()
    with reference():
        assert torch.allclose(model(ids).logits, start, atol=1e-5)
    assert model.training
    assert torch.equal(model.eval()(ids).logits, changed) and not torch.allclose(changed, start, atol=1e-2)


def test_an_adapter_given_as_start_is_the_reference(run, small, tmp_path):
    """Else the first loss would already count what the start has learnt."""
    make_adapter(small, tmp_path / "start")
    train(run("on", "dpo", adapter=str(tmp_path / "start"), max_steps=1))
    assert losses_of(tmp_path / "on") == pytest.approx([math.log(2)], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_what_it_is_told(kind, run, tmp_path, data):
    result = train(run(kind, kind, max_steps=12, learning_rate=3e-2, val_data=data(kind), eval_steps=12, save_steps=12))
    rows = [row for row in read_jsonl(tmp_path / kind / "log.jsonl") if "eval_accuracy" in row]
    assert result["finished"] and rows[-1]["eval_accuracy"] >= 0.8
    assert losses_of(tmp_path / kind)[-1] < losses_of(tmp_path / kind)[0]


@pytest.mark.parametrize("kind,method", [("dpo", "lora"), ("dpo", "full"), ("kto", "lora")])
def test_broken_off_and_resumed_it_ends_with_the_same_bits(kind, method, run, tmp_path, monkeypatch):
    from cornucopia.training.run import callbacks

    settings = {"method": method, "max_steps": 6, "lora_dropout": 0.1, "save_steps": 2, "batch_size": 2,
                "micro_batch_size": 2, "learning_rate": 1e-3}  # fmt: skip
    train(run("whole", kind, **settings))

    class Stop(Exception):
        pass

    def stop(self, args, state, control, **_):
        if state.global_step == 3:
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(callbacks.InterruptCallback, "on_step_end", stop)
        train(run("broken", kind, **settings))
    train(run("broken", kind, resume=True, **settings))
    name = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert losses_of(tmp_path / "broken") == losses_of(tmp_path / "whole")


def test_bad_rows_are_told_and_skipped(run, tmp_path):
    rows = [
        *PAIRS,
        {"instruction": "同", "chosen": "一样", "rejected": "一样"},
        {"instruction": "只有一边", "output": "好"},
        {"instruction": "空", "chosen": "好", "rejected": ""},
    ]
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    train(run("bad", "dpo", data_path=[str(tmp_path / "b.jsonl")], max_steps=1))
    reasons = [row["reason"] for row in read_jsonl(tmp_path / "bad" / "rejects.jsonl")]
    assert len(reasons) == 3 and any("相同" in reason for reason in reasons)


def test_what_cannot_be_compared_is_refused(run):
    with pytest.raises(CornucopiaError, match="simpo、orpo"):
        run("x", "dpo", method="prefix")
    with pytest.raises(ConfigError, match="至少两条"):
        train(run("x", "kto", batch_size=1))
    with pytest.raises(CornucopiaError, match=r"没有可训练的数据|没有读出|rejected"):
        train(run("y", "dpo", data_path=[run("z", "kto").data_path[0]]))


def test_marks(opened):
    _, objective, _ = opened("dpo")
    examples = examples_of(objective, "dpo")
    assert all(example.labels.count(NEXT) == 1 and len(example.sequences()) == 2 for example in examples)
    _, objective, _ = opened("kto")
    assert [e.labels[0] for e in examples_of(objective, "kto")] == [GOOD, BAD] * 3
