"""Token arrays that grow as data is read: in memory while they are small, then in files that are mapped.

Knows nothing of records or of what is kept from one run to the next.
"""

from __future__ import annotations

import contextlib
import tempfile
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cornucopia.core.paths import cache_folder
from cornucopia.tokens.render import Example
from cornucopia.training.data.store import TokenStore

SPILL = 2**25  # bytes of an array from which on it is written to a file: ids and labels then have 64 MiB
ORDER: np.dtype = np.dtype(np.int64)
DTYPES: dict[str, np.dtype] = {"offsets": ORDER, "ids": np.dtype(np.int32), "labels": np.dtype(np.int32)}
_PART = 2**20  # bytes written together

Opener = Callable[[str], BinaryIO]  # a new file for the array of that name, open for writing and reading


def opener(folder: Path | None) -> Opener:
    """Opens files for arrays: in `folder`, made when it is needed, or where nobody sees them.

    A file without a folder has no name, so that it is gone when the program ends, however it ends. It lies in the
    cache folder if it can: the system's temporary folder is often memory.
    """

    def open_file(name: str) -> BinaryIO:
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                return (folder / name).open("w+b")
        with contextlib.suppress(OSError):
            cache_folder().mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=cache_folder())
        return tempfile.TemporaryFile()

    return open_file


def mapped(file: BinaryIO | Path, dtype: np.dtype) -> np.ndarray:
    """A file's numbers, read when they are looked at.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it does not hold whole numbers.
    """
    if isinstance(file, Path) and file.stat().st_size == 0:  # what is empty cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(file, dtype, "r").view(np.ndarray)


class GrowingArray:
    """A flat array at whose end numbers are added.

    Args:
        dtype: of its numbers.
        open_file: called once, when they become too many for memory.
    """

    def __init__(self, dtype: np.dtype, open_file: Callable[[], BinaryIO]) -> None:
        self._dtype, self._open_file = dtype, open_file
        self._held = array("q" if dtype.itemsize == 8 else "i")
        self._file: BinaryIO | None = None

    def extend(self, numbers: list[int]) -> None:
        """Add numbers."""
        self._held.fromlist(numbers)
        if len(self._held) * self._dtype.itemsize > (_PART if self._file else SPILL):
            self._write()

    def finish(self) -> np.ndarray:
        """All of it; nothing can be added any more."""
        if self._file is None:
            return np.array(self._held, self._dtype)
        with self._file as file:
            self._write()
            file.flush()
            return mapped(file, self._dtype)

    def _write(self) -> None:
        self._file = self._file or self._open_file()
        self._held.tofile(self._file)
        del self._held[:]


class TokenWriter:
    """Collects examples one after another for a TokenStore.

    Args:
        name: of the store; its arrays are `<name>.ids` and so on.
        open_file: see `opener`.
    """

    def __init__(self, name: str, open_file: Opener) -> None:
        def growing(array_name: str) -> GrowingArray:
            return GrowingArray(DTYPES[array_name], lambda: open_file(f"{name}.{array_name}"))

        self._offsets, self._ids, self._labels = (growing(array_name) for array_name in DTYPES)
        self._tokens = self._count = 0
        self._offsets.extend([0])

    def __len__(self) -> int:
        """Examples so far."""
        return self._count

    def add(self, example: Example) -> None:
        """Append an example, which has at least one token."""
        self._ids.extend(example.input_ids)
        self._labels.extend(example.labels)
        self._tokens += len(example.input_ids)
        self._count += 1
        self._offsets.extend([self._tokens])

    def finish(self, order: np.ndarray | None = None) -> TokenStore:
        """The examples, in an order; nothing can be added any more."""
        return TokenStore(self._offsets.finish(), self._ids.finish(), self._labels.finish(), order)
