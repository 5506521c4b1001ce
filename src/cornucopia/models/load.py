"""Load a base model: its folder, tokenizer, dtype, quantisation and device. Knows nothing of adapters or data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.device import choose_device, choose_dtype
from cornucopia.core.errors import ModelError
from cornucopia.core.paths import bundled_model, project_root
from cornucopia.models.catalogue import find
from cornucopia.models.tokenizer import load_tokenizer

NOT_NATIVE = {
    "chatglm": "ChatGLM 1 到 3 代的代码只能在 transformers 4.27 到 4.33 上运行；"
    "改用 GLM-4 的 -hf 版本，或把它部署成 OpenAI 兼容服务再 compare",
    "baichuan": "Baichuan 需要运行仓库自带代码；改用 Qwen2.5 等原生支持的模型，或部署成 OpenAI 兼容服务",
    "moss": "MOSS 需要运行仓库自带代码；部署成 OpenAI 兼容服务后可用于 compare",
    "qwen": "Qwen 第一代需要运行仓库自带代码；改用 Qwen2.5 或 Qwen3",
    "internlm2": "InternLM2 需要运行仓库自带代码；改用 InternLM3",
}


@dataclass
class Base:
    """A loaded base model.

    Args:
        model: a Transformers causal language model in eval mode.
        tokenizer: its fast tokenizer (left padding).
        path: its folder.
        fingerprint: 16 hex digits that name architecture, vocabulary and weights.
    """

    model: Any
    tokenizer: Any
    path: Path
    fingerprint: str


def find_model(name: str) -> Path:
    """The local folder of a model: a path, "nano" (bundled), or a name under base_models/. Never downloads.

    Raises:
        ModelError: when it is not there, with the command that would fetch it.
    """
    entry = find(name)
    home = project_root() / "base_models"
    candidates = [Path(name), home / name, home / (entry.name if entry else name.split("/")[-1])]
    if name == "nano":
        candidates.insert(0, bundled_model())
    for folder in candidates:
        if (folder / "config.json").is_file():
            return folder
    existing = next((folder for folder in candidates if folder.is_dir()), None)
    if existing is not None:
        found = "、".join(sorted(p.name for p in existing.iterdir())[:8]) or "空目录"
        raise ModelError(
            "这个目录里没有模型（缺 config.json）",
            where=str(existing),
            found=found,
            fix=f"cornucopia models pull {name}",
        )
    raise ModelError(
        "本地没有这个模型", where=name, fix=f"cornucopia models pull {name}；本地已有的见 cornucopia models"
    )


def fingerprint(folder: str | Path) -> str:
    """16 hex digits of a model folder: its architecture, vocabulary size and samples of its weights.

    Reads the head and tail (64 KiB) of each weight file, so a 14 GB model takes milliseconds.
    """
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    keys = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    digest = hashlib.sha256(json.dumps([config.get(key) for key in keys]).encode())
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        with path.open("rb") as file:
            size = path.stat().st_size
            digest.update(str(size).encode() + file.read(65536))
            file.seek(max(size - 65536, 0))
            digest.update(file.read(65536))
    return digest.hexdigest()[:16]


def load_base(name: str, *, bits: int = 0, dtype: str = "auto", device: str = "auto") -> Base:
    """Load a causal language model.

    Args:
        name: path, "nano", or a name under base_models/.
        bits: 0 keeps the dtype; 8 or 4 quantises with bitsandbytes (NF4, double quantisation; QLoRA, arXiv:2305.14314).
        dtype: auto | float32 | bfloat16 | float16.
        device: auto | cpu | cuda | cuda:0 ...

    Raises:
        ModelError: absent, unsupported or damaged model; bitsandbytes missing.
    """
    folder = find_model(name)
    config = _read_config(folder)
    chosen = choose_device(device)
    torch_dtype = choose_dtype(dtype, chosen, _rough_parameters(config))
    model = _load_weights(folder, bits, torch_dtype, chosen)
    tokenizer = load_tokenizer(folder)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise ModelError(
            "分词器比模型的词表大：它们不是一对",
            where=str(folder),
            found=f"分词器 {len(tokenizer)}，模型 {model.get_input_embeddings().weight.shape[0]}",
        )
    _repair_special_ids(model, tokenizer)
    return Base(model.eval(), tokenizer, folder, fingerprint(folder))


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError("config.json 不是合格的 JSON", where=str(folder), found=str(error)) from None
    kind = str(config.get("model_type", "")).lower()
    if kind in NOT_NATIVE or ("auto_map" in config and kind in NOT_NATIVE):
        raise ModelError(
            "这个模型要运行它自带的代码，本项目默认不运行外来代码", where=str(folder), found=kind, fix=NOT_NATIVE[kind]
        )
    return config


def _rough_parameters(config: dict[str, Any]) -> float:
    """Parameters of a LLaMA-like decoder, good enough to choose a dtype."""
    hidden, layers = config.get("hidden_size") or 0, config.get("num_hidden_layers") or 0
    return layers * (4 * hidden**2 + 3 * hidden * (config.get("intermediate_size") or 4 * hidden)) + 2 * hidden * (
        config.get("vocab_size") or 0
    )


def _load_weights(folder: Path, bits: int, dtype: Any, device: str) -> Any:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    arguments: dict[str, Any] = {
        "dtype": dtype,
        "device_map": device,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    if bits:
        arguments["quantization_config"] = _quantisation(bits, dtype)
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(str(folder), **arguments)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            "模型载入失败",
            where=str(folder),
            found=str(error).strip().splitlines()[0][:300],
            fix="cornucopia doctor 查环境；文件损坏时用 cornucopia models pull 重新下载",
        ) from None
    if bits and not any(type(m).__module__.startswith("bitsandbytes") for m in model.modules()):
        raise ModelError(f"{bits} 位量化没有作用于任何一层", where=str(folder), fix="去掉 --bits")
    return model


def _quantisation(bits: int, dtype: Any) -> Any:
    import importlib.util

    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(f"{bits} 位量化需要 bitsandbytes", fix='pip install "cornucopia-fin[quant]"')
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _repair_special_ids(model: Any, tokenizer: Any) -> None:
    """Old LLaMA conversions carry bos/eos/pad ids of -1 or 0 in their config; the tokenizer knows better."""
    generation = model.generation_config
    if tokenizer.eos_token_id is not None and (generation.eos_token_id is None or generation.eos_token_id in (-1, 0)):
        generation.eos_token_id = tokenizer.eos_token_id
    if tokenizer.bos_token_id is not None and generation.bos_token_id in (None, -1, 0):
        generation.bos_token_id = tokenizer.bos_token_id
    generation.pad_token_id = tokenizer.pad_token_id
