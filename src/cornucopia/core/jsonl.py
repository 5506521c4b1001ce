"""JSON Lines and small files that survive a kill: whole lines or nothing, UTF-8, no ASCII escapes."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


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
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: str | Path, value: Any) -> None:
    """Replace a file by indented JSON in one step."""
    write_text(path, mended(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> None:
    """Replace a file by JSON Lines in one step."""
    write_text(path, "".join(map(_line, rows)))


def mended(text: str) -> str:
    """Text that can be encoded: halves of a surrogate pair are joined, or become U+FFFD where the other is missing."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _SURROGATE.search(text) else text


def _line(row: Any) -> str:
    return mended(json.dumps(row, ensure_ascii=False)) + "\n"


def read_jsonl(path: str | Path) -> Iterator[dict[str, Any]]:
    """Rows of a file this project wrote. A last line cut by a kill is left out, half a surrogate pair mended."""
    path = Path(path)
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and line.strip():
                row = json.loads(line)
                escaped = b"\\ud" in line or b"\\uD" in line
                yield json.loads(mended(json.dumps(row, ensure_ascii=False))) if escaped else row


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
        data, end = _line(row).encode(), self._file.seek(0, os.SEEK_END)
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
    """Cut what follows the last newline: a line that a kill left half-written."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)
