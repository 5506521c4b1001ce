"""Tables, plain documents and Parquet -> raw rows with their line numbers, as they are read. Knows no record format.

Nothing here stops at the first damage: a broken row is handed on with its problem, and reading goes on after it.
"""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.json_values import BLANK, STRICT, decode_value
from cornucopia.sources.sheet import Book

PARQUET_ROWS = 1000  # rows made into Python values at a time
_TITLE_ROWS = 20  # rows of an Excel sheet among which its header is looked for
_MAX_CSV_LINES = 5000  # lines one quoted CSV record may span: bounds the cost of an unclosed quote


@dataclass(frozen=True)
class Row:
    """One raw row: its first line (from 1), its text, and the value or, when it has none, the problem.

    `sheet` is that of an Excel file, whose row `line` is.
    """

    line: int
    raw: str
    value: Any = None
    problem: str = ""
    sheet: str = ""

    @property
    def place(self) -> str:
        """Line, or sheet and row."""
        return f"{self.sheet}!{self.line}" if self.sheet else str(self.line)


class _Lines:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._seen, self.number = iter(lines), deque[str](), 1

    def ahead(self) -> Iterator[str]:
        """The lines from the next one to be taken on; None of them is taken."""
        for index in itertools.count():
            if index == len(self._seen):
                line = next(self._lines, None)
                if line is None:
                    return
                self._seen.append(line)
            yield self._seen[index]

    def take(self, count: int) -> str:
        """The next lines, which were looked at."""
        self.number += count
        return "\n".join([self._seen.popleft() for _ in range(count)])

    def next_written(self) -> str | None:
        """The next line that is not blank, without taking it; None at the end."""
        while (line := next(self.ahead(), None)) is not None and not line.strip(BLANK):
            self.take(1)
        return line


def table_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """Rows of CSV or TSV with a header line; a row whose number of cells differs from the header's is a problem."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a C long, which has 32 bits on Windows
    table = _Lines(lines)
    head = table.next_written()
    if head is None:
        return
    delimiter = delimiter if delimiter in head else next((d for d in ",\t;|" if d in head), delimiter)
    header, used = _cells(table, delimiter)
    names = [name.strip(BLANK) for name in header or [head]]
    table.take(used)
    while (line := table.next_written()) is not None:
        cells, used = _cells(table, delimiter)
        if cells is not None and used > 1 and len(cells) != len(names):
            cells, used = None, 1
        if cells is None and delimiter == "\t":  # most tools write TSV without quoting: a quote is then a character
            cells = line.split("\t")
        yield _table_row(table.number, table.take(used), names, cells)


def _cells(table: _Lines, delimiter: str) -> tuple[list[str] | None, int]:
    """Cells of the next record (None: quotes do not match) and how many lines it takes."""
    stretch = (line + "\n" for line in itertools.islice(table.ahead(), _MAX_CSV_LINES))
    reader = csv.reader(stretch, delimiter=delimiter, strict=True)
    try:
        return next(reader), reader.line_num
    except (csv.Error, StopIteration):
        return None, 1


def _table_row(line: int, raw: str, names: list[str], cells: list[str] | None) -> Row:
    if cells is None:
        return Row(line, raw, problem="引号不成对，或引号后还有文字")
    if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
        return Row(line, raw, problem=f"有 {len(cells)} 列，表头是 {len(names)} 列")
    return Row(line, raw, {name: cell for name, cell in zip(names, cells, strict=False) if name})


def sheet_rows(path: Path, sheet: str) -> Iterator[Row]:
    """Rows of an Excel file's sheet as its cells show them; the header is the first row of two texts or more.

    Args:
        path: the file.
        sheet: its name; '' for the first that is not hidden.

    Raises:
        DataError: no Excel file, or no such sheet.
    """
    with Book(str(path)) as book:
        sheet = book.chosen(sheet)
        rows = book.rows(sheet, fill=True)
        line, names = 0, None
        try:
            ahead = list(itertools.islice(rows, _TITLE_ROWS))
            first = next((n for n, (_, cells) in enumerate(ahead) if sum(map(bool, cells)) > 1), 0)
            for line, cells in itertools.chain(ahead[first:], rows):
                while cells and not cells[-1]:
                    cells.pop()
                if names is None:
                    names = [name.strip(BLANK) for name in cells]
                    continue
                row = _table_row(line, "\t".join(cells), names, cells + [""] * (len(names) - len(cells)))
                yield replace(row, sheet=sheet)
        except DataError as error:
            yield Row(line + 1, "", problem=f"{error.what}：{error.found}", sheet=sheet)


def document_rows(lines: Iterable[str], split: bool) -> Iterator[Row]:
    """Plain documents: the whole file, or with `split` each stretch between two or more blank lines.

    Args:
        lines: of the file; after a line end at the very end, an empty one.
        split: whether blank lines end a document.
    """
    piece: list[str] = []
    blanks: list[str] = []  # since the last line of the piece
    first = 1
    for number, line in enumerate(lines, 1):
        if split and piece and not line.strip(" \t\r"):
            blanks.append(line)
            continue
        if len(blanks) >= 2:
            yield from _document(first, piece)
            piece, first = [], number
        else:
            piece += blanks
        blanks.clear()
        piece.append(line)
    yield from _document(first, piece if len(blanks) > 2 else piece + blanks)  # the last one has no line end


def _document(first: int, lines: list[str]) -> Iterator[Row]:
    text = "\n".join(lines)
    if text.strip(BLANK):
        yield Row(first, text, {"text": text.strip(BLANK)})


def parquet_rows(path: Path) -> Iterator[Row]:
    """Rows of a Parquet file; the line is the row's number. What cannot be read of a row group is one problem."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError("读 Parquet 要先装 pyarrow", where=str(path), fix="pip install pyarrow") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError("不是合格的 Parquet 文件", where=str(path), found=str(error)[:120]) from None
    with file:
        line = 1
        for group in range(file.num_row_groups):
            stop = line + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(PARQUET_ROWS, row_groups=[group]):
                    for value in batch.to_pylist():
                        raw = json.dumps(value, ensure_ascii=False, default=str)
                        yield Row(line, raw, decode_value(STRICT, raw, 0)[0])
                        line += 1
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                yield Row(line, "", problem=f"第 {group + 1} 个行组（{stop - line} 行）读不出：{str(error)[:80]}")
            line = stop
