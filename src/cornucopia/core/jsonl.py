"""JSON Lines and small files that survive a kill: whole lines or nothing, UTF-8, no ASCII escapes.

Half a surrogate pair, which UTF-8 cannot hold, is written as its JSON escape and read back as it was.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cornucopia.core.console import ESCAPE

_HALVES = re.compile("[\ud800-\udfff]")
_STANDARD: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False}
_ONE_LINE = json.JSONEncoder(**_STANDARD)  # made once: json.dumps makes one for each value
_BLOCK = 1 << 16  # bytes read at a time when the end of a file is looked at


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON as the standard has it: NaN and the infinities, for which it has no word, are null."""
    try:
        return _ONE_LINE.encode(value) if indent is None else json.dumps(value, indent=indent, **_STANDARD)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, **_STANDARD)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def mended(text: str) -> str:
    """Text that can be encoded: halves of a surrogate pair are joined, or become U+FFFD where the other is missing."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _HALVES.search(text) else text


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary file's path; when its writer is done and nothing was raised, it becomes `path` in one step.

    What a failed or killed writer left beside it goes, so that a full disk does not stay full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Replace a file in one step: after a kill it holds the old text or the new, never a part."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors=ESCAPE) as file:
        file.write(text)


def _sweep(path: Path) -> None:
    """Remove the temporary files of writers of this file that are dead."""
    head = f".{path.name}."
    for left in path.parent.iterdir():
        pid = left.name.removeprefix(head).removesuffix(".tmp")
        if left.name == f"{head}{pid}.tmp" and pid.isdecimal():
            import psutil

            if not psutil.pid_exists(int(pid)):
                left.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Replace a file by indented JSON in one step."""
    write_text(path, to_json(value, 2) + "\n")


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
        """Append one row, whole or not at all.

        Raises:
            OSError: the disk is full; what was written of the row is taken back.
        """
        data, end = (to_json(row) + "\n").encode("utf-8", ESCAPE), self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            self._file.truncate(end)
            raise

    def clear(self) -> None:
        """Drop all rows."""
        self._file.truncate(0)

    def lock(self) -> bool:
        """Keep other processes from locking this file until it is closed or this process ends; False when one has.

        A file system without locks lets everybody in.
        """
        try:
            if sys.platform == "win32":
                import msvcrt

                self._file.seek(2**40)  # far beyond the data, which others may go on reading
                msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
        return True

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _drop_cut_tail(path: Path) -> None:
    """Cut what follows the last newline: a line that a kill left half-written. Reads from the end, not the whole."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        newline = -1
        while end and newline < 0:
            start = max(end - _BLOCK, 0)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            end = start + newline + 1
        if end < size:
            file.truncate(end)
