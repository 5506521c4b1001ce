"""Broken off and resumed equals uninterrupted, bit for bit on the CPU, where no other test of a method says so:
full training, and pretraining of a base whose vocabulary was widened.
"""

from __future__ import annotations

import pytest

from cornucopia.core.jsonl import read_jsonl
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.models.vocabulary.extend import ExtendOptions, extend
from cornucopia.training.run import callbacks
from cornucopia.training.run.loop import train


class Stop(Exception):
    pass


@pytest.fixture
def broken(monkeypatch):
    """Trains a recipe until it is broken off after its third step."""

    def stop(self, args, state, control, **_):
        if state.global_step == 3:
            raise Stop

    def run(recipe):
        with monkeypatch.context() as patch, pytest.raises(Stop):
            patch.setattr(callbacks.InterruptCallback, "on_step_end", stop)
            train(recipe)

    return run


@pytest.fixture(scope="module")
def widened(small, tmp_path_factory):
    """`small` with pieces learnt from a text, and the text."""
    folder = tmp_path_factory.mktemp("widened")
    text = folder / "text.txt"
    lines = [f"第{n}条：保险公司应当在收到理赔申请后三十日内作出核定。" for n in range(40)]
    text.write_text("\n\n".join(lines), "utf-8")
    extend(ExtendOptions(base=str(small), corpus=[str(text)], size=8, out=str(folder / "model")))
    return folder / "model", text


@pytest.mark.parametrize("kind", ["full", "new vocabulary"])
def test_broken_off_and_resumed_it_ends_with_the_same_bits(kind, short_run, broken, request, tmp_path):
    settings = {"max_steps": 4, "batch_size": 2, "learning_rate": 1e-3, "method": "full", "val_set_size": 0}
    if kind != "full":
        base, text = request.getfixturevalue("widened")
        settings |= {"base_model": str(base), "data_path": [str(text)], "objective": "pretrain", "method": "lora",
                     "modules_to_save": ["embed_tokens", "lm_head"], "lora_dropout": 0.1, "cutoff_len": 24}  # fmt: skip
    train(short_run("whole", **settings))
    broken(short_run("broken", **settings))
    train(short_run("broken", resume=True, **settings))
    name = "model.safetensors" if kind == "full" else "adapter_model.safetensors"
    assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    losses = [[row["loss"] for row in read_jsonl(tmp_path / part / "log.jsonl")] for part in ("whole", "broken")]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    if kind == "full":  # a checkpoint is a model of its own
        model = resolve(ModelSpec(base=str(next((tmp_path / "broken").glob("checkpoint-*")))))
        assert model.tokenizer.encode("保险")
