"""Fingerprints of the files that a result is made of: contents, not names or times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.core.jsonl import write_json

_BLOCK = 1 << 22


class Fingerprints:
    """SHA-256 of files; remembered by size and time, so that a resumed run need not read them again.

    Args:
        memory: the file they are remembered in.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        try:
            self._known: dict[str, list[Any]] = json.loads(memory.read_bytes())
        except (OSError, ValueError):
            self._known = {}
        self._used: dict[str, list[Any]] = {}

    def of(self, paths: Iterable[Path]) -> list[dict[str, Any]]:
        """{path, sha256, bytes} of every file, those in folders too, in order.

        Raises:
            DataError: one cannot be read.
        """
        return [self._one(file) for path in paths for file in _files(path)]

    def save(self) -> None:
        """Remember the fingerprints asked for."""
        write_json(self._memory, self._used)

    def _one(self, path: Path) -> dict[str, Any]:
        try:
            stat = path.stat()
            seen = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
            name = str(path.resolve())
            known = self._known.get(name)
            digest = known[3] if known and known[:3] == seen else _sha256(path)
        except OSError as error:
            siblings = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
            close = "" if path.exists() else nearest(path.name, siblings)
            fix = f"最接近的是 {path.parent / close}" if close else "检查路径和权限"
            raise DataError("读不了输入", where=str(path), found=reason(error), fix=fix) from None
        self._used[name] = [*seen, digest]
        return {"path": str(path), "sha256": digest, "bytes": stat.st_size}


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def key_of(*values: Any) -> str:
    """16 hex digits that stand for JSON-ready values."""
    text = json.dumps(values, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
