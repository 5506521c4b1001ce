"""The surveys of all shards, laid side by side: hashes in memory, what near duplicates need on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.fold import Hashes

Rows = NDArray[np.int64]


@dataclass
class Gathered:
    """All records: those of the existing set first, then the shards in their order.

    Args:
        known: records of the existing set.
        counts: records of each survey.
        exact, question, answer, length, score: as in `survey`, over all.
        folder: holds a file a band, the signatures and the names.
        bands: number of bands; 0 where near duplicates were not asked for.
    """

    known: int
    counts: list[int]
    exact: Hashes
    question: Hashes
    answer: Hashes
    length: NDArray[np.uint32]
    score: NDArray[np.float32]
    folder: Path
    bands: int

    def __len__(self) -> int:
        return len(self.exact)

    def band(self, index: int) -> NDArray[np.uint32]:
        """A band's value of every record."""
        return np.fromfile(self.folder / f"band{index}", np.uint32)

    def signatures(self) -> NDArray[np.uint8]:
        """(n, bytes of a signature), read from disk where it is looked at."""
        path = self.folder / "signature"
        return np.memmap(path, np.uint8, "r").reshape(len(self), -1)

    def names(self, rows: Rows) -> list[str]:
        """Where these records stand."""
        if not len(rows):
            return []
        ends = np.memmap(self.folder / "name_ends", np.int64, "r")
        stops = ends[rows]
        starts = np.where(rows > 0, ends[rows - 1], 0)
        with (self.folder / "names").open("rb") as file:
            found = []
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
                file.seek(start)
                found.append(file.read(stop - start).decode("utf-8", "replace"))
        return found


@contextmanager
def gathered(known: Sequence[Path], surveys: Sequence[Path], folder: Path) -> Iterator[Gathered]:
    """Everything at hand; what was laid on disk is removed at the end.

    Args:
        known: survey files of the existing set.
        surveys: a survey file a shard.
        folder: to be made for the time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield _gather(known, surveys, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _gather(known: Sequence[Path], surveys: Sequence[Path], folder: Path) -> Gathered:
    columns: dict[str, list[NDArray[Any]]] = {n: [] for n in ("exact", "question", "answer", "length", "score")}
    counts, bands, end = [], 0, 0
    with ExitStack() as stack:
        files: dict[str, Any] = {}

        def write(name: str, values: NDArray[Any]) -> None:
            if name not in files:
                files[name] = stack.enter_context((folder / name).open("wb"))
            np.ascontiguousarray(values).tofile(files[name])

        for path in (*known, *surveys):
            with np.load(path) as arrays:
                for name, found in columns.items():
                    found.append(arrays[name])
                counts.append(len(columns["exact"][-1]))
                write("names", arrays["names"])
                ends = arrays["name_ends"]
                write("name_ends", ends + end)
                end += int(ends[-1]) if len(ends) else 0
                if "bands" in arrays:
                    write("signature", arrays["signature"])
                    found_bands = arrays["bands"]
                    bands = len(found_bands)
                    for index, values in enumerate(found_bands):
                        write(f"band{index}", values)
    whole: dict[str, Any] = {}
    for name in list(columns):
        parts = columns.pop(name)
        whole[name] = np.concatenate(parts) if parts else np.empty(0)
    return Gathered(sum(counts[: len(known)]), counts, folder=folder, bands=bands, **whole)
