"""GRPO and RLOO: TRL's numbers, rollouts that are drawn again alike, a reward that rises, and bad input."""

from __future__ import annotations

import json
import types
from collections import defaultdict

import pytest
import torch

from cornucopia.core.errors import ConfigError, CornucopiaError, UsageError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.finance.problems import generate
from cornucopia.inference.rollouts import Rollouts
from cornucopia.records.episode import Episode, Turn
from cornucopia.records.schema import Message, Record, ToolCall
from cornucopia.training.objectives.policy_loss import clipped, distance, flat_groups, group_relative, leave_one_out
from cornucopia.training.objectives.rollout_batch import log_probabilities, rollout_batch
from cornucopia.training.rewards import REWARDS
from cornucopia.training.rewards.reward import Reward, Verdict
from cornucopia.training.run.loop import train


@pytest.fixture
def data(tmp_path):
    rows = [
        {"instruction": p.question, "output": p.answer, "calculator": p.calculator, "inputs": p.inputs}
        for p in generate(8, seed=3)
    ]
    path = tmp_path / "sums.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False, default=str) for row in rows) + "\n", "utf-8")
    return path


@pytest.fixture
def easy(monkeypatch):
    """A reward that random models meet sometimes: the more Chinese, the better."""

    def check(row, episode, settings):
        said = episode.answer
        return Verdict(sum("一" <= character <= "鿿" for character in said) / max(len(said), 1))

    monkeypatch.setitem(REWARDS, "chinese", Reward("chinese", "中文的比例", check))


@pytest.fixture
def run(short_run, data, easy):
    def make(name, **settings):
        values = {
            "objective": "grpo", "data_path": [str(data)], "rewards": ["chinese"], "batch_size": 4, "max_steps": 4,
            "group_size": 4, "max_new_tokens": 8, "lora_r": 4, "lora_dropout": 0.0, "val_set_size": 0,
            "learning_rate": 1e-2, "lr_scheduler_type": "constant", "warmup_ratio": 0,
        }  # fmt: skip
        return short_run(name, **values | settings)

    return make


def test_advantages_and_flat_groups():
    rewards = torch.tensor([1.0, 0, 0, 1, 0.5, 0.5, 0.5, 0.5])
    assert torch.allclose(group_relative(rewards, 4, scaled=False), rewards - 0.5)
    assert torch.allclose(leave_one_out(rewards, 4)[:4], torch.tensor([2 / 3, -2 / 3, -2 / 3, 2 / 3]))
    assert flat_groups(rewards, 4).tolist() == [False, True]
    assert not group_relative(rewards, 4)[4:].any()


def _trl(kind, **fields):
    """A TRL trainer's loss alone, of given log-probabilities."""
    trainer = pytest.importorskip(f"trl.trainer.{kind}_trainer")
    cls = {"grpo": "GRPOTrainer", "rloo": "RLOOTrainer"}[kind]
    return getattr(trainer, cls)._compute_loss, fields


def _written(seed=0, rows=8, last=6):
    generator = torch.Generator().manual_seed(seed)
    logps = -torch.rand(rows, last, generator=generator) * 3
    lengths = torch.randint(1, last + 1, (rows,), generator=generator)
    mask = (torch.arange(last)[None] >= last - lengths[:, None]).float()  # padded on the left, as ours are
    before = logps + torch.randn(rows, last, generator=generator) * 0.3
    start = logps + torch.randn(rows, last, generator=generator) * 0.3
    return logps * mask, before * mask, start * mask, mask


class _Stub:
    """What TRL's loss asks its trainer for."""

    def __init__(self, logps, **fields):
        self._logps = logps
        self._metrics = {"train": defaultdict(list)}
        gathered = types.SimpleNamespace(
            gather=lambda x: x, num_processes=1, reduce=lambda x, reduction="sum": x, gather_for_metrics=lambda x: x
        )
        self.accelerator, self.model = gathered, types.SimpleNamespace(training=True)
        self.__dict__.update(fields)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return {"current_gradient_accumulation_steps": 1, "epsilon_low": 0.2, "epsilon_high": 0.28}.get(name)

    def _get_per_token_logps_and_entropies(self, *arguments, **named):
        return self._logps, torch.zeros_like(self._logps), None


def _inputs(mask, advantages):
    ones = torch.ones(len(mask), 2, dtype=torch.long)
    return {"prompt_ids": ones, "prompt_mask": ones, "completion_ids": mask.long(), "completion_mask": mask,
            "advantages": advantages, "num_items_in_batch": mask.sum()}  # fmt: skip


@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "dr_grpo"])
def test_the_loss_is_trls_grpo(loss_type):
    loss, _ = _trl("grpo")
    logps, before, start, mask = _written()
    advantages = group_relative(torch.rand(8, generator=torch.Generator().manual_seed(1)), 4)
    args = types.SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1)
    stub = _Stub(logps, beta=0.1, loss_type=loss_type, max_completion_length=6, args=args,
                 importance_sampling_level="token", top_entropy_quantile=1.0)  # fmt: skip
    inputs = _inputs(mask, advantages) | {"old_per_token_logps": before, "ref_per_token_logps": start}
    theirs = loss(stub, None, inputs)
    losses = clipped(logps, before, advantages[:, None], 0.2, 0.28) + 0.1 * distance(logps, start)
    weights = mask / mask.sum(1, keepdim=True) if loss_type == "grpo" else mask
    counted = {"grpo": 8, "dapo": mask.sum(), "dr_grpo": 8 * 6}[loss_type]
    assert torch.allclose(theirs, (losses * weights).sum() / counted, atol=1e-6)


def test_the_loss_is_trls_rloo(run):
    from cornucopia.training.objectives.reinforce import Rloo

    loss, _ = _trl("rloo")
    logps, before, _, mask = _written(seed=2)
    advantages = leave_one_out(torch.rand(8, generator=torch.Generator().manual_seed(1)), 4)
    theirs = loss(_Stub(logps), None, _inputs(mask, advantages) | {"old_logps": before.sum(1)})
    objective = object.__new__(Rloo)
    objective.recipe = types.SimpleNamespace(clip_low=0.2, clip_high=0.28)
    ours = objective.losses(logps, {"weights": mask, "advantages": advantages[:, None], "before": before})
    assert torch.allclose(theirs, (ours * mask).sum() / 8, atol=1e-6)


def test_only_what_the_model_wrote_counts_and_padding_changes_nothing(small):
    from cornucopia.models.load import load_base
    from cornucopia.models.spec import ModelSpec, resolve

    model = load_base(resolve(ModelSpec.build({"base": str(small), "dtype": "float32", "device": "cpu"}))).model.eval()
    long, short = Turn((5, 6, 7, 8, 9), (10, 11, 12)), Turn((5, 6), (20,))
    episodes = [Episode(Record(), turns=(long, short)), Episode(Record(), turns=(short,))]
    batch = rollout_batch(episodes, [1.0, -1.0], [0.5, 1.0])
    assert batch["weights"].tolist() == [[0.5, 0.5, 0.5], [0, 0, 0.5], [0, 0, 1.0]]
    assert batch["advantages"].flatten().tolist() == [1, 1, -1]
    with torch.no_grad():
        ours = log_probabilities(model, batch, 0.7)
        for row, turn in enumerate((long, short, short)):
            ids = torch.tensor([[*turn.prompt, *turn.tokens]])
            logits = model(ids).logits[0].float() / 0.7
            expected = logits.log_softmax(-1)[range(len(turn.prompt) - 1, ids.shape[1] - 1), turn.tokens]
            assert torch.allclose(ours[row, -len(turn.tokens) :], expected, atol=1e-5)


@pytest.mark.parametrize("objective", ["grpo", "rloo"])
def test_the_reward_rises_and_is_told(objective, run, tmp_path):
    settings = {
        "method": "full",
        "max_steps": 10,
        "batch_size": 8,
        "group_size": 8,
        "kl_beta": 0.001,
        "learning_rate": 3e-2,
    }
    train(run("out", objective=objective, **settings), rollouts=Rollouts)
    rows = [row for row in read_jsonl(tmp_path / "out/log.jsonl") if "loss" in row]
    rewards = [row["rollout_reward"] for row in rows]
    assert sum(rewards[-2:]) > sum(rewards[:2]) + 0.3
    assert rows[0]["rollout_chinese"] == rows[0]["rollout_reward"] and 0 <= rows[0]["rollout_flat_groups"] <= 1
    assert 0 < rows[0]["rollout_tokens"] <= 8


@pytest.mark.parametrize(("objective", "method"), [("grpo", "lora"), ("rloo", "lora"), ("grpo", "full")])
def test_broken_off_and_resumed_it_ends_with_the_same_bits(objective, method, run, tmp_path, monkeypatch):
    from cornucopia.training.run import callbacks

    rate = {"learning_rate": 1e-2 if method == "lora" else 1e-3}
    settings = {"objective": objective, "method": method, "kl_beta": 0.05, "micro_batch_size": 2, **rate}
    train(run("whole", **settings), rollouts=Rollouts)

    class Stop(Exception):
        pass

    def stop(self, args, state, control, **_):
        if state.global_step == 3:
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(callbacks.InterruptCallback, "on_step_end", stop)
        train(run("cut", **settings), rollouts=Rollouts)
    train(run("cut", **settings, resume=True), rollouts=Rollouts)
    name = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
    whole, cut = (list(read_jsonl(tmp_path / f / "log.jsonl")) for f in ("whole", "cut"))
    assert [row["rollout_reward"] for row in whole] == [row["rollout_reward"] for row in cut]


def test_validation_is_by_greedy_answers(run, tmp_path, data):
    train(run("out", max_steps=2, eval_steps=1, val_set_size=0, val_data=str(data)), rollouts=Rollouts)
    rows = [row for row in read_jsonl(tmp_path / "out/log.jsonl") if "eval_reward" in row]
    assert rows and all(abs(row["eval_loss"] + row["eval_reward"] - 1) < 1e-6 for row in rows)


def test_bad_input_is_told(run, tmp_path, short_run, data):
    with pytest.raises(CornucopiaError, match="group_size"):
        run("out", group_size=1)
    with pytest.raises(ConfigError, match="calculator"):
        train(run("out", rewards=["calculater"]), rollouts=Rollouts)
    with pytest.raises(UsageError, match="cornucopia train"):
        train(run("out"))
    plain = tmp_path / "plain.jsonl"
    plain.write_text('{"instruction": "什么是保险？", "output": "一种安排。"}\n', "utf-8")
    with pytest.raises(CornucopiaError, match="没有可核对的东西"):
        train(run("none", data_path=[str(plain)], rewards=["calculator", "format"]), rollouts=Rollouts)


def test_tools_are_run_and_their_results_are_not_learnt(small, tokenizer, monkeypatch):
    """The model is made to call a calculator first, then to answer."""
    from cornucopia.finance.tools import find_tool
    from cornucopia.models.load import load_base
    from cornucopia.models.spec import ModelSpec, resolve
    from cornucopia.tokens.template import resolve_template

    base = load_base(resolve(ModelSpec.build({"base": str(small), "dtype": "float32", "device": "cpu"})))
    tool = find_tool("equal_payment")
    rollouts = Rollouts(base.model, tokenizer, resolve_template("fin_tools", tokenizer), max_new_tokens=80,
                        temperature=1.0, rounds=2)  # fmt: skip
    call = "<tool_call>equal_payment(principal='100万', rate='4.9%', months='30年')</tool_call>"
    said = iter([call, "每月还5307.27元。"])

    def scripted(batch):
        (row,), batch.rows = batch.rows, []
        row.tokens, row.finish = tokenizer(next(said), add_special_tokens=False).input_ids, "stop"
        return [row]

    monkeypatch.setattr("cornucopia.inference.running_batch.PaddedBatch.step", scripted)
    record = Record((Message("user", "贷100万30年4.9%等额本息月供？"),), tools=(tool.schema,))
    (episode,) = rollouts.sample([record], [1])
    assert [message.role for message in episode.said] == ["assistant", "tool", "assistant"]
    assert isinstance(episode.said[0].tool_calls[0], ToolCall) and "5307.27" in episode.said[1].content
    assert episode.answer == "每月还5307.27元。" and len(episode.turns) == 2
    assert "5307.27" in tokenizer.decode(episode.turns[1].prompt) and episode.finish == "stop"


@pytest.mark.parametrize("name", ["grpo", "rloo"])
def test_its_recipe_runs(name, small, tmp_path):
    from pathlib import Path

    from cornucopia.training.recipe import TrainRecipe

    root = Path(__file__).resolve().parents[3]
    rows = list(read_jsonl(root / "instruction_data/fin_data.json"))
    some = [row for row in rows if row["kind"] == "calc"][:4] + [row for row in rows if row["kind"] == "conduct"][:4]
    (tmp_path / "some.json").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in some), "utf-8")
    tiny = {"base": str(small), "data_path": [str(tmp_path / "some.json")], "output_dir": str(tmp_path / "out"),
            "max_steps": 1, "batch_size": 2, "micro_batch_size": 2, "group_size": 2, "max_new_tokens": 4,
            "dtype": "float32", "device": "cpu"}  # fmt: skip
    result = train(TrainRecipe.load(root / f"recipes/{name}.yaml", tiny), rollouts=Rollouts)
    (row,) = [row for row in read_jsonl(tmp_path / "out/log.jsonl") if "loss" in row]
    assert result["steps"] == 1 and {"rollout_numbers", "rollout_format", "rollout_conduct"} <= set(row)
