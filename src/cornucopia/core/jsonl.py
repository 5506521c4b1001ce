"""JSON Lines and small files that survive a kill: whole lines or nothing, UTF-8, no ASCII escapes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def write_text(path: str | Path, text: str) -> None:
    """Replace a file in one step: after a kill it holds the old text or the new, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk above all: what was begun must not go on holding the space
        temporary.unlink(missing_ok=True)
        raise


def to_json(value: Any, **layout: Any) -> str:
    """JSON that every reader takes: a number that is not finite becomes null.

    Args:
        value: to be written.
        **layout: as for json.dumps.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, **layout)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, **layout)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def write_json(path: str | Path, value: Any) -> None:
    """Replace a file by indented JSON in one step."""
    write_text(path, to_json(value, indent=2) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> None:
    """Replace a file by JSON Lines in one step."""
    write_text(path, "".join(to_json(row) + "\n" for row in rows))


def read_jsonl(path: str | Path) -> Iterator[dict[str, Any]]:
    """Rows of a file this project wrote. A last line cut by a kill is left out."""
    path = Path(path)
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and line.strip():
                yield json.loads(line)


class Appender:
    """Appends rows to a JSON Lines file, each whole line in one write; mends a cut last line when it opens."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _drop_cut_tail(self.path)
        self._file = self.path.open("ab", buffering=0)

    def write(self, row: Any) -> None:
        """Append one row."""
        self._file.write((to_json(row) + "\n").encode())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _drop_cut_tail(path: Path) -> None:
    """Cut what follows the last newline: a line that a kill left half-written."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)
