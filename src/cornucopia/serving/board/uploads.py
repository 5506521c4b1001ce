"""Data files that were dropped in: each in a folder that the server names, checked as `cornucopia data check` does.

The name that a file came with is shown and kept beside it; of it only a known ending becomes part of a file's name.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.errors import CornucopiaError, DataError, reason
from cornucopia.core.jsonl import write_json
from cornucopia.models.local import read_json
from cornucopia.records.data_files import DATA_SUFFIXES, TEXT_SUFFIXES
from cornucopia.records.rejects import Reject
from cornucopia.records.stream import RecordStream
from cornucopia.serving.problems import Problem
from cornucopia.training.data.mixture import opener
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.recipe import TrainRecipe

SUFFIXES = (*DATA_SUFFIXES, *TEXT_SUFFIXES)
MOST_TOLD = 200  # bad rows that are listed; all are counted
_MOST_KEPT = 500  # uploads
_ABOUT = "upload.json"
_MB = 1_000_000


@dataclass(frozen=True)
class Upload:
    """A file that was dropped in.

    Args:
        id: the server's name for it.
        name: the one that it came with, for people.
        file: where it lies.
        size: bytes.
        time: seconds since 1970.
    """

    id: str
    name: str
    file: Path
    size: int
    time: float

    def told(self) -> dict[str, Any]:
        """For the page."""
        return {"id": self.id, "name": self.name, "size": self.size, "time": self.time}


class Uploads:
    """
    Args:
        home: their folder; made on first use.
        most_mb: size of the largest file that is taken, in MB.
    """

    def __init__(self, home: Path, most_mb: float) -> None:
        self._home, self._most = home, most_mb

    def table(self) -> dict[str, Upload]:
        """Id -> upload, the newest first."""
        folders = [path for path in self._home.iterdir() if path.is_dir()] if self._home.is_dir() else []
        found = [upload for path in folders if (upload := _read(path))]
        return {upload.id: upload for upload in sorted(found, key=lambda upload: -upload.time)}

    async def keep(self, name: str, parts: AsyncIterator[bytes]) -> Upload:
        """Write a file as it comes in.

        Args:
            name: as the browser has it.
            parts: its bytes.

        Raises:
            Problem: of no kind that is read, empty, too large, or the disk is full. Nothing of it is left then.
        """
        suffix = next((one for one in SUFFIXES if name.lower().endswith(one)), "")
        if not suffix:
            raise Problem(400, f"不收这种文件，支持 {' '.join(SUFFIXES)}")
        if len(self.table()) >= _MOST_KEPT:
            raise Problem(400, f"已有 {_MOST_KEPT} 个上传的文件，先删掉一些")
        folder = self._home / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True)
            file = folder / f"data{suffix}"
            size = await self._write(file, parts)
            upload = Upload(folder.name, _shown(name), file, size, time.time())
            write_json(folder / _ABOUT, upload.told())  # last: a folder without it is no upload
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise Problem(507, f"文件没有存下来：{reason(error)}") from None
            raise
        return upload

    async def _write(self, file: Path, parts: AsyncIterator[bytes]) -> int:
        size = 0
        with file.open("wb") as target:
            async for part in parts:
                size += len(part)
                if size > self._most * _MB:
                    raise Problem(413, f"文件超过 {self._most:g} MB；大文件请放在服务器上，用 cornucopia train 训练")
                target.write(part)
        if not size:
            raise Problem(400, "文件是空的")
        return size

    def remove(self, upload: Upload) -> None:
        """Delete one of `table`."""
        shutil.rmtree(upload.file.parent, ignore_errors=True)


def check(file: Path, recipe: TrainRecipe, name: str) -> dict[str, Any]:
    """Go through a file as training would, and as `cornucopia data check` does.

    Args:
        file: what is looked at.
        recipe: its objective says what a row must hold, its columns what they are called.
        name: what the file is called before people.

    Returns:
        Good records, bad rows, the first bad ones by line, notes, the formats met; `problem` when nothing can be read.
    """
    stream: RecordStream = opener(
        str(file), recipe.model_copy(update={"strict": False}), OBJECTIVES[recipe.objective].rows
    )()
    bad: list[dict[str, Any]] = []
    problem = ""
    try:
        for item in stream:
            if isinstance(item, Reject) and len(bad) < MOST_TOLD:
                where = f"{item.sheet}!{item.line}" if item.sheet else str(item.line or "")
                bad.append({"line": where, "reason": item.reason, "raw": item.raw[:300]})
        problem = "" if stream.records else told(stream.nothing(), file, name)
    except DataError as error:
        problem = told(error, file, name)
    return {
        "records": stream.records, "rejects": stream.rejects, "bad": bad, "problem": problem,
        "notes": [note.replace(str(file), name).replace(file.name, name) for note in stream.notes],
        "formats": list(dict(stream.formats.most_common())),
    }  # fmt: skip


def told(error: CornucopiaError, file: Path, name: str) -> str:
    """An error about a file, by the name that people know it by."""
    parts = "；".join(part for part in (error.what, error.found, error.fix) if part)
    return parts.replace(str(file), name).replace(file.name, name)


def _read(folder: Path) -> Upload | None:
    about = read_json(folder / _ABOUT)
    file = next((folder / f"data{suffix}" for suffix in SUFFIXES if (folder / f"data{suffix}").is_file()), None)
    if file is None or not isinstance(about.get("time"), (int, float)):
        return None
    return Upload(folder.name, str(about.get("name", "")), file, file.stat().st_size, about["time"])


def _shown(name: str) -> str:
    """A file's name for people: the last part, without control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "", re.split(r"[/\\]", name)[-1])[:120] or "数据"
