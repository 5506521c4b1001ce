"""What lies on this disk: model folders under base_models/, adapters under runs/ and base_models/.

Reads configuration files and the headers of weight files only, never a tensor; nothing is loaded or downloaded.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from cornucopia.core import hub
from cornucopia.core.errors import nearest
from cornucopia.core.paths import bundled_model, project_root
from cornucopia.models import catalogue

DEPTH = 4  # folders below runs/ in which an adapter is looked for
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_HEADER_LIMIT = 100_000_000  # bytes; the safetensors format's own limit


@dataclass(frozen=True)
class LocalModel:
    """A model folder; `parameters` is 0 where unknown, `problem` '' where it is whole."""

    folder: Path
    architecture: str
    parameters: int
    size: int
    problem: str
    bundled: bool
    repo: str


@dataclass(frozen=True)
class LocalAdapter:
    """An adapter folder and the base it names."""

    folder: Path
    base: str
    kind: str
    rank: int
    size: int
    problem: str


def list_models() -> list[LocalModel]:
    """Models under base_models/, finished or not, the bundled one first."""
    home = project_root() / "base_models"
    folders = [path for path in home.iterdir() if path.is_dir()] if home.is_dir() else []
    folders = [path for path in folders if not (path / "adapter_config.json").is_file() and _holds_model(path)]
    models = [read_model(path) for path in folders]
    return sorted(models, key=lambda model: (not model.bundled, model.folder.name.lower()))


def names() -> list[str]:
    """What `--model` may be called here: folders of base_models/ that hold a configuration."""
    home = project_root() / "base_models"
    here = sorted(path.parent.name for path in home.glob("*/config.json")) if home.is_dir() else []
    return here if "nano" in here or not (bundled_model() / "config.json").is_file() else ["nano", *here]


def how_to_get(name: str) -> str:
    """What to do about a model that is not here: the names most like it, here and in the catalogue, or a pull."""
    plain = name.removeprefix("./").removeprefix("base_models/").rstrip("/")
    last = plain.split("/")[-1]
    entry = catalogue.find(plain) or catalogue.find(last)
    if entry:
        return f"cornucopia models pull {entry.replaced_by or entry.name}"
    same = (one for one in names() if one != last and one.lower() == last.lower())
    here = next(same, "") or nearest(last.lower(), names())
    known = nearest(last, [one.name for one in catalogue.entries() if not one.gone])
    ways = [f"本地最接近的是 {here}"] if here else []
    ways += [f"目录里最接近的是 {known}（cornucopia models pull {known}）"] if known else []
    if Path(name).is_absolute() or name.startswith(".") or plain.count("/") > 1:
        ways.append("核对路径，目录里要有 config.json")
    elif "/" in plain:
        ways.append(f"cornucopia models pull {plain}")
    return "；".join(ways) or "目录见 cornucopia models list --all，或写完整的「组织/名字」"


def list_adapters() -> list[LocalAdapter]:
    """Adapters under runs/ and base_models/, newest first."""
    found = [path for name in ("runs", "base_models") for path in _find_adapters(project_root() / name)]
    return [read_adapter(path) for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def read_model(folder: Path) -> LocalModel:
    """Describe a model folder; whatever cannot be read is told in `problem`."""
    config = read_json(folder / "config.json")
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else config.get("model_type", "")
    shards, problem = weight_files(folder)
    counts = [_parameters(path) for path in shards if path.suffix == ".safetensors" and path.is_file()]
    marker = hub.read_marker(folder)
    if any(folder.glob("*.part")):
        problem = "下载未完成"
    elif not problem and marker and not hub.intact(folder, marker):
        problem = "有文件缺失或大小不对"
    elif not problem and None in counts:
        problem = "权重文件损坏或被截断"
    elif not problem and not any((folder / name).is_file() for name in _TOKENIZERS):
        problem = "缺分词器"
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return LocalModel(
        folder,
        str(named),
        sum(count or 0 for count in counts),
        size,
        problem,
        folder.resolve() == bundled_model().resolve(),
        marker.repo if marker else "",
    )


def read_adapter(folder: Path) -> LocalAdapter:
    """Describe an adapter folder."""
    config = read_json(folder / "adapter_config.json")
    weights = [folder / name for name in ("adapter_model.safetensors", "adapter_model.bin")]
    present = [path for path in weights if path.is_file()]
    problem = "" if present else "缺 adapter_model.safetensors"
    if present and present[0].suffix == ".safetensors" and _parameters(present[0]) is None:
        problem = "权重文件损坏或被截断"
    rank = config.get("r")
    return LocalAdapter(
        folder,
        str(config.get("base_model_name_or_path") or ""),
        str(config.get("peft_type") or ""),
        rank if isinstance(rank, int) else 0,
        sum(path.stat().st_size for path in present),
        problem,
    )


def weight_files(folder: Path) -> tuple[list[Path], str]:
    """The weight files that the folder should hold, and what is wrong ('' if nothing).

    The index file names the shards; without one, a single file holds everything.
    """
    if not (folder / "config.json").is_file():
        return [], "缺 config.json"
    for index, single in (
        ("model.safetensors.index.json", "model.safetensors"),
        ("pytorch_model.bin.index.json", "pytorch_model.bin"),
    ):
        if (folder / index).is_file():
            shards = read_json(folder / index).get("weight_map")
            names = sorted({str(name) for name in shards.values()}) if isinstance(shards, dict) else []
            missing = [name for name in names if not (folder / name).is_file()]
            problem = f"缺 {len(missing)}/{len(names)} 个权重分片" if missing else ("" if names else f"{index} 读不懂")
            return [folder / name for name in names if name not in missing], problem
        if (folder / single).is_file():
            return [folder / single], ""
    return [], "没有权重文件（只有配置，可估算内存）"


def read_header(path: Path) -> dict[str, Any] | None:
    """Header of a safetensors file, or None if the file is spoilt or cut (its length must match the header).

    Format: 8 bytes little-endian header length, JSON header, then the tensors at `data_offsets`.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length)) if length <= _HEADER_LIMIT else None
        if not isinstance(header, dict):
            return None
        tensors = {name: item for name, item in header.items() if name != "__metadata__"}
        end = max((item["data_offsets"][1] for item in tensors.values()), default=0)
        return tensors if path.stat().st_size == 8 + length + end else None
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def _parameters(path: Path) -> int | None:
    header = read_header(path)
    try:
        return None if header is None else sum(prod(item["shape"]) for item in header.values())
    except (KeyError, TypeError):
        return None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or {} when it is absent or spoilt."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _holds_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() or any(folder.glob("*.safetensors")) or any(folder.glob("*.part"))


def _find_adapters(home: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(home):
        depth = len(Path(place).relative_to(home).parts)
        # A run's checkpoints are the trainer's own; the adapter to use is the run folder itself.
        folders[:] = [name for name in folders if depth < DEPTH and not name.startswith(("checkpoint-", "."))]
        if "adapter_config.json" in files:
            yield Path(place)
