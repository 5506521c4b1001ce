"""Settings of LLaMA-Factory and ms-swift that have no part here, each with the reason or what to use instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cornucopia.core.errors import ConfigError, nearest

# A pattern of names -> why; the first that fits the whole name counts.
_REASONS = {
    r"(image|video|audio|max_pixels|min_pixels|fps).*|freeze_(vision|multi|language|vit|aligner|llm).*|vit_lr|aligner_lr":
        "看图、看视频的模型还不能训练",
    r"deepspeed|zero_.*|fsdp.*|ddp_find.*": "多进程用 torchrun 起，见 docs/train.md；去掉这一项",
    r"(ray|nnodes|nproc|node_rank|master_)\w*": "多机用 torchrun 起，见 docs/train.md；去掉这一项",
    r"(tensor|pipeline|context|expert|sequence)\w*_parallel\w*|cp_\w+|moe_\w+|recompute_\w+|use_distributed_optimizer|"
    r"overlap_\w+|bias_activation_fusion|apply_rope_fusion|mixed_precision|use_packed_sequences|export_hf_on_finish|use_mcore\w*":
        "Megatron 的选项；这里没有 Megatron",
    r"use_kt|kt_.*": "KTransformers 的选项；这里没有它",
    r"use_(galore|apollo|badam|adam_mini|muon)|(galore|apollo|badam|muon)_.*|use_muonclip":
        "这种优化器没有；用 optim（adamw_torch、paged_adamw_32bit、adamw_8bit……）",
    r"use_(asft|dft|eaft)_loss|(asft|eaft)_.*|enable_(dft|channel)_loss": "这种损失还没有",
    r"oft_.*|use_oft|(boft|vera|adalora|lora_ga|llamapro|fourier|reft)_.*":
        "这种改法没有；用 lora、freeze、prefix、full",
    r"use_llama_pro|mixture_of_depths|shift_attn|use_(mca|hyper_parallel).*": "这种改造没有",
    r"fp8.*": "不用 fp8 训练；量化的冻结基座有 bits: 8、quant_type: fp8",
    r"(vllm|sglang|lmdeploy)_.*|use_vllm|infer_backend|infer_dtype": "推理的选项；推理用 cornucopia infer --engine",
    r"export_.*": "导出的选项；导出用 cornucopia export",
    r"(do_predict|predict_with_generate|max_new_tokens|temperature|top_p|top_k|do_sample|num_beams|stop_words|stream)":
        "训练时不生成；练完用 cornucopia infer 或 compare",
    r"ref_model.*|reward_model.*|teacher_.*": "参照就是开始时的模型；教师、奖励模型见 docs/train.md",
    r"neftune_.*|noise_alpha": "嵌入加噪声没有",
    r"streaming|buffer_size|max_steps_streaming|dataset_shuffle|train_dataloader_shuffle|interleave_.*|mix_strategy|\w*_probs|stopping_strategy":
        "数据多大都是边读边处理；几个数据集的比例用 data_weights",
    r"rope_scaling|max_model_len": "把 rope_scaling 写进基座的 config.json",
    r"add_tokens|new_special_tokens|add_special_tokens|resize_vocab|skip_tokenizer.*|init_special_tokens":
        "加词用 cornucopia vocab extend",
    r"\w*(cached|to_cached)_dataset|tokenized_path|load_data_args": "分词的结果自动缓存，不必另存",
    r"external_plugins|custom_\w+_path|reward_funcs|\w*reward_weights|multi_turn_scheduler|loss_scale|agent_template|self_cognition.*":
        "不运行别处的代码；见 docs/train.md 里有的",
    r"trust_remote_code|use_hf|check_model|push_to_hub|hub_.*": "不起作用",
}  # fmt: skip
_OFF = (None, False, 0, "", "none", "no", "None", "null")


def is_off(value: Any) -> bool:
    """Whether a setting says that something is not wanted."""
    return value in _OFF if isinstance(value, (type(None), bool, int, float, str)) else not value


def refuse_unknown(values: Mapping[str, Any], known: Iterable[str], program: str) -> None:
    """Let pass what is known or switched off; name all else with the reason.

    Args:
        values: setting -> value.
        known: settings that are honoured or need nothing.
        program: whose they are.

    Raises:
        ConfigError: a setting that is not honoured.
    """
    names = set(known)
    unknown = [key for key, value in values.items() if key not in names and not is_off(value)]
    if not unknown:
        return
    told: dict[str, list[str]] = {}
    for key in unknown:
        told.setdefault(_reason(key, names), []).append(key)
    found = "；".join(f"{'、'.join(keys)}（{reason}）" if reason else "、".join(keys) for reason, keys in told.items())
    raise ConfigError(
        f"{program} 的这{'几项' if len(unknown) > 1 else '一项'}还不支持", found=found,
        fix="去掉它们，或改写成 cornucopia 的配方（recipes/）",
    )  # fmt: skip


def _reason(key: str, known: set[str]) -> str:
    for pattern, reason in _REASONS.items():
        if re.fullmatch(pattern, key):
            return reason
    close = nearest(key, known)
    return f"最接近的是 {close}" if close else ""
