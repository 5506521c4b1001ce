"""An ms-swift command (`swift sft|pt|rlhf ...`) as a recipe's settings: every flag is honoured, told, or named.

Names and defaults are those of ms-swift 4 (docs: Command-line-parameters); `--train_type` is 3's name of
`--tuner_type`. Knows nothing of models.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError
from cornucopia.training.foreign_keys import is_off, refuse_unknown

_COMMANDS = ("sft", "pt", "rlhf")
_SAME = {
    "model": "base", "adapters": "adapter", "tuner_type": "method", "output_dir": "output_dir", "seed": "seed",
    "learning_rate": "learning_rate", "num_train_epochs": "num_epochs", "max_steps": "max_steps",
    "lr_scheduler_type": "lr_scheduler_type", "warmup_ratio": "warmup_ratio", "warmup_steps": "warmup_steps",
    "weight_decay": "weight_decay", "adam_beta2": "adam_beta2", "max_grad_norm": "max_grad_norm", "optim": "optim",
    "save_steps": "save_steps", "eval_steps": "eval_steps", "logging_steps": "logging_steps",
    "save_total_limit": "save_total_limit", "report_to": "report_to", "run_name": "wandb_run_name",
    "resume_from_checkpoint": "resume_from_checkpoint", "max_length": "cutoff_len", "system": "system",
    "split_dataset_ratio": "val_set_size", "quant_bits": "bits", "model_revision": "revision",
    "gradient_checkpointing": "gradient_checkpointing", "group_by_length": "group_by_length",
    "lora_rank": "lora_r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "use_rslora": "use_rslora",
    "use_dora": "use_dora", "lorap_lr_ratio": "lora_plus_ratio", "init_weights": "lora_init",
    "modules_to_save": "modules_to_save", "beta": "beta", "rpo_alpha": "sft_weight",
    "label_smoothing": "label_smoothing", "simpo_gamma": "simpo_gamma", "desirable_weight": "kto_good_weight",
    "undesirable_weight": "kto_bad_weight", "strict": "strict",
}  # fmt: skip
# What has no meaning here, holds here anyway, or is read below.
_IDLE = {
    "dataset", "val_dataset", "torch_dtype", "target_modules", "per_device_train_batch_size", "rlhf_type",
    "gradient_accumulation_steps", "per_device_eval_batch_size", "dataset_num_proc", "dataloader_num_workers",
    "load_from_cache_file", "packing", "padding_free", "attn_impl", "use_liger_kernel", "save_only_model",
    "quant_method", "bnb_4bit_compute_dtype", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "ddp_timeout",
    "add_version", "template", "gradient_checkpointing_kwargs", "save_safetensors", "model_type", "bf16", "fp16",
    "use_chat_template", "loss_type", "dataloader_pin_memory", "dataloader_prefetch_factor", "dataloader_drop_last",
    "packing_num_proc", "eval_strategy", "save_strategy", "use_logits_to_keep", "include_tokens_per_second",
    "logging_first_step", "lazy_tokenize", "use_cache", "create_checkpoint_symlink", "task_type", "packing_length",
    "packing_strategy",
}  # fmt: skip
_TOLD = {
    "deepspeed": "几张卡用 torchrun 起，分开放用 shard: fsdp2，见 docs/distributed.md",
    "fsdp": "几张卡用 torchrun 起，见 docs/train.md",
    "model_author": "self-cognition 里的名字自己写进数据",
    "model_name": "self-cognition 里的名字自己写进数据",
    "streaming": "数据多大都是边读边处理",
    "cached_dataset": "分词的结果自动缓存",
}
# A flag with its one value that needs nothing here.
_ONE = {
    "truncation_strategy": ("delete", "right"), "loss_scale": ("default", "last_round", "ignore_empty_think"),
    "adam_beta1": ("0.9",),
    "template_backend": ("jinja", "swift"), "metric_for_best_model": ("loss", "eval_loss"), "use_hf": ("true", "false"),
    "greater_is_better": ("false",), "bnb_4bit_quant_storage": (), "bias": ("none",),
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "tuner_type": "lora", "num_train_epochs": 3, "per_device_train_batch_size": 1, "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.0, "weight_decay": 0.1, "adam_beta2": 0.95, "lora_rank": 8, "lora_alpha": 32,
    "lora_dropout": 0.05, "logging_steps": 5, "save_steps": 500, "max_length": 2048, "simpo_gamma": 1.0,
}  # fmt: skip
_OBJECTIVES = {"rm": "reward"}
_RLHF = ("dpo", "kto", "orpo", "simpo", "rm")
_LOSSES = {"sigmoid": "dpo", "ipo": "ipo"}
_RENAMED = {"train_type": "tuner_type", "eval_dataset": "val_dataset", "lora_r": "lora_rank", "dtype": "torch_dtype"}


def read_command(command: str) -> tuple[str, dict[str, list[str]]]:
    """The sub-command and the words after each flag; variables in front and line ends are passed over.

    Raises:
        ConfigError: it is no command of swift that trains.
    """
    try:
        words = shlex.split(command.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise ConfigError("读不懂这条命令", found=str(error), fix="引号要成对") from None
    at = next((place for place, word in enumerate(words) if Path(word).name == "swift"), None)
    name = words[at + 1] if at is not None and at + 1 < len(words) else ""
    if at is None or name not in _COMMANDS:
        found = f"swift {name}".strip() if at is not None else command[:60]
        raise ConfigError("不是 ms-swift 的训练命令", found=found, fix="写成 --from-swift 'swift sft --model ...'")
    flags: dict[str, list[str]] = {}
    current: list[str] | None = None
    for word in words[at + 2 :]:
        if word.startswith("--"):
            key, _, value = word[2:].partition("=")
            current = flags.setdefault(_RENAMED.get(key, key), [])
            current += [value] if value else []
        elif current is None:
            raise ConfigError("ms-swift 的命令里有不属于任何选项的词", found=word)
        else:
            current.append(word)
    return name, flags


def from_swift(command: str) -> tuple[dict[str, Any], list[str]]:
    """The settings under this project's names, and what the user should know.

    Raises:
        ConfigError: a flag or value that cannot be honoured, a data set that is not there.
    """
    name, flags = read_command(command)
    values = {key: _value(words) for key, words in flags.items()}
    refuse_unknown(values, [*_SAME, *_IDLE, *_ONE, *_TOLD], "ms-swift")
    _check(values)
    full = {**_DEFAULTS, **values}
    made = {ours: full[theirs] for theirs, ours in _SAME.items() if not is_off(full.get(theirs))}
    made["objective"] = "sft" if name == "sft" else "pretrain" if name == "pt" else _objective(values)
    made["template"] = "chat"
    made |= _batches(full) | _lora(flags, full)
    if full.get("loss_scale") == "ignore_empty_think":
        made["empty_thought"] = "read"
    if full.get("torch_dtype"):
        made["dtype"] = full["torch_dtype"]
    made.setdefault("learning_rate", 1e-5 if full["tuner_type"] == "full" else 1e-4)
    made.setdefault("output_dir", f"output/{Path(str(full.get('model', ''))).name}")
    made |= _datasets(flags)
    return made, _notes(values)


def _value(words: Sequence[str]) -> Any:
    """A flag's value: one word, several as a list, none is true."""
    if len(words) != 1:
        return list(words) or True
    return {"true": True, "false": False, "none": None}.get(words[0].lower(), words[0])


def _check(values: Mapping[str, Any]) -> None:
    """
    Raises:
        ConfigError: a known flag with a value that is not honoured.
    """
    wrong = [
        f"--{key} {values[key]}" for key, able in _ONE.items()
        if not is_off(values.get(key)) and str(values[key]).lower() not in able
    ]  # fmt: skip
    if values.get("quant_bits") and values.get("quant_method", "bnb") not in ("bnb", "bitsandbytes"):
        wrong.append(f"--quant_method {values['quant_method']}")
    if values.get("task_type", "causal_lm") != "causal_lm":
        wrong.append(f"--task_type {values['task_type']}")
    if values.get("loss_type") and "rlhf_type" not in values:
        wrong.append(f"--loss_type {values['loss_type']}")
    if isinstance(values.get("adapters"), list):
        wrong.append("--adapters（只能接着一个练）")
    if "${" in str(values) or "$(" in str(values):
        wrong.append("$(...) 和变量（先换成数字）")
    if wrong:
        raise ConfigError("ms-swift 的这个值还不支持", found="、".join(wrong), fix="去掉它，或改写")


def _objective(values: Mapping[str, Any]) -> str:
    kind, loss = str(values.get("rlhf_type", "dpo")), values.get("loss_type")
    if kind not in _RLHF:
        fix = f"可用：{'、'.join(_RLHF)}；grpo 的奖励写法不同，见 docs/train.md"
        raise ConfigError("ms-swift 的这个 rlhf_type 还不能照搬", found=kind, fix=fix)
    if kind == "dpo" and loss is not None:
        if loss not in _LOSSES:
            raise ConfigError("这个 loss_type 还不支持", found=str(loss), fix="可用：" + "、".join(_LOSSES))
        return _LOSSES[str(loss)]
    return _OBJECTIVES.get(kind, kind)


def _batches(full: Mapping[str, Any]) -> dict[str, int]:
    """Rows of an update; theirs are at least 16 where nothing is said."""
    micro = int(full["per_device_train_batch_size"])
    steps = int(full.get("gradient_accumulation_steps") or -(-16 // micro))
    return {"batch_size": micro * steps, "micro_batch_size": micro}


def _lora(flags: Mapping[str, Sequence[str]], full: Mapping[str, Any]) -> dict[str, Any]:
    targets = list(flags.get("target_modules", ["all-linear"]))
    lists = {ours: list(flags[ours]) for ours in ("modules_to_save", "report_to") if ours in flags}
    return ({"lora_target_modules": targets} if full["tuner_type"] == "lora" else {}) | lists


def _datasets(flags: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Local files; `file#500` is its first 500 rows, as many for each."""
    made: dict[str, Any] = {}
    for flag, ours in (("dataset", "data_path"), ("val_dataset", "val_data")):
        pairs = [word.partition("#")[::2] for word in flags.get(flag, [])]
        absent = [path for path, _ in pairs if not Path(path).exists()]
        if absent:
            fix = f"下载成文件，再写它的路径：modelscope download --dataset {absent[0].split(':')[-1]} --local_dir 数据"
            raise ConfigError("数据集不在本地", found="、".join(absent), fix=fix)
        counts = {count for _, count in pairs}
        if len(counts) > 1:
            raise ConfigError("各个数据集取的条数要相同", found="、".join(sorted(counts)), fix="去掉 # 和条数")
        made |= {ours: [path for path, _ in pairs]} if pairs else {}
        made |= {"max_samples": int(counts.pop())} if pairs and counts != {""} else {}
    if len(made.get("val_data", [])) > 1:
        raise ConfigError("验证数据只能有一个文件", found="、".join(made["val_data"]), fix="合成一个文件")
    if made.get("val_data"):
        made["val_data"] = made["val_data"][0]
    return made


def _notes(values: Mapping[str, Any]) -> list[str]:
    notes = ["按 ms-swift 的命令读"]
    notes += [f"--{key} 不起作用：{why}" for key, why in _TOLD.items() if not is_off(values.get(key))]
    if values.get("template"):
        notes.append(f"--template {values['template']}：用模型自带的聊天模板；要别的就加 --template")
    if "max_length" not in values:
        notes.append("没有写 --max_length：按 2048 截")
    return notes
