"""Load PEFT adapters, old (`adapter_model.bin`) and new (safetensors), onto the base they belong to.

Weights are never unpickled: `.bin` files go through torch's weights-only reader. Base and shapes are checked; an
adapter that does not fit is taken off again.
"""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

from cornucopia.core.console import warn
from cornucopia.core.errors import ModelError, first_line
from cornucopia.models.find import find_adapter
from cornucopia.models.fingerprint import DIGITS
from cornucopia.models.load import Base, check_finite
from cornucopia.models.meta import ModelMeta, read_meta
from cornucopia.models.scorer import HEAD, is_scorer

_RAW = re.compile(r"\.(lora_(?:A|B|embedding_A|embedding_B|magnitude_vector))\.(?!weight$)([^.]+)(\.weight)?$")
_SCORES = "SEQ_CLS"  # PEFT's name of what a reward model does
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")


def read_weights(folder: Path) -> dict[str, Any]:
    """The adapter's tensors by PEFT name.

    Raises:
        ModelError: if the file is damaged, or is a pickle that would run code.
    """
    safe = folder / "adapter_model.safetensors"
    if safe.is_file():
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(str(safe))
        except SafetensorError as error:
            raise ModelError(
                "适配器权重已损坏", where=str(safe), found=str(error), fix="重新下载或用 --resume 重新训练"
            ) from None
    return _read_bin(folder / "adapter_model.bin")


def _code_in(error: pickle.UnpicklingError) -> str:
    """What the file would run; torch's own text is not shown, for it tells how to switch the check off."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f"要调用 {named[1]}" if named else "不是纯权重"


def _read_bin(path: Path) -> dict[str, Any]:
    import torch

    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            "拒绝读取：这个 .bin 里除了权重还有会运行的代码",
            where=str(path),
            found=_code_in(error),
            fix="只使用可信来源的适配器，最好是 safetensors 格式",
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelError("适配器权重已损坏", where=str(path), found=first_line(error), fix="重新下载这个文件") from None
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ModelError("适配器权重不是张量表", where=str(path), found=type(weights).__name__)
    return weights


def peft_names(weights: dict[str, Any]) -> dict[str, Any]:
    """The tensors under the names PEFT files use, from a raw state dict too.

    `torch.save(model.state_dict())` puts the adapter's own name into each key (`lora_A.default.weight`), and wrappers
    put `module.` or `_orig_mod.` before it; weights of the base in such a file are left out.
    """
    if not any(_RAW.search(key) for key in weights):
        return weights
    kept = {key: value for key, value in weights.items() if _RAW.search(key) or ".modules_to_save." in key}
    if len(kept) < len(weights):
        warn(f"适配器文件里还有 {len(weights) - len(kept)} 个基座的张量，不用它们")
    named = {}
    for key, value in kept.items():
        plain = _RAW.sub(r".\1\3", _WRAPPERS.sub("", key))
        plain = re.sub(r"\.modules_to_save\.[^.]+\.", ".", plain)
        named[plain if plain.startswith("base_model.") else f"base_model.model.{plain}"] = value
    return named


def _tell_unknown(folder: Path, config: Any) -> None:
    """Name the settings that this PEFT passes over: they may change what the adapter does."""
    try:
        given = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    unknown = [
        key for key, value in given.items() if value not in (None, False, "", [], {}) and not hasattr(config, key)
    ]
    if unknown:
        names = "、".join(sorted(unknown))
        warn(f"适配器的设置里有这版 PEFT 不认识的，没有生效：{names}（{folder}）。升级 peft，或核对适配器的来源")


def attach(model: Any, base: Base, adapter_dir: str | Path, name: str) -> Any:
    """Put an adapter on a base, beside those already there.

    Args:
        model: base.model, or the PEFT model an earlier call returned.
        base: the loaded base.
        adapter_dir: the adapter's folder.
        name: name of the adapter within the model (`model.set_adapter(name)`).

    Returns:
        A PEFT model in eval mode with the adapter active.

    Raises:
        ModelError: wrong base or vocabulary, wrong shapes, damaged files.
    """
    from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict

    folder = find_adapter(adapter_dir)
    check_base(read_meta(folder), base, folder)
    weights = peft_names(read_weights(folder))
    check_finite(weights.items(), folder)
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError("adapter_config.json 有误", where=str(folder), found=str(error)[:200]) from None
    _tell_unknown(folder, config)
    _settle_task(config, base, weights, folder)
    config.inference_mode = True
    beside = isinstance(model, PeftModel)
    try:
        if beside:
            model.add_adapter(name, config)
        else:
            model = get_peft_model(model, config, adapter_name=name)
        result = set_peft_model_state_dict(model, weights, adapter_name=name)
        _check_keys(model, name, result, weights, folder, base)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, ModelError) as error:
        _take_off(model, base, name, beside)
        raise error if isinstance(error, ModelError) else _mismatch(folder, base, str(error)) from None
    model.set_adapter(name)
    model.requires_grad_(False)
    return model.eval()


def scores(folder: Path) -> bool:
    """Whether an adapter is a reward model's: it has a head, and gives scores."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("task_type") == _SCORES


def _settle_task(config: Any, base: Base, weights: dict[str, Any], folder: Path) -> None:
    """An adapter that answers may begin a reward model, whose head is then new; the reverse is refused.

    Raises:
        ModelError: a reward model's adapter on a base that answers, or one without its head.
    """
    if is_scorer(base.model):
        if not any(key.endswith(f".{HEAD}.weight") for key in weights):
            if config.task_type == _SCORES:
                raise ModelError("奖励模型的适配器里没有打分的那一层", where=str(folder), found=f"缺 {HEAD}.weight")
            weights[f"base_model.model.{HEAD}.weight"] = getattr(base.model, HEAD).weight.detach()
        config.task_type = _SCORES
    elif config.task_type == _SCORES:
        fix = f"cornucopia data reward 回答.jsonl --model 基座 --adapter {folder}"
        raise ModelError("这是奖励模型的适配器：只会给回答打分，不会回答", where=str(folder), fix=fix)


def _take_off(model: Any, base: Base, name: str, beside: bool) -> None:
    """Leave the model as it was before an adapter that does not fit: others stand on the same base."""
    if not beside:
        if hasattr(model, "unload"):
            model.unload()
        base.model.__dict__.pop("peft_config", None)
    elif name in model.peft_config:
        active = model.active_adapter
        model.delete_adapter(name)
        model.set_adapter(active if active in model.peft_config else next(iter(model.peft_config)))


def check_base(meta: ModelMeta, base: Base, folder: Path) -> None:
    """Refuse an adapter that was trained on another base.

    Raises:
        ModelError: naming both.
    """
    if meta.base_fingerprint and len(meta.base_fingerprint) != DIGITS:
        warn(f"{folder} 是旧版本练出来的，只记了基座的抽样指纹，没法核对是不是这个基座")
    elif meta.base_fingerprint and meta.base_fingerprint != base.fingerprint:
        raise ModelError(
            "适配器不是在这个基座上训练的",
            where=str(folder),
            fix=f"换成它的基座：--model {meta.base}",
            found=f"训练时 {meta.base}（{meta.base_fingerprint}），现在 {base.path}（{base.fingerprint}）",
        )


def _check_keys(model: Any, name: str, result: Any, weights: dict[str, Any], folder: Path, base: Base) -> None:
    """Every tensor of the file must have found its place, and every LoRA tensor of the model its value."""
    prompt = {"prompt_embeddings"} if model.peft_config[name].is_prompt_learning else set()  # has gone to the encoder
    unexpected = [key for key in getattr(result, "unexpected_keys", []) if key not in prompt]
    if unexpected:
        raise _mismatch(folder, base, f"模型里没有 {unexpected[0]} 等 {len(unexpected)} 个张量的位置")
    expected = sum(1 for key, _ in model.named_parameters() if ".lora_" in key and f".{name}." in f"{key}.")
    given = sum(1 for key in weights if ".lora_" in key)
    if expected != given:
        raise _mismatch(folder, base, f"模型需要 {expected} 个 LoRA 张量，文件里有 {given} 个")


def _mismatch(folder: Path, base: Base, found: str) -> ModelError:
    lines = [line.strip() for line in found.splitlines() if "size mismatch" in line] or [found.strip()]
    reason = "词表大小不同" if any(k in lines[0] for k in ("embed_tokens", "lm_head")) else "层数或形状不同"
    return ModelError(
        f"适配器装不到这个基座上：{reason}",
        where=f"{folder} → {base.path}",
        found=lines[0][:300],
        fix="用 adapter_config.json 里 base_model_name_or_path 写的基座",
    )
