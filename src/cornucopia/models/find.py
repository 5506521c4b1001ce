"""Where a model or an adapter lies on this disk. Never downloads."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cornucopia.core.errors import ModelError
from cornucopia.core.paths import bundled_model, project_root
from cornucopia.models.catalogue import find
from cornucopia.models.local import how_to_get

ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def find_model(name: str) -> Path:
    """The local folder of a model: a path, "nano" (bundled), or a name under base_models/.

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
    if existing is None:
        raise ModelError("本地没有这个模型", where=name, fix=f"{how_to_get(name)}；本地已有的见 cornucopia models")
    if (existing / "adapter_config.json").is_file():
        raise ModelError(
            "这是适配器，不是基座", where=str(existing), fix=f"基座写在 --model，适配器写成 --adapter {existing}"
        )
    found = "、".join(sorted(p.name for p in existing.iterdir())[:8]) or "空目录"
    raise ModelError("这个目录里没有模型（缺 config.json）", where=str(existing), found=found, fix=how_to_get(name))


def found_folders(base: str, adapter: str | None = None) -> list[Path]:
    """The folders of a model and of its adapter, those that are there: what else is wrong is told when they are opened.

    An address of a model elsewhere has none.
    """
    found = []
    for find_one, name in ((find_model, base), (find_adapter, adapter)):
        with suppress(ModelError, OSError, ValueError):
            found += [find_one(name)] if name else []
    return found


def find_adapter(name: str | Path) -> Path:
    """The folder of an adapter: a path, or a name under base_models/ or runs/.

    Raises:
        ModelError: when there is no adapter_config.json or no weights.
    """
    root = project_root()
    for folder in (Path(name), root / "base_models" / str(name), root / "runs" / str(name)):
        if (folder / "adapter_config.json").is_file():
            if not any((folder / file).is_file() for file in ADAPTER_WEIGHTS):
                raise ModelError("适配器缺权重文件", where=str(folder), fix=f"要有 {' 或 '.join(ADAPTER_WEIGHTS)}")
            return folder
    if (Path(name) / "config.json").is_file():
        raise ModelError("这是完整的模型，不是适配器", where=str(name), fix=f"直接用它：--model {name}，不写 --adapter")
    raise ModelError(
        "找不到适配器（缺 adapter_config.json）",
        where=str(name),
        fix="给出训练输出目录，或 cornucopia models 看本地有什么",
    )
