"""Load PEFT adapters, old (`adapter_model.bin`) and new (safetensors), onto the base they belong to.

Weights are never unpickled: `.bin` files go through torch's weights-only reader. Base and shapes are checked; an
adapter that does not fit is taken off again.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

from cornucopia.adapters.meta import AdapterMeta, read_meta
from cornucopia.core.errors import ModelError, first_line
from cornucopia.core.paths import project_root
from cornucopia.models.load import Base


def find_adapter(name: str | Path) -> Path:
    """The folder of an adapter: a path, or a name under base_models/ or runs/.

    Raises:
        ModelError: when there is no adapter_config.json or no weights.
    """
    root = project_root()
    for folder in (Path(name), root / "base_models" / str(name), root / "runs" / str(name)):
        if (folder / "adapter_config.json").is_file():
            if not any((folder / file).is_file() for file in ("adapter_model.safetensors", "adapter_model.bin")):
                raise ModelError(
                    "适配器缺权重文件", where=str(folder), fix="要有 adapter_model.safetensors 或 adapter_model.bin"
                )
            return folder
    raise ModelError(
        "找不到适配器（缺 adapter_config.json）",
        where=str(name),
        fix="给出训练输出目录，或 cornucopia models 看本地有什么",
    )


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
    weights = read_weights(folder)
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError("adapter_config.json 有误", where=str(folder), found=str(error)[:200]) from None
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


def check_base(meta: AdapterMeta, base: Base, folder: Path) -> None:
    """Refuse an adapter that was trained on another base.

    Raises:
        ModelError: naming both.
    """
    if meta.base_fingerprint and meta.base_fingerprint != base.fingerprint:
        raise ModelError(
            "适配器不是在这个基座上训练的",
            where=str(folder),
            fix=f"换成它的基座：--model {meta.base}",
            found=f"训练时 {meta.base}（{meta.base_fingerprint}），现在 {base.path}（{base.fingerprint}）",
        )


def _check_keys(model: Any, name: str, result: Any, weights: dict[str, Any], folder: Path, base: Base) -> None:
    """Every tensor of the file must have found its place, and every LoRA tensor of the model its value."""
    unexpected = list(getattr(result, "unexpected_keys", []))
    if unexpected:
        raise _mismatch(folder, base, f"模型里没有 {unexpected[0]} 等 {len(unexpected)} 个张量的位置")
    expected = sum(1 for key, _ in model.named_parameters() if ".lora_" in key and f".{name}." in key)
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
