"""Which records of the recipe's files are trained on, how often and in which order, and which are held out.

The files are gone through once to decide it, before anything is tokenised: of a record only a few bytes are kept.
Knows nothing of tokens.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cornucopia.core.errors import DataError
from cornucopia.records.read import tell
from cornucopia.records.schema import Record
from cornucopia.records.split import held_out, split_key
from cornucopia.records.stream import RecordStream
from cornucopia.training.recipe import TrainRecipe

MOST_SKIPPED = 10_000  # skipped rows that are kept
_MOST_TEXT = 2**24  # characters of them


@dataclass
class Skipped:
    """Rows that were skipped: the first of them, {"where": "file:line", "reason", "raw"}, and how many there were."""

    rows: list[dict[str, str]] = field(default_factory=list)
    count: int = 0
    _text: int = 0

    @property
    def is_full(self) -> bool:
        """Whether further rows are only counted."""
        return len(self.rows) >= MOST_SKIPPED or self._text > _MOST_TEXT

    def add(self, row: dict[str, str] | None) -> None:
        """Count a row, and keep it if it is there and there is room."""
        if row is not None and not self.is_full:
            self.rows.append(row)
            self._text += sum(map(len, row.values()))
        self.count += 1

    def notes(self) -> list[str]:
        """What the user should know of the rows that are not kept."""
        if self.count == len(self.rows):
            return []
        return [f"坏行太多：一共跳过 {self.count} 行，只记下前 {len(self.rows)} 行"]


@dataclass
class Part:
    """What is done with the R records of one file.

    Args:
        path: the file or folder.
        held: (R,) which are for validation.
        order: (N,) int64 numbers of those that are trained on, in the order of training, each as often as it is used.
    """

    path: str
    held: NDArray[np.bool_]
    order: NDArray[np.int64]

    @property
    def used(self) -> NDArray[np.bool_]:
        """(R,) which are used at all."""
        used = self.held.copy()
        used[self.order] = True
        return used

    def records(self, recipe: TrainRecipe) -> Iterator[tuple[int, Record]]:
        """The records that are used, with their numbers, in the order of the file.

        Raises:
            DataError: if the file is another than it was.
        """
        used, count = self.used, 0
        for record in _stream(self.path, recipe):
            if isinstance(record, Record):
                if count < len(used) and used[count]:
                    yield count, record
                count += 1
        if count != len(used):
            found = f"先是 {len(used)} 条，后来是 {count} 条"
            raise DataError("数据文件在读的时候变了", where=self.path, found=found, fix="等它写完再训练")


@dataclass
class Mixture:
    """What the recipe makes of its files.

    Args:
        parts: one for each file, the validation file last.
        domains: records of each domain in training, repeated ones counted again.
        skipped: bad rows.
        notes: what reading had to do (conversions, files left out).
    """

    parts: list[Part] = field(default_factory=list)
    domains: Counter[str] = field(default_factory=Counter)
    skipped: Skipped = field(default_factory=Skipped)
    notes: list[str] = field(default_factory=list)


def mix(recipe: TrainRecipe) -> Mixture:
    """Go through the recipe's files.

    Raises:
        DataError: unreadable data, a file without a good row, a validation split larger than the data.
    """
    mixture = Mixture()
    weights = recipe.data_weights or [1.0] * len(recipe.data_path)
    sizes = [0.0] * len(weights) if recipe.val_data else _val_sizes(recipe.val_set_size, len(weights))
    for path, weight, size in zip(recipe.data_path, weights, sizes, strict=True):
        domains, held = _look_through(path, recipe, size, mixture)
        order = _repeated(np.flatnonzero(~held), weight, recipe.seed)
        domains.count(order, mixture.domains)
        mixture.parts.append(Part(path, held, order))
    if recipe.val_data:
        _, held = _look_through(recipe.val_data, recipe, 0.0, mixture)
        mixture.parts.append(Part(recipe.val_data, ~held, np.empty(0, np.int64)))
    return mixture


class _Domains:
    """The domain of each record, as a number."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._numbers = array("i")

    def append(self, name: str) -> None:
        """The next record's."""
        self._numbers.append(self._names.setdefault(name, len(self._names)))

    def count(self, order: NDArray[np.int64], counts: Counter[str]) -> None:
        """Add how often each occurs among the records of an order, the first met first."""
        names = list(self._names)
        met = np.array(self._numbers, np.int32)[order]
        numbers, first, times = np.unique(met, return_index=True, return_counts=True)
        for index in np.argsort(first):
            counts[names[numbers[index]] or "（未标）"] += int(times[index])


def _look_through(path: str, recipe: TrainRecipe, size: float, mixture: Mixture) -> tuple[_Domains, NDArray[np.bool_]]:
    """A file's domains, and which of its records are held out."""
    stream = _stream(path, recipe)
    domains, keys = _Domains(), bytearray()
    for item in stream:
        if isinstance(item, Record):
            domains.append(item.domain)
            keys += split_key(item, recipe.seed) if size else b""
        else:
            mixture.skipped.add({"where": item.where, "reason": item.reason, "raw": item.raw})
    if not stream.records:
        raise stream.nothing()
    tell(stream)
    mixture.notes += stream.notes
    return domains, held_out(keys, size) if size else np.zeros(stream.records, bool)


def _stream(path: str, recipe: TrainRecipe) -> RecordStream:
    names = {
        "prompt": recipe.prompt_column,
        "response": recipe.response_column,
        "reasoning": recipe.reasoning_column,
    }
    columns = {key: value for key, value in names.items() if value} or None
    return RecordStream(path, strict=recipe.strict, columns=columns, objective=recipe.stage)


def _val_sizes(size: float, files: int) -> list[float]:
    """A fraction holds for each file; a count is spread over the files."""
    if size < 1 or size != int(size):
        return [size] * files
    return [int(size) // files + (index < int(size) % files) for index in range(files)]


def _repeated(numbers: NDArray[np.int64], weight: float, seed: int) -> NDArray[np.int64]:
    """The numbers `weight` times over; the fraction is a random sample, as files are often sorted."""
    whole, part = int(weight), weight - int(weight)
    sample = random.Random(seed).sample(range(len(numbers)), round(len(numbers) * part))
    return np.concatenate([np.tile(numbers, whole), numbers[np.array(sample, np.int64)]])
