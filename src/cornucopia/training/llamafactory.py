"""A LLaMA-Factory training YAML as a recipe's settings: every key is honoured, told, or named as not supported.

Names and defaults are those of LLaMA-Factory 0.9 (its arguments and examples/). Knows nothing of models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError, nearest
from cornucopia.core.lists import split_words
from cornucopia.training.foreign_keys import is_off, refuse_unknown

INFO = "dataset_info.json"
_SURE = {"finetuning_type", "stage", "do_train", "dataset_dir", "model_name_or_path"}
# Defaults of LLaMA-Factory and the Trainer where they are not ours.
_DEFAULTS: dict[str, Any] = {
    "stage": "sft", "finetuning_type": "lora", "learning_rate": 5e-5, "num_train_epochs": 3.0, "cutoff_len": 2048,
    "per_device_train_batch_size": 8, "gradient_accumulation_steps": 1, "lr_scheduler_type": "linear",
    "warmup_ratio": 0.0,
    "lora_rank": 8, "lora_dropout": 0.0, "lora_target": "all", "save_steps": 500, "logging_steps": 500,
}  # fmt: skip
_SAME = {
    "model_name_or_path": "base", "adapter_name_or_path": "adapter", "finetuning_type": "method",
    "cutoff_len": "cutoff_len", "max_samples": "max_samples", "val_size": "val_set_size", "output_dir": "output_dir",
    "overwrite_output_dir": "overwrite", "learning_rate": "learning_rate", "num_train_epochs": "num_epochs",
    "max_steps": "max_steps", "lr_scheduler_type": "lr_scheduler_type", "warmup_ratio": "warmup_ratio",
    "warmup_steps": "warmup_steps", "weight_decay": "weight_decay", "adam_beta2": "adam_beta2",
    "max_grad_norm": "max_grad_norm", "optim": "optim", "save_steps": "save_steps", "eval_steps": "eval_steps",
    "logging_steps": "logging_steps", "save_total_limit": "save_total_limit", "seed": "seed", "report_to": "report_to",
    "run_name": "wandb_run_name", "resume_from_checkpoint": "resume_from_checkpoint",
    "train_on_prompt": "train_on_inputs", "quantization_bit": "bits", "lora_rank": "lora_r",
    "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "use_rslora": "use_rslora", "use_dora": "use_dora",
    "loraplus_lr_ratio": "lora_plus_ratio", "additional_target": "modules_to_save", "pref_beta": "beta",
    "pref_ftx": "sft_weight", "dpo_label_smoothing": "label_smoothing", "simpo_gamma": "simpo_gamma",
    "kto_chosen_weight": "kto_good_weight", "kto_rejected_weight": "kto_bad_weight",
    "freeze_trainable_layers": "freeze_trainable_layers", "freeze_trainable_modules": "freeze_trainable_modules",
    "freeze_extra_modules": "freeze_extra_modules", "model_revision": "revision", "group_by_length": "group_by_length",
    "gradient_checkpointing": "gradient_checkpointing",
}  # fmt: skip
# What has no meaning here, or holds here anyway.
_IDLE = {
    "do_train", "do_eval", "overwrite_cache", "preprocessing_num_workers", "dataloader_num_workers", "plot_loss",
    "ddp_timeout", "flash_attn", "save_only_model", "per_device_eval_batch_size", "eval_strategy", "save_strategy",
    "evaluation_strategy", "disable_gradient_checkpointing", "cache_dir", "use_fast_tokenizer", "low_cpu_mem_usage",
    "enable_liger_kernel", "use_unsloth", "include_num_input_tokens_seen", "packing", "neat_packing",
    "upcast_layernorm", "logging_strategy", "logging_first_step", "print_param_status",
    "double_quantization", "quantization_type", "bf16", "fp16", "pure_bf16", "dataset",
    "dataset_dir", "eval_dataset", "template", "stage", "pref_loss", "per_device_train_batch_size",
    "gradient_accumulation_steps", "lora_target", "pissa_init", "pissa_iter",
    "quantization_method", "pissa_convert", "gradient_checkpointing_kwargs", "use_reentrant_gc", "tf32", 
    "remove_unused_columns", "dataloader_pin_memory", "dataloader_drop_last", "ignore_data_skip", "push_to_hub",
}  # fmt: skip
_LOSSES = {"sigmoid": "dpo", "ipo": "ipo", "simpo": "simpo", "orpo": "orpo"}
_STAGES = {"sft": "sft", "pt": "pretrain", "dpo": "dpo", "kto": "kto", "rm": "reward"}
_TEMPLATES = {"alpaca": "alpaca", "default": "chat"}
_COLUMNS = {"prompt": "instruction", "query": "input", "response": "output"}


# What decides speed or place, not what is learnt: told, and passed over.
_TOLD = {
    "trust_remote_code": "不运行模型目录里的代码，Transformers 认得的模型不需要它",
    "deepspeed": "几张卡用 torchrun 起，分开放用 shard: fsdp2，见 docs/distributed.md",
    "fsdp": "几张卡用 torchrun 起，见 docs/train.md",
    "fsdp_transformer_layer_cls_to_wrap": "同上",
    "ray_num_workers": "几台机器用 torchrun 起，见 docs/train.md",
    "tokenized_path": "分词的结果自动缓存",
    "use_v1_kernels": "用本项目自己的快速层",
}
_BY_EPOCH = ("save_strategy", "eval_strategy", "evaluation_strategy")
# A key with its one value that needs nothing here.
_ONE = {
    "adam_beta1": 0.9, "adam_epsilon": 1e-8, "mask_history": False, "split_special_tokens": False, "streaming": False,
    "create_new_adapter": False, "lora_dtype": "auto", "upcast_lmhead_output": False,
}  # fmt: skip


def is_llamafactory(values: Mapping[str, Any]) -> bool:
    """Whether a recipe is written for LLaMA-Factory: it names its stage or way of tuning as only that does."""
    told = len(_SURE & values.keys())
    return ("dataset" in values and told >= 2) or other_command(values) != "" or _is_v1(values)


def other_command(values: Mapping[str, Any]) -> str:
    """The command for one of LLaMA-Factory's YAMLs that does not train; '' for one that does, or is not theirs."""
    base, adapter = values.get("model_name_or_path"), values.get("adapter_name_or_path")
    model = f"--model {base}" + (f" --adapter {adapter}" if adapter else "")
    if not base or values.get("do_train"):
        return ""
    if values.get("export_dir"):
        return "cornucopia export 这个文件.yaml"
    if values.get("do_predict") or (values.get("eval_dataset") and "dataset" not in values):
        return f"cornucopia infer 数据文件 {model}，再用 cornucopia compare 打分"
    return f"cornucopia chat {model}" if values.get("infer_backend") else ""


def _is_v1(values: Mapping[str, Any]) -> bool:
    """Whether it is a YAML of LLaMA-Factory's second generation (examples/v1)."""
    kinds = {"peft_config", "kernel_config", "dist_config", "model_class", "quant_config", "init_config"}
    return "model" in values and bool(kinds & values.keys())


def translate(values: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings under this project's names, and what the user should know.

    Args:
        values: of the YAML.
        folder: of the YAML: a `dataset_dir` that is not in the current folder is looked for beside it, and above.

    Raises:
        ConfigError: a key or value that cannot be honoured, a data set that is not there.
    """
    if command := other_command(values):
        raise ConfigError("这份 LLaMA-Factory 的配方不是训练用的", fix=command)
    if _is_v1(values):
        found = "、".join(sorted(key for key in values if key.endswith("_config") or key == "model_class"))
        fix = "照 docs/migrate.md 改写，或用它旧的写法（stage、finetuning_type、dataset）"
        raise ConfigError("LLaMA-Factory 第二代（examples/v1）的配方还读不了", found=found, fix=fix)
    refuse_unknown(values, [*_SAME, *_IDLE, *_ONE, *_TOLD], "LLaMA-Factory")
    _check_choices(values)
    full = {**_DEFAULTS, **values}
    made = {ours: full[theirs] for theirs, ours in _SAME.items() if full.get(theirs) not in (None, "")}
    made["objective"] = _objective(full)
    made |= _batches(full) | _lora(full) | _numbers(full)
    made["template"] = _TEMPLATES.get(str(values.get("template", "default")), "chat")
    paths, columns = _datasets(str(values["dataset"]), full, folder)
    made["data_path"] = paths
    made |= columns
    if values.get("eval_dataset"):
        held, _ = _datasets(str(values["eval_dataset"]), full, folder)
        if len(held) > 1:
            raise ConfigError(
                "验证数据只能有一个文件", found=str(values["eval_dataset"]), fix="合成一个文件，或用 val_size"
            )
        made["val_data"] = held[0]
    return made, _notes(values, made)


def _check_choices(values: Mapping[str, Any]) -> None:
    """
    Raises:
        ConfigError: a known key with a value that is not honoured.
    """
    wrong = [f"{key}: {values[key]}" for key, only in _ONE.items() if values.get(key, only) not in (only, None)]
    method = values.get("quantization_method", "bnb")
    if values.get("quantization_bit") and str(method).lower() not in ("bnb", "bitsandbytes"):
        wrong.append(f"quantization_method: {method}（4 位只有 bitsandbytes）")
    if values.get("ref_model"):
        wrong.append("ref_model（参照就是训练开始时的模型）")
    if wrong:
        raise ConfigError("LLaMA-Factory 的这个值还不支持", found="、".join(wrong), fix="去掉它")


def _objective(full: Mapping[str, Any]) -> str:
    stage = str(full["stage"])
    if stage not in _STAGES:
        raise ConfigError("LLaMA-Factory 的这个 stage 还不支持", found=stage, fix="可用：" + "、".join(_STAGES))
    if stage != "dpo":
        return _STAGES[stage]
    loss = str(full.get("pref_loss", "sigmoid"))
    if loss not in _LOSSES:
        raise ConfigError("这个 pref_loss 还不支持", found=loss, fix="可用：" + "、".join(_LOSSES))
    return _LOSSES[loss]


def _batches(full: Mapping[str, Any]) -> dict[str, int]:
    micro, steps = int(full["per_device_train_batch_size"]), int(full["gradient_accumulation_steps"])
    return {"batch_size": micro * steps, "micro_batch_size": micro}


def _lora(full: Mapping[str, Any]) -> dict[str, Any]:
    """Where LoRA goes; its scale is twice the rank where nothing is said."""
    if full["finetuning_type"] != "lora":
        return {}
    target = full["lora_target"]
    names = split_words([target], "commas") if isinstance(target, str) else list(target)
    made: dict[str, Any] = {"lora_target_modules": ["all-linear"] if names == ["all"] else names}
    made["lora_alpha"] = full.get("lora_alpha") or 2 * int(full["lora_rank"])
    if full.get("pissa_init"):
        steps = int(full.get("pissa_iter", 16))
        made["lora_init"] = f"pissa_niter_{steps}" if steps > 0 else "pissa"
    return made


def _numbers(full: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if full.get("bf16") or full.get("pure_bf16"):
        made["dtype"] = "bfloat16"
    elif full.get("fp16"):
        made["dtype"] = "float16"
    if full.get("disable_gradient_checkpointing") is False:
        made["gradient_checkpointing"] = True
    return made


def _datasets(names: str, full: Mapping[str, Any], folder: Path) -> tuple[list[str], dict[str, str]]:
    """Files of the data sets, and the names of their columns where they have others than Alpaca's."""
    home = _home(str(full.get("dataset_dir", "data")), folder)
    info = json.loads((home / INFO).read_text(encoding="utf-8")) if (home / INFO).is_file() else {}
    paths, columns = [], []
    for name in split_words([names], "commas"):
        entry = info.get(name)
        if entry is None and (Path(name).exists() or (folder / name).exists()):
            paths.append(name if Path(name).exists() else str(folder / name))
            continue
        if entry is None:
            close = nearest(name, info)
            fix = f"最接近的是 {close}" if close else f"在 {home / INFO} 里写上它，或直接写文件名"
            raise ConfigError("没有这个数据集", where=str(home / INFO), found=name, fix=fix)
        paths.append(str(_file(name, entry, home)))
        columns.append(_renamed(entry))
    if any(one != columns[0] for one in columns):
        raise ConfigError(
            "几个数据集的列名不同", where=str(home / INFO), fix="先用 cornucopia data convert 转成同一种格式"
        )
    return paths, columns[0] if columns else {}


def _home(name: str, folder: Path) -> Path:
    for base in (Path(), folder, *folder.resolve().parents):
        if (base / name / INFO).is_file():
            return base / name
    return Path(name)


def _file(name: str, entry: Mapping[str, Any], home: Path) -> Path:
    file = entry.get("file_name")
    if not file:
        source = next((str(entry[key]) for key in ("hf_hub_url", "ms_hub_url", "script_url") if key in entry), "")
        fix = "把它下载成文件，再用 file_name 写上"
        raise ConfigError("数据集不在本地", where=f"{home / INFO} 的 {name}", found=source, fix=fix)
    if not (home / str(file)).exists():
        raise ConfigError("找不到数据集的文件", where=f"{home / INFO} 的 {name}", found=str(home / str(file)))
    return home / str(file)


def _renamed(entry: Mapping[str, Any]) -> dict[str, str]:
    """Columns of other names than those that are recognised; ShareGPT's are recognised by their shape."""
    if entry.get("formatting", "alpaca") != "alpaca":
        return {}
    columns = entry.get("columns", {})
    other = {key: name for key, name in columns.items() if key in _COLUMNS and name != _COLUMNS[key]}
    ours = {"prompt": "prompt_column", "response": "response_column"}
    return {ours[key]: str(name) for key, name in other.items() if key in ours}


def _notes(values: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    notes = ["按 LLaMA-Factory 的配方读"]
    notes += [f"{key} 不起作用：{why}" for key, why in _TOLD.items() if not is_off(values.get(key))]
    notes += [
        f"{key}: {values[key]} 不起作用：检查点和验证按步数（save_steps、eval_steps）"
        for key in _BY_EPOCH
        if values.get(key) not in (None, "steps", "no")
    ]
    template = str(values.get("template", ""))
    if template and template not in _TEMPLATES:
        notes.append(f"模板 {template}：用模型自带的聊天模板；要别的就加 --template")
    if "quantization_type" in values or "double_quantization" in values:
        notes.append("4 位一律用 NF4 和二次量化")
    if made["objective"] in ("dpo", "ipo", "simpo", "orpo") and "ref_model" not in values:
        notes.append("参照是训练开始时的模型")
    return notes
