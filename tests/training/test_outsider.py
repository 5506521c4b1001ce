"""A method and an objective as somebody else would write them: one class and one entry each, nothing else changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cornucopia.cli.main import main
from cornucopia.core.errors import DataError
from cornucopia.models.load import load_base
from cornucopia.models.memory import estimate
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.tokens.render import IGNORE, encode
from cornucopia.training.methods import METHODS
from cornucopia.training.methods.adapter import AdapterMethod
from cornucopia.training.methods.weights import WeightsMethod
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.objectives.next_token import NextToken
from cornucopia.training.run import checkpoint as ck
from cornucopia.training.run.loop import train


class NormsOnly(WeightsMethod):
    """Only the norms' scales change."""

    about = "只训归一化"

    def apply(self, model):
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("norm" in name)
        return model.float().train()

    def memory(self, shape, step):
        return estimate(shape, step)


class Ia3(AdapterMethod):
    """(IA)³, of which nothing here has ever heard."""

    about = "IA3"

    def begin_from(self, adapter):
        return {}

    def apply(self, model):
        from peft import IA3Config, get_peft_model

        self.prepare(model)
        config = IA3Config(target_modules=["k_proj", "v_proj"], feedforward_modules=[], task_type="CAUSAL_LM")
        return get_peft_model(model, config)

    def memory(self, shape, step):
        return estimate(shape, step)


class FirstWords(NextToken):
    """The first three tokens of each answer count double, the rest once; packed rows are of no use to it."""

    about = "开头更重"
    rows = "sft"
    packs = False

    def examples(self, records):
        for record in records:
            try:
                yield [encode(record, self.template, self.tokenizer, self.recipe.cutoff_len)]
            except DataError as error:
                yield error

    def loss(self, model, batch, items):
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
        labels = batch["labels"][:, 1:]
        trained = labels != IGNORE
        weight = torch.where(trained.cumsum(1) <= 3, 2.0, 1.0)[trained]
        each = torch.nn.functional.cross_entropy(logits[trained].float(), labels[trained], reduction="none")
        return (each * weight).sum() / items

    def sums(self, model, batch):
        return {"loss": self.loss(model, batch, 1), "items": self.items(batch), "rows": self.items(batch) * 0 + 1}

    def metrics(self, sums):
        return super().metrics(sums) | {"batches": sums["rows"]}


@pytest.fixture(autouse=True)
def entries(monkeypatch):
    monkeypatch.setitem(METHODS, "norms", NormsOnly)
    monkeypatch.setitem(METHODS, "ia3", Ia3)
    monkeypatch.setitem(OBJECTIVES, "first", FirstWords)


@pytest.mark.parametrize("method", ["norms", "ia3"])
@pytest.mark.parametrize("objective", ["first", "sft"])
def test_they_train_save_resume_and_answer(method, objective, short_run, small, tmp_path, capsys):
    settings = {
        "method": method, "objective": objective, "max_steps": 4, "batch_size": 4, "micro_batch_size": 2,
        "learning_rate": 1e-2, "val_set_size": 4, "eval_steps": 2,
    }  # fmt: skip
    assert train(short_run("plan", **settings, dry_run=True))["steps"] == 4
    whole = train(short_run("whole", **settings))
    assert whole["finished"] and whole["trained_parameters"] < 1000 and whole["eval_loss_best"] > 0
    train(short_run("cut", **settings))
    for path in (tmp_path / "cut" / "checkpoint-4", tmp_path / "cut"):
        for file in (ck.COMPLETE, ck.RESULT):
            (path / file).unlink(missing_ok=True)
    train(short_run("cut", **settings, resume=True))
    weights = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("*.safetensors")}
    assert weights == {path.name: path.read_bytes() for path in (tmp_path / "cut").glob("*.safetensors")} != {}

    question = tmp_path / "q.jsonl"
    question.write_text('{"instruction": "第1问：怎么办"}\n', encoding="utf-8")
    which = ["--model", str(tmp_path / "whole")] if method == "norms" else []
    which = which or ["--model", str(small), "--adapter", str(tmp_path / "whole")]
    out = tmp_path / "answers.jsonl"
    assert main(["infer", str(question), *which, "--max-new-tokens", "4", "--out", str(out)]) == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1
    if objective == "first":
        log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
        assert any("eval_loss" in row for row in log)


def test_exactly_what_the_method_says_changes(short_run, small, tmp_path):
    train(short_run("out", method="norms", max_steps=2, batch_size=4, learning_rate=1e-2))
    before, after = (load_file(Path(at) / "model.safetensors") for at in (small, tmp_path / "out"))
    changed = {name for name in before if not torch.equal(before[name].float(), after[name].float())}
    assert changed == {name for name in before if "norm" in name}
    assert load_base(resolve(ModelSpec(base=str(tmp_path / "out")))).model is not None
