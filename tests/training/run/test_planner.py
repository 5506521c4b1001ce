"""Fitting a step to the memory: choice before a run, stepping down when memory runs out, resuming either."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.kernels import swiglu
from cornucopia.models.memory import read_shape
from cornucopia.tokens.render import Example
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.data.store import TokenStore
from cornucopia.training.run import planner
from cornucopia.training.run.callbacks import InterruptCallback
from cornucopia.training.run.loop import train

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def recipe(short_run):
    """A run whose result does not depend on how an update is cut (no dropout)."""

    def make(name="out", **settings):
        steady = {"max_steps": 5, "batch_size": 8, "learning_rate": 1e-3, "lora_dropout": 0.0}
        return short_run(name, **steady | settings)

    return make


@pytest.fixture
def full_at(monkeypatch):
    """Make the MLPs run out of memory in training; `when` sees the tokens of the pass."""
    plain, widths = swiglu._mlp_forward, []

    def install(when, error):
        def forward(self, x):
            if self.training:
                widths.append(x.shape[1])
                if when(x.shape[1]):
                    raise error
            return plain(self, x)

        monkeypatch.setattr(swiglu, "_mlp_forward", forward)
        return widths

    return install


def same_as(tmp_path, one, other):
    first, second = (load_file(tmp_path / name / WEIGHTS) for name in (one, other))
    losses = [[r["loss"] for r in read_jsonl(tmp_path / name / "log.jsonl") if "loss" in r] for name in (one, other)]
    return all(torch.allclose(first[k], second[k], atol=2e-5) for k in first) and losses[0] == pytest.approx(
        losses[1], rel=1e-4
    )


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


def test_out_of_memory_cuts_the_update_smaller_and_changes_nothing_else(recipe, full_at, tmp_path, capsys):
    train(recipe("whole"))
    widths = full_at(lambda tokens: tokens > 150, ERRORS[1])
    result = train(recipe("cut"))
    assert result["finished"] and result["steps"] == 5 and max(widths) > 150
    assert same_as(tmp_path, "cut", "whole")
    told = [line for line in capsys.readouterr().err.splitlines() if "内存不够，改小后继续" in line]
    assert 1 <= len(told) <= 3 and "每次更新仍是 8 条" in told[0]


def test_what_counts_as_out_of_memory():
    assert all(planner.is_out_of_memory(error) for error in ERRORS)
    others = [RuntimeError("shapes do not match"), ValueError("out of memory"), KeyboardInterrupt()]
    assert not any(planner.is_out_of_memory(error) for error in others)


def test_memory_that_runs_out_later_costs_only_the_steps_since_the_checkpoint(recipe, full_at, tmp_path, capsys):
    train(recipe("whole"))
    calls = iter(range(10**6))
    full_at(lambda tokens: next(calls) == 7, torch.OutOfMemoryError("out of memory"))  # the fourth update
    assert train(recipe("cut"))["steps"] == 5
    assert "checkpoint-2 接着练" in capsys.readouterr().err
    assert same_as(tmp_path, "cut", "whole")
    assert [r["step"] for r in read_jsonl(tmp_path / "cut" / "log.jsonl")] == [1, 2, 3, 4, 5]


def test_at_one_document_activations_are_recomputed_and_then_it_gives_up(recipe, full_at, tmp_path, capsys):
    train(recipe("whole", batch_size=2, max_steps=2))
    count = iter(range(10**6))
    full_at(lambda tokens: next(count) < 2, torch.OutOfMemoryError("out of memory"))
    train(recipe("cut", batch_size=2, max_steps=2))
    assert "，重算激活" in capsys.readouterr().err
    assert json.loads((tmp_path / "cut" / planner.MEMORY).read_text())["gradient_checkpointing"] is True
    assert same_as(tmp_path, "cut", "whole")
    full_at(lambda tokens: True, torch.OutOfMemoryError("out of memory"))
    with pytest.raises(ConfigError, match="内存不够"):
        train(recipe("never"))


def test_other_errors_are_not_taken_for_a_lack_of_memory(recipe, full_at):
    full_at(lambda tokens: True, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        train(recipe())


def test_a_resumed_run_keeps_the_portions_it_was_stepped_down_to(recipe, full_at, monkeypatch, tmp_path):
    dropout = {"lora_dropout": 0.1, "batch_size": 8}
    widths = full_at(lambda tokens: tokens > 150, torch.OutOfMemoryError("out of memory"))
    train(recipe("whole", **dropout))
    plain = InterruptCallback.on_step_end

    def stop(self, args, state, control, **rest):
        if state.global_step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(InterruptCallback, "on_step_end", stop)
    with pytest.raises(KeyboardInterrupt):
        train(recipe("broken", **dropout))
    monkeypatch.setattr(InterruptCallback, "on_step_end", plain)
    widths.clear()
    train(recipe("broken", **dropout, resume=True))
    assert max(widths) <= 150  # not tried again with what did not fit
    assert (tmp_path / "broken" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_auto_takes_the_largest_portion_that_fits_and_resumes_with_it(recipe, small, monkeypatch, tmp_path, capsys):
    train(recipe("whole", max_steps=2))
    plan, shape = plan_of([60] * 24), read_shape(small)
    peaks = {m: planner.memory_of(recipe(micro_batch_size=m), plan, shape, 4).peak for m in (1, 2, 4, 8)}
    assert sorted(peaks.values()) == list(peaks.values())
    monkeypatch.setattr(planner, "room", lambda device: (0, int(peaks[4] / planner.MARGIN) + 1))
    assert planner.fit(recipe(), plan, shape, 4, planner.room("cpu")[1]).micro == 4
    train(recipe("cut", auto=True, max_steps=2))
    chosen = json.loads((tmp_path / "cut" / planner.MEMORY).read_text())["micro_batch_size"]
    assert chosen in (2, 4) and f"自动安排：每次前向 {chosen} 条" in capsys.readouterr().err
    assert same_as(tmp_path, "cut", "whole")
    shutil.rmtree(tmp_path / "cut" / "checkpoint-2")
    (tmp_path / "cut" / "train_result.json").unlink()
    monkeypatch.setattr(planner, "room", lambda device: (0, 2**40))
    train(recipe("cut", auto=True, max_steps=2, resume=True))  # much room now, and yet the same portions
    assert json.loads((tmp_path / "cut" / planner.MEMORY).read_text())["micro_batch_size"] == chosen


def test_auto_recomputes_activations_when_one_document_does_not_fit_without(recipe, small):
    plan, shape = plan_of([500] * 8), read_shape(small)
    peaks = [
        planner.memory_of(recipe(micro_batch_size=1, gradient_checkpointing=again), plan, shape, 4).peak
        for again in (False, True)
    ]
    assert peaks[1] < peaks[0]
    between = int(sum(peaks) / 2 / planner.MARGIN)
    chosen = planner.fit(recipe(), plan, shape, 4, between)
    assert chosen.micro == 1 and chosen.gradient_checkpointing and chosen.batch_size == 8
    with pytest.raises(ConfigError, match="--bits 4"):
        planner.fit(recipe(), plan, shape, 4, 1000)


@pytest.mark.parametrize(("batch", "micro"), [(6, 6), (64, 64), (96, 48), (7, 7), (1, 1)])
def test_stepping_down_ends_soon_and_always_divides_the_update(batch, micro, recipe):
    current, seen = recipe(batch_size=batch, micro_batch_size=micro), []
    for failures in range(1, 100):
        current = planner.step_down(current, failures)
        if current is None:
            break
        seen.append((current.micro, current.gradient_checkpointing))
        assert batch % current.micro == 0 and current.batch_size == batch
    assert len(seen) < planner.TRIES and seen[-1] == (1, True)


def test_the_largest_pass_is_the_one_that_training_meets(recipe):
    lengths = [10, 90, 10, 10, 80, 10, 10, 10]
    together = planner.step_of(recipe(micro_batch_size=2, group_by_length=True), plan_of(lengths), 4)
    assert together.tokens == 100  # an update is shared out among its passes: 90 + 10 and 80 + 10
    padded = planner.step_of(recipe(micro_batch_size=2, packing=False, group_by_length=True), plan_of(lengths), 4)
    assert padded.tokens == 180


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"micro_batch_size": 3, "gradient_checkpointing": false}'])
def test_a_damaged_note_of_the_choice_is_ignored(text, recipe, tmp_path):
    (tmp_path / planner.MEMORY).write_text(text)
    assert planner.remembered(tmp_path, recipe()) is None


def test_the_room_counts_a_containers_limit(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8 * 2**30))
    values = {"memory.max": str(3 * 2**30), "memory.current": str(2**30 + 500)}
    values["memory.stat"] = "anon 7\ninactive_file 500"
    monkeypatch.setattr(planner.Path, "read_text", lambda self, **_: values[self.name])
    own, free = planner.room("cpu")
    assert own == planner.PROGRAM_CPU and 2 * 2**30 < free < 4 * 2**30
    assert planner.free_bytes("cpu") == 2 * 2**30


def plan_of(lengths):
    examples = [Example([1] * n, [-100] + [1] * (n - 1)) for n in lengths]
    return DataPlan(TokenStore.of(examples), TokenStore.of([]))
