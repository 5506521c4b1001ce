"""Examples from records: what an objective makes of each, in the order that the mixture decided.

Data may be larger than memory: the files are gone through twice, once to decide what is used (`mixture`) and once to
tokenise it, and the tokens go to files when they become many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cornucopia.core.console import Progress
from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record
from cornucopia.tokens.render import TOGETHER, Example
from cornucopia.training.data.mixture import Mixture, Part, Skipped
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.data.settings import DataSettings
from cornucopia.training.data.token_files import Opener, TokenWriter

_CUTS = ("", "prompt", "answer")  # what `Example.truncated` can be
_MANY = 20_000  # records from which on tokenising takes long enough to be shown
_TEXT = 2**19  # characters tokenised together: a token takes some 150 bytes while it is a Python object


class Encoder(Protocol):
    """What makes examples of records: an objective, as the data sees it.

    Attributes:
        rows: what the rows must fit, of `records.objectives.OBJECTIVES`; others are bad rows.
    """

    rows: str

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """The examples of each record, in order; an error for one that cannot be used."""
        ...

    def key(self) -> list[str]:
        """Everything of the objective that decides the tokens, its code included."""
        ...


class _Encoded:
    """What became of the R records of a part.

    Args:
        records: R.

    Attributes:
        first, count: (R,) number of a record's first example in its store, and how many it gave.
        cut: (R,) what was shortened of it, as a number of _CUTS.
        bad: (R,) whether it could not be used; `errors` holds what is told of the first of these.
    """

    def __init__(self, records: int) -> None:
        self.first, self.count = np.zeros(records, np.int64), np.zeros(records, np.int32)
        self.cut, self.bad = np.zeros(records, np.int8), np.zeros(records, bool)
        self.errors = Skipped()
        self._row: dict[int, dict[str, str]] = {}

    def put(self, number: int, examples: list[Example], writer: TokenWriter) -> None:
        """A record's examples."""
        self.first[number], self.count[number] = len(writer), len(examples)
        for example in examples:
            self.cut[number] = max(self.cut[number], _CUTS.index(example.truncated))
            writer.add(example)

    def refuse(self, number: int, row: dict[str, str]) -> None:
        """A record that cannot be used."""
        self.bad[number] = True
        if not self.errors.is_full:
            self._row[number] = row
        self.errors.add(row)

    def skip(self, numbers: NDArray[np.int64], skipped: Skipped) -> None:
        """Tell the bad ones among these."""
        for number in numbers[self.bad[numbers]].tolist():
            skipped.add(self._row.get(number))

    def examples(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of all examples of these records, in their order."""
        count = self.count[numbers]
        skipped = np.cumsum(count, dtype=np.int64) - count
        return np.repeat(self.first[numbers] - skipped, count) + np.arange(count.sum(dtype=np.int64))


def encode_all(mixture: Mixture, settings: DataSettings, encoder: Encoder, open_file: Opener) -> DataPlan:
    """Tokenise what the mixture uses; the plan has no fingerprint yet.

    Raises:
        DataError: a record that cannot be used, where the settings are strict; a file that changed since `mix`.
    """
    train, validation = (TokenWriter(name, open_file) for name in ("train", "validation"))
    skipped, later, cuts = mixture.skipped, Skipped(), np.zeros(len(_CUTS), np.int64)
    orders: list[NDArray[np.int64]] = []
    sets: list[list[Any]] = []
    for part in mixture.parts:
        before = len(validation)
        encoded = _encode_part(part, settings, encoder, (train, validation))
        sets += [[part.name, len(validation) - before]] if len(validation) > before else []
        held = np.flatnonzero(part.held)
        encoded.skip(part.order, skipped)
        encoded.skip(held, later)
        for numbers in (part.order, held):
            cuts += np.bincount(encoded.cut[numbers], minlength=len(_CUTS))
        orders.append(encoded.examples(part.order))
    for row in later.rows:
        skipped.add(row)
    skipped.count += later.count - len(later.rows)
    return DataPlan(
        train.finish(_order(orders, len(train))),
        validation.finish(),
        mixture.domains,
        skipped.rows,
        [*mixture.notes, *skipped.notes()],
        Counter({name: int(count) for name, count in zip(_CUTS, cuts, strict=True) if name and count}),
        sets,
    )


def _order(orders: Sequence[NDArray[np.int64]], kept: int) -> NDArray[np.int64] | None:
    """The parts' orders one after another; None where every example stands in its place."""
    order = np.concatenate(orders)
    return None if len(order) == kept and bool(np.all(order == np.arange(kept))) else order


def _encode_part(
    part: Part, settings: DataSettings, encoder: Encoder, writers: tuple[TokenWriter, TokenWriter]
) -> _Encoded:
    """Tokenise a part's records into the training or the validation writer, each once."""
    encoded, total = _Encoded(len(part.held)), int(part.used.sum())
    bar: Progress | nullcontext[None] = Progress("分词", total) if total > _MANY else nullcontext()
    with bar:
        for batch in _batches(part.records()):
            made = encoder.examples([record for _, record in batch])
            for (number, record), examples in zip(batch, made, strict=True):
                if isinstance(examples, DataError):
                    if settings.strict:
                        raise examples
                    reason = "：".join(filter(None, (examples.what, examples.found)))
                    row = {"where": examples.where, "reason": reason, "raw": record.question}
                    encoded.refuse(number, row)
                else:
                    encoded.put(number, examples, writers[int(part.held[number])])
            if isinstance(bar, Progress):
                bar.advance(len(batch))
    return encoded


def _batches(records: Iterable[tuple[int, Record]]) -> Iterator[list[tuple[int, Record]]]:
    """Records to be tokenised together: many short ones or a few long ones."""
    batch: list[tuple[int, Record]] = []
    size = 0
    for number, record in records:
        batch.append((number, record))
        size += (
            len(record.text) + len(record.material) + sum(len(m.content) + len(m.reasoning) for m in record.messages)
        )
        if len(batch) == TOGETHER or size >= _TEXT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
