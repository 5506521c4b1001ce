"""A run whose numbers stop being finite ends at that step, as an error, and keeps what was sound."""

from __future__ import annotations

import json

import pytest
import torch

from cornucopia.cli.main import main
from cornucopia.training.objectives.next_token import NextToken
from cornucopia.training.run import checkpoint as ck
from cornucopia.training.run.divergence import Diverged
from cornucopia.training.run.loop import train


def strict_rows(path):
    def refuse(word):
        raise ValueError(word)

    return [json.loads(line, parse_constant=refuse) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def broken_from(monkeypatch):
    """The loss of training becomes a value from a forward pass on, counted from 1."""
    plain, passes = NextToken.loss, []

    def install(number, value):
        def loss(self, model, batch, items):
            passes.append(1)
            result = plain(self, model, batch, items)
            return result * value if len(passes) == number else result

        monkeypatch.setattr(NextToken, "loss", loss)

    return install


@pytest.mark.parametrize("method", ["lora", "full", "freeze"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_it_stops_at_the_step_keeps_the_last_checkpoint_and_is_an_error(
    method, value, short_run, broken_from, tmp_path
):
    broken_from(4 * 2 + 1, value)  # the first of two passes of the fifth update
    with pytest.raises(Diverged, match=r"(?s)第 5 步.*checkpoint-4.*--learning-rate") as caught:
        train(short_run("out", method=method, max_steps=9, batch_size=4, micro_batch_size=2))
    out = tmp_path / "out"
    assert caught.value.exit_code == 1 and ck.last_complete(out) == out / "checkpoint-4"
    rows = strict_rows(out / "log.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(row.get("loss") != 0 for row in rows) and rows[-1]["diverged"]["损失"] is None
    result = json.loads((out / "train_result.json").read_text())
    assert result["finished"] is False and result["steps"] == 4 and result["diverged_at"] == 5
    assert result["loss_last"] > 0 and not list(out.glob("*.safetensors"))


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("every", [1, 100])
def test_it_is_caught_at_its_step_however_seldom_is_logged(packing, every, short_run, broken_from):
    broken_from(6, float("nan"))
    settings = {"max_steps": 20, "batch_size": 4, "logging_steps": every, "save_steps": 100, "packing": packing}
    with pytest.raises(Diverged) as caught:
        train(short_run("out", **settings, objective="pretrain"))
    assert caught.value.step == 6


def test_a_gradient_that_overflows_under_a_finite_loss_is_caught(short_run, monkeypatch):
    from cornucopia.training.run.trainer import ObjectiveTrainer

    plain = ObjectiveTrainer._clip_grad_norm

    def clip(self, model):
        if self.state.global_step == 2:
            next(p for p in model.parameters() if p.grad is not None).grad.fill_(float("inf"))
        return plain(self, model)

    monkeypatch.setattr(ObjectiveTrainer, "_clip_grad_norm", clip)
    with pytest.raises(Diverged, match="第 3 步的梯度范数"):
        train(short_run("out", max_steps=5, batch_size=4))


def test_a_validation_loss_that_is_not_finite_is_caught(short_run, monkeypatch, tmp_path):
    plain = NextToken.sums
    monkeypatch.setattr(NextToken, "sums", lambda *a: {k: v * float("inf") for k, v in plain(*a).items()})
    with pytest.raises(Diverged, match="第 2 步的验证"):
        train(short_run("out", max_steps=4, batch_size=4, val_set_size=4, eval_steps=2))
    assert not json.loads((tmp_path / "out" / "train_result.json").read_text())["finished"]


def test_weights_that_the_last_update_breaks_are_not_kept(short_run, monkeypatch, tmp_path):
    from cornucopia.training.run.callbacks import LogCallback

    def spoil(self, args, state, control, model, **_):
        if state.global_step == 3:
            with torch.no_grad():
                next(p for p in model.parameters() if p.requires_grad).fill_(float("nan"))

    monkeypatch.setattr(LogCallback, "on_step_end", spoil)
    with pytest.raises(Diverged, match="权重"):
        train(short_run("out", max_steps=3, batch_size=4))
    out = tmp_path / "out"
    assert ck.last_complete(out) == out / "checkpoint-2" and not (out / "adapter_model.safetensors").exists()


def test_as_typed_a_learning_rate_far_too_high_ends_as_an_error(small, questions, tmp_path, capsys):
    words = f"--base-model {small} --data {questions} --method full --batch-size 8 --learning-rate 3e15 --device cpu"
    words += f" --warmup-ratio 0 --max-steps 6 --logging-steps 1 --report-to none --output-dir {tmp_path / 'out'}"
    assert main(["train", *words.split()]) == 1
    told = capsys.readouterr().err
    assert "训练发散：第 2 步" in told and "Traceback" not in told and "训练完成" not in told
    assert strict_rows(tmp_path / "out" / "log.jsonl")[-1]["step"] == 2


def test_an_update_without_a_trained_token_is_no_divergence(short_run, monkeypatch):
    plain = NextToken.items
    monkeypatch.setattr(NextToken, "items", lambda self, batch: plain(self, batch) * 0)
    assert train(short_run("out", max_steps=2, batch_size=4))["finished"]
