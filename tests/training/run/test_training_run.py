"""A training run: what it writes, exact resumption, Ctrl-C, refusals."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import avx512_cpu
from cornucopia.adapters.load import attach
from cornucopia.core.errors import ConfigError, DataError, Interrupted, ModelError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.models.load import load_base
from cornucopia.models.meta import read_meta
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import checkpoint as ck
from cornucopia.training.run import loop as module
from cornucopia.training.run.loop import train
from cornucopia.training.run.output import IDENTITY
from tiny_models import make_model

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def recipe(short_run):
    """A run of a few steps with everything on that could break exact resumption."""

    def make(name="out", **settings):
        busy = {
            "num_epochs": 2, "batch_size": 4, "micro_batch_size": 2, "learning_rate": 1e-2, "lora_dropout": 0.1,
            "group_by_length": True, "val_set_size": 4, "eval_steps": 2,
        }  # fmt: skip
        return short_run(name, **busy | settings)

    return make


def weights(folder):
    return (Path(folder) / WEIGHTS).read_bytes()


def log_of(folder):
    return [
        {k: v for k, v in row.items() if k != "tokens_per_second"} for row in read_jsonl(Path(folder) / "log.jsonl")
    ]


class Stop(Exception):
    pass


@pytest.fixture
def stop_at(monkeypatch):
    """Break the run after a step as a kill would: nothing is saved, nothing is closed."""
    from cornucopia.training.run.callbacks import InterruptCallback

    plain = InterruptCallback.on_step_end

    def at(step, error=Stop):
        def on_step_end(self, args, state, control, **rest):
            if state.global_step == step:
                if error is None:
                    self._stop(signal.SIGINT, None)
                else:
                    raise error
            plain(self, args, state, control, **rest)

        monkeypatch.setattr(InterruptCallback, "on_step_end", on_step_end)
        return lambda: monkeypatch.setattr(InterruptCallback, "on_step_end", plain)

    return at


def test_a_run_leaves_an_adapter_peft_loads_its_log_and_its_recipe(recipe, small, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    result = train(recipe())
    out = tmp_path / "out"
    assert result["finished"] and result["steps"] == 10 and result["loss_last"] < result["loss_first"]
    assert {p.name for p in out.iterdir() if p.is_file()} >= {
        WEIGHTS, "adapter_config.json", "cornucopia.json", "log.jsonl", "loss.png", "recipe.yaml", "train_result.json",
    }  # fmt: skip
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(small), out)
    assert any(p.abs().sum() > 0 for n, p in model.named_parameters() if "lora_B" in n)
    meta = read_meta(out)
    assert meta.template == "fin_template" and meta.base_fingerprint and meta.vocab_size == 420
    assert [row["step"] for row in log_of(out) if "loss" in row] == list(range(1, 11))
    assert [row["step"] for row in log_of(out) if "eval_loss" in row] == [2, 4, 6, 8, 10]
    assert not list(out.glob(".saving*")) and len(list(out.glob("checkpoint-*"))) <= 3
    assert TrainRecipe.load(out / "recipe.yaml") == recipe()


def test_broken_anywhere_and_resumed_it_ends_with_the_same_bits(recipe, stop_at, tmp_path):
    train(recipe("whole"))
    for step in (3, 4, 7, 9):
        broken = tmp_path / f"broken-{step}"
        back = stop_at(step)
        with pytest.raises(Stop):
            train(recipe(broken.name))
        back()
        result = train(recipe(broken.name, resume=True))
        assert weights(broken) == weights(tmp_path / "whole")
        assert log_of(broken) == log_of(tmp_path / "whole") and result["steps"] == 10
    assert train(recipe(broken.name, resume=True))["steps"] == 10  # already done: nothing is trained again
    assert weights(broken) == weights(tmp_path / "whole")


def test_ctrl_c_saves_this_very_step_and_resumes_to_the_same_bits(recipe, stop_at, small, tmp_path):
    train(recipe("whole"))
    back = stop_at(5, error=None)
    with pytest.raises(Interrupted, match="--resume"):
        train(recipe("broken"))
    back()
    assert (tmp_path / "broken" / "checkpoint-5" / ck.COMPLETE).is_file()
    base = load_base(resolve(ModelSpec(base=str(small))))
    attach(base.model, base, tmp_path / "broken", "first")  # usable as it stands
    train(recipe("broken", resume=True))
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    steps = [row["step"] for row in log_of(tmp_path / "broken") if "loss" in row]
    assert steps == list(range(1, 11))


def test_a_run_stopped_at_its_last_step_trains_none_beyond_it(recipe, stop_at, tmp_path):
    part_of_an_epoch = {"max_steps": 3, "num_epochs": 2}
    train(recipe("whole", **part_of_an_epoch))
    back = stop_at(3, error=None)
    with pytest.raises(Interrupted):
        train(recipe("broken", **part_of_an_epoch))
    back()
    result = train(recipe("broken", **part_of_an_epoch, resume=True))
    assert result["steps"] == 3 and result["finished"]
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_sigint_to_the_command_exits_130_and_leaves_an_adapter(recipe, small, questions, tmp_path):
    words = [
        sys.executable,
        "-m",
        "cornucopia",
        "train",
        "--base_model",
        small,
        "--data",
        questions,
        "-o",
        tmp_path / "o",
    ]
    words += ["--max-steps", "100000", "--batch-size", "4", "--logging-steps", "1", "--report-to", "none"]
    child = subprocess.Popen(
        [str(w) for w in words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8"
    )
    log = tmp_path / "o" / "log.jsonl"
    deadline = time.monotonic() + 240
    while not (log.exists() and log.read_bytes().count(b"\n") > 2):
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            pytest.fail(child.communicate()[1])
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    errors = child.communicate(timeout=60)[1]
    assert child.returncode == 130 and "--resume" in errors and "Traceback" not in errors
    base = load_base(resolve(ModelSpec(base=str(small))))
    attach(base.model, base, tmp_path / "o", "first")


def test_micro_batches_give_what_one_batch_gives(recipe, tmp_path):
    whole = {"batch_size": 8, "lora_dropout": 0.0, "val_set_size": 0, "max_steps": 4, "learning_rate": 1e-3}
    train(recipe("one", **whole, micro_batch_size=8))
    train(recipe("four", **whole, micro_batch_size=2))
    train(recipe("padded", **whole, micro_batch_size=2, packing=False))
    one, four, padded = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "four", "padded"))
    for name in one:
        assert torch.allclose(one[name], four[name], atol=2e-5), name
        assert torch.allclose(one[name], padded[name], atol=2e-5), name
    losses = [[row["loss"] for row in log_of(tmp_path / name)] for name in ("one", "four", "padded")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4) and losses[2] == pytest.approx(losses[0], rel=1e-4)


def test_half_written_and_half_deleted_checkpoints_are_passed_over(recipe, stop_at, tmp_path):
    back = stop_at(7)
    with pytest.raises(Stop):
        train(recipe())
    back()
    out = tmp_path / "out"
    (out / "checkpoint-6" / ck.COMPLETE).unlink()
    (out / "checkpoint-9").mkdir()
    (out / "checkpoint-mine").mkdir()
    assert ck.last_complete(out) == out / "checkpoint-4"
    assert not (out / "checkpoint-6").exists() and not (out / "checkpoint-9").exists()
    assert (out / "checkpoint-mine").is_dir()
    (out / "checkpoint-4" / "optimizer.pt").unlink()
    assert ck.last_complete(out) != out / "checkpoint-4"


def test_resuming_with_other_settings_data_or_base_is_refused(recipe, stop_at, small, questions, tmp_path):
    back = stop_at(3)
    with pytest.raises(Stop):
        train(recipe())
    back()
    with pytest.raises(ConfigError, match=r"learning_rate：上次 0\.01，这次 0\.5"):
        train(recipe(resume=True, learning_rate=0.5))
    other = tmp_path / "other.json"
    other.write_text(questions.read_text(encoding="utf-8").replace("怎么办", "怎么做"), encoding="utf-8")
    shutil.copy(other, copy := tmp_path / "same-name.json")
    with pytest.raises(ConfigError, match="data_fingerprint"):
        train(recipe(resume=True, data_path=[str(copy)]))
    with pytest.raises(ConfigError, match="已有训练"):
        train(recipe())
    assert train(recipe(overwrite=True))["steps"] == 10


def test_a_run_in_use_is_not_overwritten_by_starting_from_elsewhere(recipe, tmp_path):
    train(recipe("first", max_steps=2))
    before = weights(tmp_path / "first")
    train(recipe("second", max_steps=2, seed=1))
    for start in ("second", "first", "second/checkpoint-2"):
        with pytest.raises(ConfigError, match="已有训练"):
            train(recipe("first", max_steps=2, resume_from_checkpoint=str(tmp_path / start)))
    assert weights(tmp_path / "first") == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_base_is_never_the_output_folder(recipe, small, tmp_path, overwrite):
    base = shutil.copytree(small, tmp_path / "base")
    before = {path.name: path.read_bytes() for path in base.iterdir()}
    (tmp_path / "link").symlink_to(base)
    for output in (base, tmp_path / "link"):
        settings = {"method": "full", "overwrite": overwrite, "output_dir": str(output)}
        with pytest.raises(ConfigError, match="输出目录就是基座"):
            train(recipe(base_model=str(base), **settings))
    assert {path.name: path.read_bytes() for path in base.iterdir()} == before


def test_a_finished_adapter_is_a_start_and_a_checkpoint_is_gone_on_from(recipe, tmp_path, capsys):
    train(recipe("first"))
    train(recipe("again", resume_from_checkpoint=str(tmp_path / "first"), learning_rate=1e-12, max_steps=1, lora_r=2))
    first, again = (load_file(tmp_path / name / WEIGHTS) for name in ("first", "again"))
    assert first.keys() == again.keys()
    assert read_meta(tmp_path / "again").recipe["lora_r"] == 8  # the adapter's, whatever the recipe said
    assert "lora_r: 8" in (tmp_path / "again" / "recipe.yaml").read_text() and "lora_r 2 → 8" in capsys.readouterr().err
    assert all(torch.allclose(first[name], again[name], atol=1e-9) for name in first)
    train(recipe("on", resume_from_checkpoint=str(tmp_path / "first" / "checkpoint-8")))
    assert weights(tmp_path / "on") == weights(tmp_path / "first")
    with pytest.raises(ModelError, match="找不到适配器"):
        train(recipe("none", resume_from_checkpoint=str(tmp_path / "nowhere")))


def test_a_forbidden_folder_is_told_before_data_is_read_and_a_dry_run_shows_the_plan(recipe, monkeypatch, tmp_path):
    output = tmp_path / "used"
    output.mkdir()
    (output / "model.safetensors").write_bytes(b"x")
    made = recipe(output_dir=str(output))
    assert train(made.model_copy(update={"dry_run": True}))["steps"] == 10
    monkeypatch.setattr("cornucopia.training.run.loop.prepare", lambda *_: pytest.fail("data was read"))
    with pytest.raises(ConfigError, match="不是空的"):
        train(made)


def test_a_dry_run_loads_no_weights_and_writes_nothing(recipe, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "load_base", lambda *a, **k: pytest.fail("loaded"))
    result = train(recipe(dry_run=True))
    shown = capsys.readouterr().out
    assert result["dry_run"] and result["steps"] == 10 and list(tmp_path.iterdir()) == []
    for part in ("配方", "20 / 4", "fin_template", "内存估计", "合计", "更新步数", "计入损失的占比"):
        assert part in shown


@pytest.mark.parametrize("size", [24, 1200])
def test_a_validation_set_as_large_as_the_data_says_what_fits(size, recipe):
    with pytest.raises(DataError) as error:
        train(recipe(val_set_size=size))
    assert "至多 23 条" in error.value.fix and str(size) in error.value.found


@pytest.mark.parametrize(
    ("bits", "kind", "checkpointing"),
    [(4, "auto", True), (4, "auto", False), (8, "int8", True), (8, "int8_dot", False), (8, "fp8", True)],
)
def test_quantised_bases_train_on_cpu(bits, kind, checkpointing, recipe, tmp_path, capsys):
    plan = {"max_steps": 2, "val_set_size": 0, "gradient_checkpointing": checkpointing}
    result = train(recipe(bits=bits, quant_type=kind, **plan))
    assert result["steps"] == 2
    told = capsys.readouterr()
    assert "LoRA 与冻结权重合并计算" in told.out + told.err
    assert any(t.abs().sum() > 0 for n, t in load_file(tmp_path / "out" / WEIGHTS).items() if "lora_B" in n)


@pytest.mark.parametrize(("width", "packing"), [(32, False), (64, True)])
def test_4_bit_training_is_the_same_where_bitsandbytes_rewrites_weights(width, packing, recipe, tmp_path, monkeypatch):
    """It does so on CPUs with AVX512-BF16 at the first validation; the steps after it then got no gradient."""
    pytest.importorskip("bitsandbytes", minversion="0.49")
    base = str(make_model(tmp_path / "base", width=width))
    plan = {"bits": 4, "max_steps": 4, "packing": packing, "base_model": base, "prompt_template_name": "alpaca"}
    train(recipe("plain", **plan))
    avx512_cpu.pretend(monkeypatch)
    train(recipe("there", **plan))
    assert weights(tmp_path / "there") == weights(tmp_path / "plain")


def test_full_training_leaves_a_whole_model(recipe, small, tmp_path):
    (tmp_path / "base").mkdir()
    for file in small.iterdir():
        shutil.copy(file, tmp_path / "base" / file.name)
    (tmp_path / "base" / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    result = train(recipe(method="full", max_steps=2, base_model=str(tmp_path / "base"), prompt_template_name="alpaca"))
    assert result["trained_parameters"] > 20000
    tuned, before = (load_base(resolve(ModelSpec(base=str(at)))) for at in (tmp_path / "out", small))
    assert tuned.fingerprint != before.fingerprint and tuned.tokenizer.chat_template
    ids = torch.tensor([[1, 300, 301]])
    assert not torch.equal(tuned.model(ids).logits, before.model(ids).logits)


def test_pretraining_on_plain_text(recipe, tmp_path):
    text = tmp_path / "文.txt"
    text.write_text("基金净值下跌时要不要赎回？先看投资期限。\n\n" * 30, encoding="utf-8")
    plan = {"stage": "pretrain", "data_path": [str(text)], "cutoff_len": 32, "max_steps": 2, "val_set_size": 0}
    result = train(recipe(**plan))
    assert result["steps"] == 2 and result["tokens"] > 100


def test_a_setting_younger_than_a_run_counts_only_where_it_was_given(recipe, stop_at, tmp_path):
    back = stop_at(3)
    with pytest.raises(Stop):
        train(recipe())
    back()
    path = tmp_path / "out" / IDENTITY
    older = json.loads(path.read_text())
    path.write_text(
        json.dumps({key: value for key, value in older.items() if key not in ("compile", "quant_type", "attention")})
    )
    with pytest.raises(ConfigError, match="compile：上次 auto，这次 off"):
        train(recipe(resume=True, compile="off"))
    assert train(recipe(resume=True))["steps"] == 10


def test_settings_of_other_methods_decide_nothing():
    full, other = (TrainRecipe.build({"method": "full", "lora_r": rank}).identity() for rank in (4, 8))
    assert full == other and TrainRecipe(lora_r=4).identity() != TrainRecipe(lora_r=8).identity()


def test_the_card_tells_in_chinese_what_was_done_and_no_path_of_this_machine(recipe, small, questions, tmp_path):
    train(recipe(max_steps=2))
    out = tmp_path / "out"
    text = (out / "README.md").read_text(encoding="utf-8")
    for part in (
        small.name,
        "lora_r 8",
        questions.name,
        "训练损失",
        "验证损失",
        "fin_template",
        "许可",
        "cornucopia chat",
    ):
        assert part in text, part
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == small.name
    for folder in (out, *out.glob("checkpoint-*")):
        for name in ("README.md", "adapter_config.json"):
            assert not (folder / name).exists() or str(tmp_path.parent) not in (folder / name).read_text("utf-8")
    train(recipe("whole", max_steps=1, method="full"))
    assert "--model 本目录" in (tmp_path / "whole" / "README.md").read_text(encoding="utf-8")


def test_an_adapter_names_its_base_as_the_user_did():
    from cornucopia.training.methods.adapter import public_name

    given = ["nano", "base_models/llama-7b-hf", "Qwen/Qwen2.5-7B", "/data/models/qwen", "../models/qwen"]
    assert list(map(public_name, given)) == [*given[:3], "qwen", "qwen"]
