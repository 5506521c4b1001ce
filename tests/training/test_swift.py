"""An ms-swift command runs as it is: every flag honoured, told or refused by name."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.cli.main import main
from cornucopia.core.errors import ConfigError, CornucopiaError
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.swift import from_swift, read_command

LORA = """CUDA_VISIBLE_DEVICES=0 \\
swift sft \\
    --model nano --train_type lora --dataset '{data}#6' --torch_dtype bfloat16 --num_train_epochs 1 \\
    --per_device_train_batch_size 1 --per_device_eval_batch_size 1 --learning_rate 1e-4 --lora_rank 4 \\
    --lora_alpha 32 --target_modules q_proj v_proj --gradient_accumulation_steps 16 --eval_steps 50 --save_steps 50 \\
    --save_total_limit 2 --logging_steps 5 --max_length 256 --output_dir output --system 'You are a helper.' \\
    --warmup_ratio 0.05 --dataset_num_proc 4 --split_dataset_ratio 0.01 --attn_impl flash_attn --packing true \\
    --deepspeed zero2 --modules_to_save embed_tokens lm_head --streaming false"""


def recipe(command):
    made, _ = from_swift(command)
    return TrainRecipe.build(made)


def test_every_flag_is_honoured(questions):
    made = recipe(LORA.format(data=questions))
    assert (made.base, made.method, made.objective, made.dtype) == ("nano", "lora", "sft", "bfloat16")
    assert (made.data_path, made.max_samples, made.val_set_size) == ([str(questions)], 6, 0.01)
    assert (made.lora_r, made.lora_alpha, made.lora_target_modules) == (4, 32, ["q_proj", "v_proj"])
    assert (made.batch_size, made.micro_batch_size, made.cutoff_len, made.num_epochs) == (16, 1, 256, 1)
    assert (made.system, made.modules_to_save) == ("You are a helper.", ["embed_tokens", "lm_head"])
    assert "--deepspeed" in "".join(from_swift(LORA.format(data=questions))[1])


def test_defaults_are_theirs_where_nothing_is_said(questions):
    made = recipe(f"swift sft --model nano --dataset {questions}")
    assert (made.learning_rate, made.weight_decay, made.adam_beta2, made.num_epochs) == (1e-4, 0.1, 0.95, 3)
    assert (made.batch_size, made.lora_dropout, made.lora_target_modules) == (16, 0.05, ["all-linear"])
    assert recipe(f"swift sft --model nano --tuner_type full --dataset {questions}").learning_rate == 1e-5
    assert (
        recipe(f"swift sft --model nano --loss_scale ignore_empty_think --dataset {questions}").empty_thought == "read"
    )
    assert recipe(f"swift pt --model nano --dataset {questions}").objective == "pretrain"


@pytest.mark.parametrize(
    "flags,objective",
    [("--rlhf_type dpo --rpo_alpha 0.1", "dpo"), ("--rlhf_type dpo --loss_type ipo", "ipo"), ("--rlhf_type kto", "kto"),
     ("--rlhf_type orpo", "orpo"), ("--rlhf_type simpo --beta 3", "simpo")],
)  # fmt: skip
def test_preference_objectives(flags, objective, questions):
    assert recipe(f"swift rlhf --model nano --dataset {questions} {flags}").objective == objective


@pytest.mark.parametrize(
    "command,told",
    [
        ("swift export --model nano", "swift export"),
        ("python train.py", "swift sft"),
        ("swift sft --model 'nano", "引号"),
        ("swift sft nano", "nano"),
        ("swift sft --model nano --dataset AI-ModelScope/alpaca-gpt4-data-zh#500", "modelscope download"),
        ("swift sft --model nano --use_galore true", "use_galore（这种优化器没有"),
        ("swift sft --model nano --lora_rnk 3", "最接近的是 lora_rank"),
        ("swift sft --model nano --quant_bits 4 --quant_method hqq", "hqq"),
        ("swift rlhf --rlhf_type grpo --model nano", "grpo"),
        ("swift sft --model nano --gradient_accumulation_steps $(expr 16 / 2)", "先换成数字"),
        ("swift sft --model nano --loss_type dft", "--loss_type dft"),
        ("swift sft --model nano --loss_scale hermes", "--loss_scale hermes"),
        ("swift sft --model nano --truncation_strategy left", "truncation_strategy"),
    ],
)
def test_what_is_not_supported_is_named(command, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        from_swift(command)


@given(st.text(max_size=80).map("swift sft ".__add__) | st.text(max_size=40))
def test_any_text_is_a_command_or_an_error_of_ours(text):
    try:
        read_command(text)
        from_swift(text)
    except CornucopiaError:
        pass


def test_the_command_line_runs_it_and_has_the_last_word(small, questions, tmp_path, capsys):
    command = f"swift sft --model {small} --dataset {questions} --lora_rank 4 --max_steps 1 --system 你是助手。"
    flags = ["--template", "alpaca", "--device", "cpu", "--dtype", "float32", "--output-dir", str(tmp_path / "out")]
    assert main(["train", "--from-swift", command, *flags, "--lora-r", "2"]) == 0
    settings = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert settings["r"] == 2 and "按 ms-swift 的命令读" in "".join(capsys.readouterr())
    assert main(["train", "--from-swift"]) == 2 and main(["train", "x.yaml", "--from-swift", command]) == 2


def test_a_system_text_stands_before_conversations_that_have_none(tmp_path, small, tokenizer, prepare):
    rows = [{"instruction": "问", "output": "答"}, {"instruction": "问", "output": "答", "system": "自己的"}]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    values = {"base": str(small), "data_path": [str(tmp_path / "d.jsonl")], "template": "alpaca"}
    texts = [
        [tokenizer.decode(store[place].input_ids) for place in range(2)]
        for store in (
            prepare(TrainRecipe.build(values | {"system": said}), tokenizer).train for said in ("", "新的提示")
        )
    ]
    assert "新的提示" in texts[1][0] and "新的提示" not in texts[1][1] + "".join(texts[0])
    assert texts[0][1] == texts[1][1]
