"""Modules trained whole beside an adapter (PEFT's modules_to_save): held in float32 whatever the base is in."""

from __future__ import annotations

from typing import Any

from cornucopia.core.errors import ConfigError, nearest


def check_whole(model: Any, names: list[str]) -> None:
    """Refuse a module that is not there.

    Raises:
        ConfigError: with the nearest name.
    """
    present = sorted({name.rsplit(".", 1)[-1] for name, module in model.named_modules() if name and _has_own(module)})
    missing = next((name for name in names if not any(_ends(whole, name) for whole, _ in model.named_modules())), None)
    if missing is not None:
        close = nearest(missing, present)
        raise ConfigError(
            "模型里没有这个模块", where=f"modules_to_save {missing}", found=f"有 {'、'.join(present)}",
            fix=f"最接近的是 {close}" if close else "",
        )  # fmt: skip


def in_float32(model: Any) -> Any:
    """The PEFT model with the trained copies in float32, taking and giving what the base computes in."""
    from peft.utils import ModulesToSaveWrapper

    for module in model.modules():
        if isinstance(module, ModulesToSaveWrapper):
            for copy in module.modules_to_save.values():
                _widen(copy)
    return model


def _widen(module: Any) -> None:
    import torch

    narrow = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    if narrow == torch.float32:
        return

    def wide(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.float() if torch.is_tensor(x) and x.is_floating_point() else x for x in given)

    module.float()
    module.register_forward_pre_hook(wide)
    module.register_forward_hook(lambda _, given, out: out.to(narrow) if torch.is_tensor(out) else out)


def _has_own(module: Any) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def _ends(whole: str, name: str) -> bool:
    return whole == name or whole.endswith(f".{name}")
