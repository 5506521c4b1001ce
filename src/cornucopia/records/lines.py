"""Records as the lines that `native.pack` wrote, each made only when it is asked for.

A step that takes out a few rows of many, and a writer that needs no more than the row, leave the others as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

from cornucopia.records.native import native_row, pack, unpack, unpacked_row
from cornucopia.records.schema import Record


class Lines(Sequence[Record]):
    """A sequence of records.

    Args:
        lines: without their ends.
    """

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines

    def append(self, record: Record) -> None:
        """Put a record at the end."""
        self.lines.append(pack(record))

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Lines: ...
    def __getitem__(self, index: int | slice) -> Record | Lines:
        return Lines(self.lines[index]) if isinstance(index, slice) else unpack(self.lines[index])


def chosen(records: Sequence[Record], rows: Sequence[int]) -> list[Record] | Lines:
    """The records of these rows, in that order; lines stay lines."""
    if isinstance(records, Lines):
        return Lines([records.lines[row] for row in rows])
    return [records[row] for row in rows]


def lines_of(records: Sequence[Record]) -> list[bytes]:
    """Each record as a line, without its end."""
    return records.lines if isinstance(records, Lines) else [pack(record) for record in records]


def rows_of(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Each record as `native_row` gives it; of lines no record is made.

    Raises:
        DataError: if a line is none that `pack` wrote.
    """
    return map(unpacked_row, records.lines) if isinstance(records, Lines) else map(native_row, records)
