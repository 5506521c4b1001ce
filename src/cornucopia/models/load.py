"""Load a base model: its folder, tokenizer, dtype, quantisation and device. Knows nothing of adapters or data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.console import say, warn
from cornucopia.core.device import choose_device, choose_dtype, cpu_has_fast_bfloat16
from cornucopia.core.errors import ModelError, first_line
from cornucopia.core.paths import bundled_model, project_root
from cornucopia.models.catalogue import find
from cornucopia.models.families import read_config
from cornucopia.models.local import how_to_get
from cornucopia.models.memory import read_shape
from cornucopia.models.tokenizer import load_tokenizer


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
            fix=how_to_get(name),
        )
    raise ModelError("本地没有这个模型", where=name, fix=f"{how_to_get(name)}；本地已有的见 cornucopia models")


def fingerprint(folder: str | Path) -> str:
    """16 hex digits of a model folder: its architecture, vocabulary size and samples of its weights.

    Reads the head and tail (64 KiB) of each weight file, so a 14 GB model takes milliseconds.
    """
    folder = Path(folder)
    config = read_config(folder)
    keys = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    digest = hashlib.sha256(json.dumps([config.get(key) for key in keys]).encode())
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        with path.open("rb") as file:
            size = path.stat().st_size
            digest.update(str(size).encode() + file.read(65536))
            file.seek(max(size - 65536, 0))
            digest.update(file.read(65536))
    return digest.hexdigest()[:16]


def load_base(name: str, *, bits: int = 0, dtype: str = "auto", device: str = "auto", quant_type: str = "auto") -> Base:
    """Load a causal language model.

    Args:
        name: path, "nano", or a name under base_models/.
        bits: 0 keeps the dtype; 8 quantises by rows (models.eight_bit), 4 with bitsandbytes (NF4, double quantisation;
            QLoRA, arXiv:2305.14314).
        dtype: auto | float32 | bfloat16 | float16.
        device: auto | cpu | cuda | cuda:0 ...
        quant_type: auto, or for 8 bits int8 | int8_dot | fp8, the last two with products in 8 bits (for training).

    Raises:
        ModelError: absent, unsupported or damaged model; bitsandbytes missing.
    """
    folder = find_model(name)
    chosen = choose_device(device)
    torch_dtype = choose_dtype(dtype, chosen, read_shape(folder).parameters)
    if chosen == "cpu" and torch_dtype.itemsize == 2 and not bits and not cpu_has_fast_bfloat16():
        warn("这颗 CPU 没有 16 位浮点的矩阵指令，这样算会慢几十倍；内存放得下就用 --dtype float32")
    model = _load_weights(folder, _quantisation(bits, quant_type, torch_dtype), torch_dtype, chosen)
    tokenizer = load_tokenizer(folder)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise ModelError(
            "分词器比模型的词表大：它们不是一对",
            where=str(folder),
            found=f"分词器 {len(tokenizer)}，模型 {model.get_input_embeddings().weight.shape[0]}",
        )
    _repair_special_ids(model, tokenizer)
    return Base(model.eval(), tokenizer, folder, fingerprint(folder))


def _load_weights(folder: Path, quantisation: Any, dtype: Any, device: str) -> Any:
    import pickle

    import transformers
    from safetensors import SafetensorError

    from cornucopia.kernels.four_bit import spare_uneven

    transformers.utils.logging.disable_progress_bar()
    arguments: dict[str, Any] = {
        "dtype": dtype,
        "device_map": device,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    if quantisation:
        arguments["quantization_config"] = quantisation
    try:
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder), output_loading_info=True, **arguments
        )
    except (
        OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError, EOFError, SafetensorError,
        pickle.UnpicklingError,
    ) as error:  # fmt: skip
        raise ModelError(
            "模型载入失败",
            where=str(folder),
            found=first_line(error, 300),
            fix="cornucopia doctor 查环境；文件损坏时用 cornucopia models pull 重新下载",
        ) from None
    model, report = loaded
    if report["missing_keys"]:  # Transformers would fill them with random numbers
        names = sorted(report["missing_keys"])
        raise ModelError(
            "权重文件不全",
            where=str(folder),
            found=f"缺 {names[0]} 等 {len(names)} 个",
            fix="cornucopia models pull 重新下载",
        )
    if quantisation and not any(type(m).__name__ in ("Linear8bit", "Linear4bit") for m in model.modules()):
        raise ModelError("量化没有作用于任何一层", where=str(folder), fix="去掉 --bits")
    if spare_uneven(model):
        say("有的层大小不合 bitsandbytes 在这颗 CPU 上的 4 位快速乘法，这些层用普通的（结果一样，慢一些）")
    return model


def _quantisation(bits: int, quant_type: str, dtype: Any) -> Any:
    """Transformers' quantisation configuration; None for 0 bits."""
    import importlib.util

    if not bits:
        return None
    if bits == 8:
        from cornucopia.models import eight_bit

        eight_bit.register()
        return eight_bit.EightBitConfig("int8" if quant_type == "auto" else quant_type)
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError("4 位量化需要 bitsandbytes", fix="pip install bitsandbytes，或用 --bits 8")
    from transformers import BitsAndBytesConfig

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
