"""Which records of the recipe's files are trained on, how often and in which order, and which are held out.

The files are gone through once to decide it, before anything is tokenised: of a record only a few bytes are kept.
Knows nothing of tokens.
"""

from __future__ import annotations

import random
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cornucopia.core.errors import DataError
from cornucopia.records.read import tell
from cornucopia.records.schema import Message, Record
from cornucopia.records.split import KEY_BYTES, held_out, split_key
from cornucopia.records.stream import RecordStream
from cornucopia.training.data.settings import DataSettings

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
        name: the file's, without folder and ending.
        open_stream: reads the file or folder from its beginning.
        held: (R,) which are for validation.
        order: (N,) int64 numbers of those that are trained on, in the order of training, each as often as it is used.
        system: what a conversation without a system text begins with; '' for nothing.
    """

    name: str
    open_stream: Callable[[], RecordStream]
    held: NDArray[np.bool_]
    order: NDArray[np.int64]
    system: str = ""

    @property
    def used(self) -> NDArray[np.bool_]:
        """(R,) which are used at all."""
        used = self.held.copy()
        used[self.order] = True
        return used

    def records(self) -> Iterator[tuple[int, Record]]:
        """The records that are used, with their numbers, in the order of the file.

        Raises:
            DataError: if the file is another than it was.
        """
        used, count = self.used, 0
        stream = self.open_stream()
        for record in stream:
            if isinstance(record, Record):
                if count < len(used) and used[count]:
                    yield count, begun(record, self.system)
                count += 1
        if count != len(used):
            found = f"先是 {len(used)} 条，后来是 {count} 条"
            raise DataError("数据文件在读的时候变了", where=str(stream.path), found=found, fix="等它写完再训练")


def begun(record: Record, system: str) -> Record:
    """The record with a system text, where there is one and it begins with the user."""
    if not system or not record.messages or record.messages[0].role != "user":
        return record
    return replace(record, messages=(Message("system", system), *record.messages))


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


def mix(settings: DataSettings, rows: str) -> Mixture:
    """Go through the recipe's files.

    Args:
        settings: files, weights, validation part and seed.
        rows: what the rows must fit, of `records.objectives.OBJECTIVES`; others are bad rows.

    Raises:
        DataError: unreadable data, a file without a good row, a validation split larger than the data.
    """
    mixture = Mixture()
    size = 0.0 if settings.val_data else settings.val_set_size
    seed = settings.seed if size else None
    streams = [opener(path, settings, rows) for path in settings.data_path]
    seen = [_look_through(stream, seed, mixture) for stream in streams]
    most = [min(len(domains), settings.max_samples or len(domains)) for domains, _ in seen]
    if size:
        parts = _held([keys[: number * KEY_BYTES] for number, (_, keys) in zip(most, seen, strict=True)], size)
    else:
        parts = [np.zeros(number, bool) for number in most]
    trained = _capped([np.flatnonzero(~used) for used in parts], settings)
    weights = _weights([len(numbers) for numbers in trained], settings)
    shares = zip(_names(settings.data_path), streams, trained, weights, seen, parts, strict=True)
    for name, stream, numbers, weight, (domains, _), used in shares:
        order = _repeated(numbers, weight, settings.seed)
        held = np.concatenate([used, np.zeros(len(domains) - len(used), bool)])
        domains.count(order, mixture.domains)
        mixture.parts.append(Part(name, stream, held, order, settings.system))
    if settings.val_data:
        stream = opener(settings.val_data, settings, rows)
        domains, _ = _look_through(stream, None, mixture)
        name, all_held = _names([settings.val_data])[0], np.ones(len(domains), bool)
        mixture.parts.append(Part(name, stream, all_held, np.empty(0, np.int64), settings.system))
    return mixture


class _Domains:
    """The domain of each record, as a number."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._numbers = array("i")

    def __len__(self) -> int:
        """Records so far."""
        return len(self._numbers)

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


def _look_through(
    open_stream: Callable[[], RecordStream], seed: int | None, mixture: Mixture
) -> tuple[_Domains, bytearray]:
    """A file's domains, and the keys by which its records are held out (none without a seed)."""
    stream = open_stream()
    domains, keys = _Domains(), bytearray()
    for item in stream:
        if isinstance(item, Record):
            domains.append(item.domain)
            keys += split_key(item, seed) if seed is not None else b""
        else:
            mixture.skipped.add({"where": item.where, "reason": item.reason, "raw": item.raw})
    if not stream.records:
        raise stream.nothing()
    tell(stream)
    mixture.notes += stream.notes
    return domains, keys


def _held(keys: Sequence[bytearray], size: float) -> list[NDArray[np.bool_]]:
    """Which records of each file are held out: a fraction of each file, or a count of all of them together."""
    if size < 1:
        return [held_out(own, size) for own in keys]
    ends = np.cumsum([len(own) // KEY_BYTES for own in keys])
    return np.split(held_out(b"".join(keys), size), ends[:-1])


def opener(path: str, settings: DataSettings, rows: str) -> Callable[[], RecordStream]:
    """What reads a file of the recipe from its beginning: its columns named, rows that do not fit taken for bad."""
    names = {
        "prompt": settings.prompt_column,
        "response": settings.response_column,
        "reasoning": settings.reasoning_column,
    }
    columns = {key: value for key, value in names.items() if value} or None
    return partial(RecordStream, path, strict=settings.strict, columns=columns, objective=rows)


def _names(paths: Sequence[str]) -> list[str]:
    """What the files are called in logs: their names without ending, numbered where two are the same."""
    stems = [re.sub(r"\W+", "_", Path(path).stem) for path in paths]
    return [f"{stem}_{place + 1}" if stems.count(stem) > 1 else stem for place, stem in enumerate(stems)]


def _capped(numbers: Sequence[NDArray[np.int64]], settings: DataSettings) -> list[NDArray[np.int64]]:
    """Of each file's records a random part, in their order, where there are more than its cap."""
    caps = settings.data_caps or [0] * len(numbers)
    pairs = zip(numbers, caps, strict=True)
    return [_sample(own, cap, settings.seed) if 0 < cap < len(own) else own for own, cap in pairs]


def _sample(numbers: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    places = random.Random(seed).sample(range(len(numbers)), count)
    return numbers[np.array(sorted(places), np.int64)]


def _weights(sizes: Sequence[int], settings: DataSettings) -> list[float]:
    """How often each file is used: as given, or so that shares go with sizes to the power of 1/T.

    The temperature of Arivazhagan et al. 2019, arXiv:1907.05019, section 4.2; the records of an epoch stay as many.
    """
    if settings.data_temperature is None:
        return list(settings.data_weights) or [1.0] * len(sizes)
    powers = [size ** (1 / settings.data_temperature) for size in sizes]
    return [power / sum(powers) * sum(sizes) / size if size else 0.0 for power, size in zip(powers, sizes, strict=True)]


def _repeated(numbers: NDArray[np.int64], weight: float, seed: int) -> NDArray[np.int64]:
    """The numbers `weight` times over; the fraction is a random sample, as files are often sorted."""
    whole, part = int(weight), weight - int(weight)
    sample = random.Random(seed).sample(range(len(numbers)), round(len(numbers) * part))
    return np.concatenate([np.tile(numbers, whole), numbers[np.array(sample, np.int64)]])
