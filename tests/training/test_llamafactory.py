"""LLaMA-Factory's YAML runs as it is: every key honoured, told or refused by name."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from cornucopia.core.errors import ConfigError
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.loop import train

SFT = {
    "model_name_or_path": "nano", "trust_remote_code": False, "stage": "sft", "do_train": True,
    "finetuning_type": "lora", "lora_rank": 4, "lora_target": "all", "dataset": "answers,talks", "template": "llama3",
    "cutoff_len": 256, "max_samples": 5, "preprocessing_num_workers": 16, "dataloader_num_workers": 4,
    "logging_steps": 1, "save_steps": 500, "plot_loss": True, "overwrite_output_dir": True, "save_only_model": False,
    "report_to": "none", "per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "learning_rate": 1.0e-4,
    "num_train_epochs": 3.0, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "bf16": True, "ddp_timeout": 180000000,
    "resume_from_checkpoint": None,
}  # fmt: skip
INFO = {
    "answers": {"file_name": "a.json"},
    "talks": {"file_name": "b.json", "formatting": "sharegpt", "columns": {"messages": "conversations"}},
    "pairs": {"file_name": "p.json", "ranking": True, "columns": {"prompt": "instruction", "chosen": "chosen"}},
    "own": {"file_name": "own.json", "columns": {"prompt": "问", "response": "答"}},
    "far": {"hf_hub_url": "someone/far"},
}


@pytest.fixture
def write(tmp_path):
    data = tmp_path / "project" / "data"
    data.mkdir(parents=True)
    (data / "dataset_info.json").write_text(json.dumps(INFO, ensure_ascii=False), "utf-8")
    rows = {
        "a.json": [{"instruction": f"问{n}", "input": "", "output": f"答{n}"} for n in range(9)],
        "b.json": [
            {"conversations": [{"from": "human", "value": f"说{n}"}, {"from": "gpt", "value": "答"}]} for n in range(9)
        ],
        "p.json": [{"instruction": f"问{n}", "input": "", "chosen": "好", "rejected": "坏"} for n in range(9)],
        "own.json": [{"问": f"问{n}", "答": "答"} for n in range(9)],
    }
    for name, held in rows.items():
        (data / name).write_text(json.dumps(held, ensure_ascii=False), "utf-8")
    folder = tmp_path / "project" / "examples" / "train_lora"
    folder.mkdir(parents=True)

    def make(base=SFT, **changes):
        values = {key: value for key, value in (base | changes).items() if value != "-"}
        values["output_dir"] = str(tmp_path / "out")
        (folder / "x.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
        return folder / "x.yaml"

    return make


def test_every_key_is_honoured(write, tmp_path):
    recipe = TrainRecipe.load(write())
    assert (recipe.base, recipe.method, recipe.objective) == ("nano", "lora", "sft")
    assert (recipe.lora_r, recipe.lora_alpha, recipe.lora_target_modules) == (4, 8, ["all-linear"])
    assert (recipe.batch_size, recipe.micro_batch_size, recipe.max_samples) == (8, 2, 5)
    assert (recipe.cutoff_len, recipe.dtype, recipe.template) == (256, "bfloat16", "chat")
    assert [path.rsplit("/", 1)[1] for path in recipe.data_path] == ["a.json", "b.json"]
    assert (recipe.num_epochs, recipe.warmup_ratio, recipe.report_to) == (3, 0.1, [])


def test_defaults_are_theirs_where_nothing_is_said(write):
    few = {"model_name_or_path": "nano", "stage": "sft", "finetuning_type": "lora", "dataset": "answers"}
    recipe = TrainRecipe.load(write(few))
    assert (recipe.learning_rate, recipe.num_epochs, recipe.warmup_ratio) == (5e-5, 3, 0)
    assert (recipe.batch_size, recipe.lora_dropout, recipe.cutoff_len) == (8, 0, 2048)


def test_the_command_line_has_the_last_word(write):
    recipe = TrainRecipe.load(write(), {"learning_rate": 1e-3, "template": "nano", "lora_rank": 2})
    assert (recipe.learning_rate, recipe.template, recipe.lora_r) == (1e-3, "nano", 2)


@pytest.mark.parametrize(
    "changes,expected",
    [
        ({"stage": "dpo", "dataset": "pairs", "pref_beta": 0.2, "pref_loss": "sigmoid"}, ("dpo", "lora", 0.2)),
        ({"stage": "dpo", "dataset": "pairs", "pref_loss": "orpo"}, ("orpo", "lora", None)),
        ({"stage": "kto", "dataset": "pairs", "pref_beta": 0.1}, ("kto", "lora", 0.1)),
        ({"stage": "pt", "dataset": "answers"}, ("pretrain", "lora", None)),
        ({"finetuning_type": "full"}, ("sft", "full", None)),
        ({"finetuning_type": "freeze", "freeze_trainable_layers": 2}, ("sft", "freeze", None)),
    ],
)
def test_stages_and_ways_of_tuning(changes, expected, write):
    recipe = TrainRecipe.load(write(**changes))
    assert (recipe.objective, recipe.method, recipe.beta) == expected


def test_columns_of_another_name(write):
    recipe = TrainRecipe.load(write(dataset="own"))
    assert (recipe.prompt_column, recipe.response_column) == ("问", "答")


@pytest.mark.parametrize(
    "changes,told",
    [
        ({"neftune_noise_alpha": 5}, "neftune_noise_alpha"),
        ({"stage": "ppo"}, "ppo"),
        ({"stage": "dpo", "pref_loss": "hinge"}, "hinge"),
        ({"stage": "rlhf"}, "rm"),
        ({"use_galore": True, "galore_rank": 128}, "galore_rank、use_galore（这种优化器没有"),
        ({"image_max_pixels": 262144}, "看图"),
        ({"quantization_bit": 4, "quantization_method": "hqq"}, "hqq"),
        ({"ref_model": "other"}, "ref_model"),
        ({"adam_beta1": 0.8}, "adam_beta1"),
        ({"finetuning_type": "oft"}, "oft"),
        ({"dataset": "answer"}, "answers"),
        ({"dataset": "far"}, "someone/far"),
        ({"dataset": "answers,own"}, "列名不同"),
        ({"eval_dataset": "answers,talks"}, "验证数据"),
    ],
)
def test_what_is_not_supported_is_named(changes, told, write):
    with pytest.raises(ConfigError, match=re.escape(told)):
        TrainRecipe.load(write(**changes))


def test_what_decides_speed_only_is_told(write, capsys):
    many = {
        "trust_remote_code": True,
        "deepspeed": "ds_z3.json",
        "tokenized_path": "saves/tokens",
        "save_strategy": "epoch",
    }
    recipe = TrainRecipe.load(write(**many, streaming=False, use_galore=False, image_max_pixels=None))
    told = capsys.readouterr()
    assert all(f"{key}" in told.out + told.err for key in many) and recipe.objective == "sft"


@pytest.mark.parametrize(
    "values,command",
    [
        (
            {"model_name_or_path": "m", "adapter_name_or_path": "a", "export_dir": "d", "template": "qwen"},
            "cornucopia export",
        ),
        ({"model_name_or_path": "m", "template": "qwen", "infer_backend": "vllm"}, "cornucopia chat --model m"),
        ({"model_name_or_path": "m", "stage": "sft", "do_predict": True, "eval_dataset": "x"}, "cornucopia infer"),
        ({"model": "m", "peft_config": {"name": "lora"}, "train_dataset": "x"}, "docs/migrate.md"),
    ],
)
def test_recipes_that_do_not_train_name_the_command_that_is_meant(values, command, tmp_path):
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=command):
        TrainRecipe.load(tmp_path / "x.yaml")


def test_it_runs(write, small, tmp_path):
    changes = {"model_name_or_path": str(small), "template": "alpaca", "bf16": False, "max_steps": 2, "val_size": 0.2}
    recipe = TrainRecipe.load(write(**changes), {"device": "cpu", "dtype": "float32"})
    result = train(recipe)
    assert result["finished"] and result["steps"] == 2
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_only_the_first_rows_of_each_file_are_used(write, small, prepare, tokenizer, tmp_path):
    changes = {"model_name_or_path": str(small), "template": "alpaca", "val_size": 0.4}
    recipe = TrainRecipe.load(write(**changes))
    plan = prepare(recipe, tokenizer)
    assert (len(plan.train), len(plan.validation)) == (6, 4)
    assert prepare(TrainRecipe.load(write(**changes, max_samples="-")), tokenizer).train.__len__() > 6
