"""Sources of a recipe -> what the first pass reads: pieces that workers read themselves, or shards written here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.console import Progress, say
from cornucopia.core.jsonl import write_json
from cornucopia.factory.inputs import Fingerprints, key_of
from cornucopia.factory.intake.intake import Intake
from cornucopia.factory.intake.naming import named
from cornucopia.factory.recipe import DataRecipe, Part
from cornucopia.factory.shards import RECORDS, REJECTS, Shards, read_done
from cornucopia.factory.work import Job, Pass, reject_line
from cornucopia.records.native import pack
from cornucopia.records.rejects import Reject

_KB = 1 << 10


@dataclass(frozen=True)
class Sourced:
    """One source, ready to be read.

    Args:
        part: what the recipe says.
        key: of all its records depend on.
        inputs: its files with fingerprints.
        folder: of its shards.
        pieces: what `Intake.read` takes, where workers read the source; None where there are shards.
        count: of shards.
    """

    part: Part
    key: str
    inputs: list[dict[str, Any]]
    folder: Path
    pieces: list[Any] | None
    count: int

    def jobs(self, work: Pass, first: int) -> Iterator[Job]:
        """A job a shard, numbered from `first`."""
        for number in range(self.count):
            if self.pieces is None:
                yield Job(work, first + number, self.folder, number)
            else:
                settings = self.part.settings.model_dump_json()
                yield Job(work, first + number, piece=(self.part.target, settings, self.pieces[number]))


def prepare(recipe: DataRecipe, part: Part, fingerprints: Fingerprints, folder: Path) -> Sourced:
    """Read a source, unless its shards are there or workers can read it.

    Args:
        recipe: for the seed and the size of shards.
        part: the source.
        fingerprints: of its files.
        folder: in which the source gets its own.
    """
    intake: Intake = part.open()
    inputs = fingerprints.of(intake.inputs())
    settings = part.settings.model_dump(mode="json", exclude={"weight"})
    digests = [[row["path"], row["sha256"]] for row in inputs]
    key = key_of(part.name, intake.version, settings, digests, recipe.seed, recipe.shard_records, recipe.shard_kb)
    shards = Shards(folder / f"source-{part.settings.name}-{key}")
    done = read_done(shards.folder)
    if done is None:
        pieces = intake.pieces(recipe.shard_kb * _KB)
        if pieces is None:
            done = _write_shards(recipe, intake, shards, folder / f"intake-{part.settings.name}")
        else:
            done = {"shards": len(pieces), "pieces": pieces}
        shards.folder.mkdir(parents=True, exist_ok=True)
        write_json(shards.folder / "done.json", done)
    return Sourced(part, key, inputs, shards.folder, done.get("pieces"), done["shards"])


def _write_shards(recipe: DataRecipe, intake: Intake, shards: Shards, folder: Path) -> dict[str, Any]:
    number, total, told = 0, 0, time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    shards.folder.mkdir(parents=True, exist_ok=True)
    shards.sweep()
    items = named(intake.records(folder, recipe.seed), intake.config)
    for files, count in _cut(items, recipe.shard_records, recipe.shard_kb * _KB):
        shards.write(number, files, {"out": count, "rejects": files[REJECTS].count(b"\n")})
        number, total = number + 1, total + count
        if time.monotonic() - told > Progress.plain_every:
            told = time.monotonic()
            say(f"读 {intake.config.name}：{total:,} 条")
    return {"shards": number}


def _cut(items: Iterator[Any], most: int, most_bytes: int) -> Iterator[tuple[dict[str, bytes], int]]:
    """Files of a shard, and how many records they hold."""
    lines: list[bytes] = []
    rejects: list[bytes] = []
    size = 0
    for item in items:
        if isinstance(item, Reject):
            rejects.append(reject_line(item))
            size += len(rejects[-1])
        else:
            lines.append(pack(item) + b"\n")
            size += len(lines[-1])
        if len(lines) >= most or size >= most_bytes:
            yield {RECORDS: b"".join(lines), REJECTS: b"".join(rejects)}, len(lines)
            lines, rejects, size = [], [], 0
    if lines or rejects:
        yield {RECORDS: b"".join(lines), REJECTS: b"".join(rejects)}, len(lines)
