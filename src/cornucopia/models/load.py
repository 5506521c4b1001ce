"""Load a base model: its folder, tokenizer, dtype, quantisation and device. Knows nothing of adapters or data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.console import say, warn
from cornucopia.core.device import cpu_has_fast_bfloat16
from cornucopia.core.errors import ModelError, first_line
from cornucopia.models.families import read_config
from cornucopia.models.scorer import HEAD, check_config, ready, scorer_class
from cornucopia.models.spec import ResolvedModel

DEFAULT_NEW_TOKENS = 512  # of an answer, when neither the command nor the model's generation_config says


@dataclass
class Base:
    """A loaded base model.

    Args:
        model: a Transformers causal language model in eval mode, or a reward model (models.scorer).
        tokenizer: its fast tokenizer (left padding).
        path: its folder.
        fingerprint: of architecture and weights, which adapters are bound to (models.fingerprint).
    """

    model: Any
    tokenizer: Any
    path: Path
    fingerprint: str


def load_base(resolved: ResolvedModel, *, scores: bool = False) -> Base:
    """Load a causal language model, or a reward model.

    Args:
        resolved: from `models.spec.resolve`. 8 bits quantise by rows (models.eight_bit), 4 with bitsandbytes (NF4,
            double quantisation; QLoRA, arXiv:2305.14314).
        scores: load it as a reward model (models.scorer); a language model gets a new head, drawn by chance.

    Raises:
        ModelError: unsupported or damaged model; bitsandbytes missing; a reward model where none is wanted.
    """
    folder, bits = resolved.folder, resolved.spec.base_bits
    check_config(read_config(folder), folder, scores)
    if resolved.device == "cpu" and resolved.dtype.itemsize == 2 and not bits and not cpu_has_fast_bfloat16():
        warn("这颗 CPU 没有 16 位浮点的矩阵指令，这样算会慢几十倍；内存放得下就用 --dtype float32")
    quantisation = _quantisation(bits, resolved.spec.quant_type, resolved.dtype)
    model = _load_weights(folder, quantisation, resolved.dtype, resolved.device, scores)
    check_finite(_numbers(model, folder, bits), folder)
    tokenizer = resolved.tokenizer
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise ModelError(
            "分词器比模型的词表大：它们不是一对",
            where=str(folder),
            found=f"分词器 {len(tokenizer)}，模型 {model.get_input_embeddings().weight.shape[0]}",
        )
    if scores:
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id  # plain Transformers looks for it
    else:
        _repair_special_ids(model, tokenizer)
    return Base(model.eval(), tokenizer, folder, resolved.weights_fingerprint)


def save_weights(model: Any, folder: Path, **settings: Any) -> None:
    """`save_pretrained` with files that others may read like the rest: a server may run as somebody else, and
    safetensors writes for the owner alone."""
    model.save_pretrained(str(folder), **settings)
    mode = (folder / "config.json").stat().st_mode
    for path in folder.glob("*.safetensors"):
        path.chmod(mode)


def check_finite(weights: Iterable[tuple[str, Any]], folder: Path) -> None:
    """Refuse weights that are not numbers: a run that diverged, or a damaged file, would answer with nothing.

    Args:
        weights: (name, tensor); integers are passed over.
        folder: where they were read from.

    Raises:
        ModelError: naming the first tensor with NaN or infinity.
    """
    import torch

    for name, tensor in weights:
        if not tensor.is_floating_point() or tensor.numel() == 0 or tensor.is_meta:
            continue
        values = tensor.detach()
        values = values.to(torch.float16) if values.element_size() == 1 else values  # fp8 has no minimum
        low, high = torch.aminmax(values)
        if not (torch.isfinite(low) and torch.isfinite(high)):
            raise ModelError(
                "权重里有不是数的值（NaN 或无穷大），这个模型不能用",
                where=str(folder),
                found=name,
                fix="练出来的：用更早的检查点，或减小 --learning-rate 重练；下载的：cornucopia models pull 重新下载",
            )


def _numbers(model: Any, folder: Path, bits: int) -> Iterator[tuple[str, Any]]:
    """All floating-point numbers that the weights are made of.

    The scales of 8-bit rows show what was in them; 4-bit blocks do not, so those weights are looked at on disk.
    """
    yield from model.named_parameters()
    yield from ((name, buffer) for name, buffer in model.named_buffers() if name.endswith(".scales"))
    if bits == 4:
        from safetensors import safe_open

        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                yield from ((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118 - not a dict


def _load_weights(folder: Path, quantisation: Any, dtype: Any, device: str, scores: bool) -> Any:
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
    kind: Any = transformers.AutoModelForCausalLM
    try:
        if scores:
            kind = scorer_class(transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True))
            arguments["num_labels"] = 1
        loaded: Any = kind.from_pretrained(str(folder), output_loading_info=True, **arguments)
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
    _check(model, report, folder, quantisation, scores)
    if scores:
        ready(model)
    if spare_uneven(model):
        say("有的层大小不合 bitsandbytes 在这颗 CPU 上的 4 位快速乘法，这些层用普通的（结果一样，慢一些）")
    return model


def _check(model: Any, report: Any, folder: Path, quantisation: Any, scores: bool) -> None:
    """
    Raises:
        ModelError: weights are missing, or nothing was quantised that should be.
    """
    names = sorted(name for name in report["missing_keys"] if not (scores and name == f"{HEAD}.weight"))
    if names:  # Transformers would fill them with random numbers
        raise ModelError(
            "权重文件不全",
            where=str(folder),
            found=f"缺 {names[0]} 等 {len(names)} 个",
            fix="cornucopia models pull 重新下载",
        )
    if quantisation and not any(type(m).__name__ in ("Linear8bit", "Linear4bit") for m in model.modules()):
        raise ModelError("量化没有作用于任何一层", where=str(folder), fix="去掉 --bits")


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
