"""Ways to compute the same step: tried at the start of a run, kept with it, the same after a resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from families import make, with_lora

from cornucopia.kernels import fusion, packed_attention
from cornucopia.tokens.render import Example
from cornucopia.training.data.batches import pack_row
from cornucopia.training.objectives.next_token import answer_loss
from cornucopia.training.run import fast, planner, ways
from cornucopia.training.run.callbacks import InterruptCallback
from cornucopia.training.run.fast import extras, slow_down, speed_up, switch_off
from cornucopia.training.run.loop import train

HEADS = (4, 2, 16)


@pytest.fixture
def fast_cpu(monkeypatch):
    """A CPU with 16-bit matrix instructions, and every run long enough."""
    monkeypatch.setattr(ways, "cpu_has_fast_bfloat16", lambda: True)
    monkeypatch.setattr(ways, "_WORTH", 0)


@pytest.fixture
def clock(monkeypatch):
    """Time passes only in attention, so much for each block of queries (by default as in PyTorch's own)."""
    now, costs, plain = [0.0], {}, packed_attention._attend

    def attend(bucket, *rest):
        block = packed_attention._block(bucket[0].shape[2])
        now[0] += costs.get((bucket[0].shape[2], block), costs.get(block, 1.0))
        return plain(bucket, *rest)

    monkeypatch.setattr(packed_attention, "_attend", attend)
    monkeypatch.setattr(ways.time, "perf_counter", lambda: now[0])
    return costs


@pytest.mark.parametrize(("costs", "best"), [({128: 0.5, 256: 0.6}, 128), ({256: 0.3}, 256), ({128: 0.95}, 0), ({}, 0)])
def test_the_clearly_quickest_is_taken(costs, best, clock):
    clock.update(costs)
    assert ways.quickest(2, 20, HEADS, torch.bfloat16) == best
    assert packed_attention.use(()) == ()


def test_each_length_gets_its_own_and_the_last_ones_go_untried_when_time_is_up(clock):
    clock.update({(100, 128): 0.1, (30, 256): 0.2})
    lengths = [30] * 50 + [100] * 20 + [300] * 3 + [70]
    assert ways.try_attention(lengths, 6, HEADS, torch.bfloat16, 1e9) == ((64, 256), (128, 128), (512, 0))
    assert ways.try_attention(lengths, 6, HEADS, torch.bfloat16, 0.0) == ((64, 0), (128, 0), (512, 0))


def test_a_quicker_one_that_computes_something_else_is_not_taken(clock, monkeypatch):
    clock.update({128: 0.1, 256: 0.1})
    plain = packed_attention.blocked_attention
    monkeypatch.setattr(packed_attention, "blocked_attention", lambda q, k, v, *rest: plain(q * 1.1, k, v, *rest))
    assert ways.quickest(2, 40, HEADS, torch.bfloat16) == 0


@pytest.mark.parametrize("family", ["llama", "mistral", "bloom", "glm4"])
def test_heads_of_every_family(family):
    heads, groups, width = ways.heads_of(make(family))
    assert heads == 4 and groups in (2, 4) and width == 8


def test_a_resumed_run_computes_as_it_began_though_the_machine_would_choose_otherwise(
    short_run, fast_cpu, monkeypatch, tmp_path, capsys
):
    """Bit for bit; on the way the choice survives a restart in smaller portions, which is kept in the same file."""
    monkeypatch.setattr(ways, "quickest", lambda documents, length, *_: 16 if length > 20 else 0)
    plan = {"max_steps": 4, "batch_size": 4, "dtype": "bfloat16", "lora_dropout": 0.1, "learning_rate": 1e-2}
    train(short_run("whole", **plan))
    said = "".join(capsys.readouterr())
    assert said.count("在这台机器上试过") == 1 and "每 16 词元一块" in said
    kept = json.loads((tmp_path / "whole" / planner.MEMORY).read_text())
    assert {tuple(row) for row in kept["attention"]} <= {(64, 16), (128, 16)} and kept["compiled"] is False

    def stop(self, args, state, control, **rest):
        if state.global_step == 3:
            raise KeyError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(InterruptCallback, "on_step_end", stop)
        with pytest.raises(KeyError):
            train(short_run("cut", **plan))
    planner.remember(tmp_path / "cut", short_run("cut", **plan, micro_batch_size=4))
    monkeypatch.setattr(ways, "quickest", lambda *_: pytest.fail("tried again"))
    capsys.readouterr()
    train(short_run("cut", **plan, resume=True))
    assert "试过" not in "".join(capsys.readouterr())
    names = [Path(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert names[0] == names[1]


def test_a_run_begun_before_there_was_a_choice_goes_on_as_it_was(short_run, fast_cpu, monkeypatch, tmp_path):
    plan = {"max_steps": 4, "batch_size": 4, "dtype": "bfloat16"}
    with monkeypatch.context() as patch:
        patch.setattr(ways, "cpu_has_fast_bfloat16", lambda: False)
        train(short_run("out", **plan))
    (tmp_path / "out" / "train_result.json").unlink()
    monkeypatch.setattr(ways, "quickest", lambda *_: pytest.fail("tried"))
    train(short_run("out", **plan, resume=True))
    assert not (tmp_path / "out" / planner.MEMORY).exists()


@pytest.mark.parametrize(
    ("settings", "blocks"),
    [
        ({"attention": "sdpa"}, ()),
        ({"attention": "blocks"}, ways.FIXED["blocks"]),
        ({"dtype": "float32"}, ()),
        ({"packing": False}, ()),
    ],
)
def test_no_trial_where_there_is_nothing_to_choose(settings, blocks, short_run, fast_cpu, monkeypatch, tmp_path):
    monkeypatch.setattr(ways, "quickest", lambda *_: pytest.fail("tried"))
    used = []
    monkeypatch.setattr(fast.packed_attention, "use", lambda table: used.append(table) or ())
    train(short_run("out", **{"max_steps": 2, "batch_size": 4, "dtype": "bfloat16"} | settings))
    assert set(used) <= {blocks, ()} and (blocks in used or not settings.get("packing", True))
    assert not (tmp_path / "out" / planner.MEMORY).exists()


def test_several_processes_do_not_choose_apart(short_run, fast_cpu, monkeypatch):
    from cornucopia.training.data.store import TokenStore

    plan = type("Plan", (), {"train": TokenStore.of([Example([1, 2], [1, 2])])})
    recipe = short_run("out", dtype="bfloat16")
    args = (recipe, plan, make("llama"), "cpu", torch.bfloat16)
    assert ways._worth_trying(*args)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not ways._worth_trying(*args)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"attention": 3}', '{"attention": [[5, 1], [3, 1]]}', '{"attention": [[5]]}']
)
def test_a_file_that_says_nothing_is_no_choice(text, tmp_path):
    (tmp_path / planner.MEMORY).write_text(text)
    assert planner.remembered_ways(tmp_path) is None


@pytest.mark.parametrize("slower", [True, False])
def test_compiling_is_compared_on_the_real_step_and_leaves_no_trace(slower, monkeypatch):
    model = with_lora(make("llama"), "llama").train()
    assert speed_up(model) == ""
    now, row = [0.0], pack_row([Example(list(range(1, 9)), list(range(1, 9)))])

    def loss():
        now[0] += 3.0 if fusion.in_use() == slower else 1.0
        with monkeypatch.context() as patch:  # the time counts, not the compiler
            patch.setitem(fusion._state, "on", False)
            return answer_loss(model, row, 1)

    monkeypatch.setattr(ways.time, "perf_counter", lambda: now[0])
    before = torch.get_rng_state()
    try:
        assert ways.compiling_pays(loss, model, torch.bfloat16) != slower and fusion.in_use()
    finally:
        fusion.use(False)
    assert torch.equal(torch.get_rng_state(), before) and all(p.grad is None for p in model.parameters())


def test_a_part_can_be_switched_off_alone():
    model = with_lora(make("llama"), "llama")
    speed_up(model, blocks=((64, 4),))
    switch_off(model, "mlp")
    switch_off(model, "compiled")
    assert extras(model) == {"packed", "lora", "norm", "rows"} and packed_attention.use(((64, 4),)) == ((64, 4),)
    slow_down(model)
    assert packed_attention.use(()) == ()
