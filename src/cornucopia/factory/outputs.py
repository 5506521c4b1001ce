"""Parts of shards -> the files of the data set, and one file of all that was dropped."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError
from cornucopia.factory.formatting import SUFFIXES
from cornucopia.factory.shards import Shards, replace_file

_BLOCK = 1 << 20
_OUTPUT = re.compile(r"(train|valid|test|dropped|rejects)(-\d{5}-of-\d{5})?\.jsonl(\.gz|\.zst)?")
_LABEL = re.compile(r"\d+-\w+")  # of a step; its reports are LABEL.NAME


def refuse_other_data(folder: Path) -> None:
    """
    Args:
        folder: the output folder of a run that has not begun.

    Raises:
        ConfigError: files that no run made would be written over.
    """
    if (folder / "manifest.json").is_file() or (folder / "work").is_dir():
        return
    found = sorted(path.name for path in folder.glob("*.jsonl*") if _OUTPUT.fullmatch(path.name))
    if found:
        raise ConfigError(
            "输出文件夹里有别处来的数据，写下去会盖掉",
            where=str(folder),
            found="、".join(found),
            fix="换一个 output_dir",
        )


def refuse_own_outputs(folder: Path, inputs: Iterable[dict[str, Any]]) -> None:
    """
    Args:
        folder: the output folder.
        inputs: {path, ...} of each file that the run reads.

    Raises:
        ConfigError: the run would write over what it reads.
    """
    top = folder.resolve()
    for row in inputs:
        path = Path(row["path"]).resolve()
        if (path.parent == top and _OUTPUT.fullmatch(path.name)) or path.is_relative_to(top / "work"):
            raise ConfigError("输入在输出文件夹里，会被这次运行盖掉", where=row["path"], fix="换一个 output_dir")


def write_outputs(last: Shards, count: int, settings: Any, folder: Path) -> list[dict[str, Any]]:
    """The output files, one or more a split; those of an earlier run that are no longer made go.

    Args:
        last: shards of the last pass.
        count: their number.
        settings: an OutputConfig.
        folder: where the files go.

    Returns:
        {path, split, records, bytes, sha256} of each.
    """
    earlier = _earlier(folder)
    numbers: dict[str, list[tuple[int, int]]] = {}
    for number in range(count):
        for split, records in (last.summary(number) or {})["splits"].items():
            numbers.setdefault(split, []).append((number, records))
    rows = []
    for split in sorted(numbers) or ["train"]:
        files = _dealt(numbers.get(split, []), settings.per_file)
        for index, held in enumerate(files):
            name = split if settings.per_file is None else f"{split}-{index + 1:05d}-of-{len(files):05d}"
            path = folder / f"{name}.jsonl{SUFFIXES[settings.compress]}"
            parts = [last.path(number, f"{split}.part") for number, _ in held]
            rows.append({"path": path.name, "split": split, "records": sum(n for _, n in held), **_joined(path, parts)})
    for name in earlier - {row["path"] for row in rows}:
        (folder / name).unlink(missing_ok=True)
    return rows


def _earlier(folder: Path) -> set[str]:
    """Names of the output files of the run before."""
    return {Path(row["path"]).name for row in _told(folder, "outputs")}


def _told(folder: Path, part: str) -> list[dict[str, str]]:
    """What the manifest of the run before says of its outputs or stages."""
    try:
        rows = json.loads((folder / "manifest.json").read_bytes())[part]
        return [{name: str(row[name]) for name in ("path", "label") if name in row} for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _dealt(numbered: list[tuple[int, int]], per_file: int | None) -> list[list[tuple[int, int]]]:
    """(shard, records) by file: a file is full with the shard that brings it to `per_file` records."""
    files: list[list[tuple[int, int]]] = [[]]
    for pair in numbered:
        if per_file is not None and sum(count for _, count in files[-1]) >= per_file:
            files.append([])
        files[-1].append(pair)
    return files


def write_joined(passes: Sequence[tuple[Shards, int]], kind: str, path: Path) -> None:
    """All files of a kind one after another; no file where there is none."""
    parts = [shards.path(number, kind) for shards, count in passes for number in range(count)]
    there = [part for part in parts if part.is_file()]
    if there:
        replace_file(path, _blocks(there))
    else:
        path.unlink(missing_ok=True)


def write_reports(reports: Iterable[tuple[str, Path]], folder: Path) -> dict[str, list[Path]]:
    """Copy what the steps wrote for the user to `folder` as LABEL.NAME; those of an earlier run go.

    Args:
        reports: (label, folder with the files) of each step.
        folder: the output folder.
    """
    written = {}
    reports = list(reports)
    earlier = {row["label"] for row in _told(folder, "stages") if _LABEL.fullmatch(row.get("label", ""))}
    for label in sorted(earlier | {label for label, _ in reports}):
        for old in folder.glob(f"{label}.*"):
            old.unlink()
    for label, place in reports:
        found = sorted(place.iterdir()) if place.is_dir() else []
        for path in found:
            replace_file(folder / f"{label}.{path.name}", _blocks([path]))
        written[label] = [folder / f"{label}.{path.name}" for path in found]
    return written


def _joined(path: Path, parts: Sequence[Path]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for block in _blocks(parts):
            digest.update(block)
            size += len(block)
            yield block

    replace_file(path, counted())
    return {"bytes": size, "sha256": digest.hexdigest()}


def _blocks(parts: Sequence[Path]) -> Iterator[bytes]:
    for part in parts:
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
