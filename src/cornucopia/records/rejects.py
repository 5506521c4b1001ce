"""Rows that could not be used: what was found, where, and a file that keeps them. Knows nothing of formats."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cornucopia.core.jsonl import write_jsonl

REJECTS_SUFFIX = ".rejects.jsonl"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KEYS = {"where", "reason", "raw"}


@dataclass(frozen=True)
class Reject:
    """A row that could not be used.

    Args:
        line: its first line in the file, from 1 (in Parquet: the row's number); 0 for a whole file.
        reason: what was found, in Chinese.
        raw: its text.
        path: the file.
        sheet: of an Excel file, whose row `line` is.
    """

    line: int
    reason: str
    raw: str
    path: str = ""
    sheet: str = ""

    @property
    def where(self) -> str:
        """`file:line`, `file:sheet!row`"""
        place = f"{self.sheet}!{self.line}" if self.sheet else str(self.line)
        return f"{self.path}:{place}" if self.line else self.path

    def __str__(self) -> str:
        return printable(f"{self.where}  {self.reason}")


def printable(text: str) -> str:
    """The text with lone surrogates and control characters written as escapes, so that it can be printed and stored."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", _whole(text))


def _whole(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_rejects(data: Path, rejects: Sequence[Reject], target: str | Path | None) -> Path | None:
    """Keep bad rows; where there are none, remove the file that an earlier reading of the same data left.

    A file that holds anything but kept bad rows is never replaced or removed.

    Args:
        data: the file or folder that was read.
        rejects: its bad rows.
        target: a .jsonl file, or a folder for `<name>.rejects.jsonl`; None: beside the data.

    Returns:
        The file written, or None when there was nothing to write.

    Raises:
        OSError: if rejects cannot be written, or another file has the name.
    """
    stem = data.stem if data.is_file() else data.resolve().name
    path = Path(target) if target else data if data.is_dir() else data.parent
    path = path if path.suffix == ".jsonl" else path / f"{stem}{REJECTS_SUFFIX}"
    if rejects:
        if not _is_ours(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        rows = [{"where": reject.where, "reason": reject.reason, "raw": reject.raw} for reject in rejects]
        write_jsonl(
            path,
            [{key: text.encode("utf-8", "backslashreplace").decode() for key, text in row.items()} for row in rows],
        )
        return path
    try:
        if _is_ours(path):
            path.unlink(missing_ok=True)
    except OSError:
        return None  # a read-only folder holds no file of ours
    return None


def _is_ours(path: Path) -> bool:
    """Whether the file is missing, empty, or begins with a bad row that was kept."""
    try:
        with path.open("rb") as file:
            first = file.readline()
        return not first or set(json.loads(first)) == _KEYS
    except FileNotFoundError:
        return True
    except (ValueError, TypeError, RecursionError):
        return False
