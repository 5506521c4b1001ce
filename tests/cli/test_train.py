"""`cornucopia train` as typed: the original's flags and files, trackers, junk lines."""

from __future__ import annotations

import json

import pytest

from cornucopia.cli import train as command
from cornucopia.cli.main import main
from cornucopia.core.errors import ConfigError
from cornucopia.core.options import parse
from cornucopia.training.recipe import TrainRecipe


def read(*words):
    return parse(TrainRecipe, list(words), prog="cornucopia train", summary="", positional="recipe")[0]


ORIGINAL = {
    "base_model": "./base_models/llama-7b-hf", "data_path": "./instruction_data/fin_data.json",
    "output_dir": "./lora-llama-fin", "prompt_template_name": "fin_template", "micro_batch_size": "64",
    "batch_size": "128", "num_epochs": "10", "learning_rate": "2e-4", "cutoff_len": "512", "val_set_size": "1200",
    "lora_r": "8", "lora_alpha": "16", "lora_dropout": "0.05", "lora_target_modules": "[q_proj,v_proj]",
    "train_on_inputs": "True", "group_by_length": "True", "resume_from_checkpoint": "None", "load_8bit": "False",
    "wandb_project": "", "wandb_run_name": "x", "wandb_watch": "false", "wandb_log_model": "none",
}  # fmt: skip


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("dashes", [True, False])
def test_every_flag_of_the_original_is_accepted(joined, dashes):
    words = []
    for name, value in ORIGINAL.items():
        flag = f"--{name.replace('_', '-') if dashes else name}"
        words += [f"{flag}={value}"] if joined else [flag, value]
    recipe = read(*words)
    assert recipe.data_path == ["./instruction_data/fin_data.json"] and recipe.lora_target_modules == [
        "q_proj",
        "v_proj",
    ]
    assert recipe.learning_rate == 2e-4 and recipe.val_set_size == 1200 and recipe.micro == 64
    assert recipe.train_on_inputs and recipe.group_by_length and not recipe.load_8bit and recipe.base_bits == 0
    assert recipe.resume_from_checkpoint is None


@pytest.mark.parametrize(
    "words", [["q_proj", "v_proj"], ["[q_proj,v_proj]"], ["q_proj,v_proj"], ["['q_proj', 'v_proj']"]]
)
def test_target_modules_in_every_spelling(words):
    assert read("--lora_target_modules", *words).lora_target_modules == ["q_proj", "v_proj"]


@pytest.mark.parametrize(
    ("words", "bits"),
    [
        (["--load_8bit"], 8), (["--load_8bit", "True"], 8), (["--load_8bit", "False"], 0), (["--bits", "4"], 4),
        (["--load-8bit", "--bits", "8"], 8),
    ],
)  # fmt: skip
def test_bits(words, bits):
    assert read(*words).base_bits == bits


def test_defaults_are_the_originals():
    recipe = TrainRecipe()
    assert (recipe.lora_r, recipe.lora_alpha, recipe.lora_dropout) == (8, 16, 0.05)
    assert (recipe.learning_rate, recipe.warmup_ratio, recipe.num_epochs, recipe.cutoff_len) == (2e-4, 0.1, 10, 512)
    assert (recipe.save_steps, recipe.eval_steps) == (32, 32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--report_to", "tensorbord"], "不认识 tensorbord"),
        (["--batch_size", "8", "--micro_batch_size", "3"], "整数倍"),
        (["--method", "full", "--bits", "4"], "不能用量化的基座"),
        (["--finetuning_type", "freez"], "应为 lora、full、freeze"),
        (["--data_weights", "1", "2"], "一一对应"), (["--load-8bit", "--bits", "4"], "矛盾"),
        (["--bits", "3"], "应为 0、4、8 之一"), (["--lora_dropout", "1"], "应小于 1"),
        (["--num_epochs", "0"], "应大于 0"),
    ],
)  # fmt: skip
def test_settings_that_do_not_agree_say_so(words, message):
    with pytest.raises(ConfigError, match=message):
        read(*words)


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_read(
    small, questions, tmp_path, capsys, monkeypatch
):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = [
        "train",
        "--base_model",
        str(small),
        "--data",
        str(questions),
        "-o",
        str(tmp_path / "o"),
        "--report-to",
        "swanlab",
    ]
    assert main(words) == 1
    assert "pip install swanlab" in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_the_originals_file_style_trains_and_keeps_its_junk_apart(small, tmp_path, capsys):
    """Ten rows of JSON Lines named .json, then two lines of dots, as the original's sample data ends."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    rows = [{"instruction": f"问题{i}", "input": "", "output": f"回答{i}"} for i in range(10)]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + "......\n...\n"
    data, out = tmp_path / "fin_data.json", tmp_path / "out"
    data.write_text(text, encoding="utf-8")
    words = ["train", "--base_model", str(small), "--data_path", str(data), "--output_dir", str(out)]
    words += ["--num_epochs", "1", "--batch_size", "4", "--report_to", "tensorboard", "--save_steps", "50"]
    assert main(words) == 0
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [reject["raw"] for reject in rejects] == ["......", "..."]
    assert [reject["where"].rsplit(":", 1)[1] for reject in rejects] == ["11", "12"]
    captured = capsys.readouterr()
    assert "跳过坏数据 2 行" in captured.err and "训练完成：3 步" in captured.err
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(small), out)
    assert list((out / "tensorboard").rglob("events*"))
    assert main(words) == 1  # the folder is in use
    assert main([*words, "--resume"]) == 0


def test_damaged_bases_are_told(small, questions, tmp_path, capsys):
    import shutil

    for name, damage in (
        ("config.json", "{"),
        ("config.json", "[]"),
        ("tokenizer.json", "{}"),
        ("model.safetensors", "x"),
    ):
        folder = tmp_path / f"{name}{len(damage)}"
        shutil.copytree(small, folder)
        (folder / name).write_text(damage)
        words = [
            "train",
            "--base_model",
            str(folder),
            "--data",
            str(questions),
            "-o",
            str(tmp_path / "o"),
            "--overwrite",
        ]
        assert main([*words, "--report-to", "none"]) == 1, name
        assert "错误：" in capsys.readouterr().err


def test_the_command_module_knows_its_summary():
    assert "--method" in command.SUMMARY and "--dry-run" in command.EXAMPLES


def test_nothing_given_starts_nothing(capsys):
    assert main(["train"]) == 2
    told = capsys.readouterr().err
    assert "recipes/quickstart.yaml" in told and "--data-path" in told and "Traceback" not in told
