"""A LLaMA-Factory export YAML (examples/merge_lora) as the options of `cornucopia export`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cornucopia.core.errors import ConfigError
from cornucopia.core.lists import split_words

# What has no part here or holds anyway.
_IDLE = {
    "template", "finetuning_type", "stage", "export_device", "trust_remote_code", "export_legacy_format", "cache_dir",
    "use_fast_tokenizer", "flash_attn",
}  # fmt: skip
_OURS = {"model_name_or_path", "adapter_name_or_path", "export_dir", "export_size", "infer_dtype"}
_REASONS = {
    "export_quantization_bit": "GPTQ 没有；量化用 --gguf q4_k_m",
    "export_quantization_dataset": "GPTQ 没有；量化用 --gguf q4_k_m",
    "export_hub_model_id": "不上传；写好目录后用 hf upload 或 modelscope upload",
    "quantization_bit": "往没有量化的基座里合并",
}


def is_export(values: Mapping[str, Any]) -> bool:
    """Whether a recipe is one that LLaMA-Factory exports by."""
    return "export_dir" in values and "model_name_or_path" in values


def translate(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options under this project's names, and what the user should know.

    Raises:
        ConfigError: a setting that is not honoured.
    """
    wrong = [key for key, value in values.items() if key not in _IDLE | _OURS and value not in (None, False, "", 0)]
    if values.get("export_legacy_format"):
        wrong.append("export_legacy_format")
    if wrong:
        found = "、".join(f"{key}（{_REASONS[key]}）" if key in _REASONS else key for key in wrong)
        raise ConfigError("LLaMA-Factory 的导出配方里有还不支持的", found=found, fix="去掉它们")
    adapters = values.get("adapter_name_or_path") or []
    made: dict[str, Any] = {"base": values["model_name_or_path"], "out": values["export_dir"]}
    made["adapter"] = split_words([adapters], "commas") if isinstance(adapters, str) else list(adapters)
    if values.get("export_size"):
        made["safe_shard_size"] = f"{values['export_size']}GB"
    if values.get("infer_dtype") not in (None, "auto"):
        made["dtype"] = values["infer_dtype"]
    notes = ["按 LLaMA-Factory 的导出配方读；模板用适配器记下的，没有的用模型自带的"]
    return made, notes
