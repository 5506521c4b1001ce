"""A folder of numbered shards: files of bytes, each set of which counts only when its small .json is there.

The .json (counts and the like) is written last, so a shard that a kill cut off is one that is not there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cornucopia.core.jsonl import to_json

RECORDS, DROPPED, REJECTS, SURVEY = "jsonl", "dropped.jsonl", "rejects.jsonl", "npz"
_STALE = re.compile(r"\..*\.\d+\.tmp")


class Shards:
    """Shards of one pass.

    Args:
        folder: where they are; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, number: int, kind: str) -> Path:
        """The file of a shard: `kind` is what follows the number in its name."""
        return self.folder / f"{number:06d}.{kind}"

    def summary(self, number: int) -> dict[str, Any] | None:
        """What was written with the shard; None where it is not whole."""
        try:
            return json.loads(self.path(number, "json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def has(self, number: int) -> bool:
        """Whether the shard is whole."""
        return self.path(number, "json").is_file()

    def write(self, number: int, files: Mapping[str, bytes], summary: dict[str, Any]) -> None:
        """Write one shard; files without a byte are left out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for kind, data in files.items():
            if data:
                replace_file(self.path(number, kind), [data])
        replace_file(self.path(number, "json"), [to_json(summary).encode()])

    def lines(self, number: int, kind: str = RECORDS) -> Iterator[bytes]:
        """Lines of a file of a shard, without their ends; none where it has no such file."""
        try:
            with self.path(number, kind).open("rb") as file:
                for line in file:
                    yield line[:-1]
        except FileNotFoundError:
            return

    def sweep(self) -> None:
        """Remove what killed writers left."""
        if self.folder.is_dir():
            for left in self.folder.iterdir():
                if _STALE.fullmatch(left.name):
                    left.unlink(missing_ok=True)


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace a file in one step: after a kill it holds the old bytes or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_done(folder: Path) -> dict[str, Any] | None:
    """What was written when the last shard of a folder was; None where some are missing."""
    try:
        return json.loads((folder / "done.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
