"""Excel and CSV -> text: each sheet a table, its values as its cells show them.

Rows are read one after another, so that a sheet of a million rows does not fill the memory.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from cornucopia.core.errors import DataError, first_line, nearest
from cornucopia.sources.charset import decode
from cornucopia.sources.document import Document, Page
from cornucopia.sources.grid import Cell, cell_text, markdown, table_rows
from cornucopia.sources.number_format import shown

_MOST_CELLS = 2_000_000  # of one document
_MOST_COLUMNS = 1000
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_BLOCK = 2**16
_NEEDED = 'pip install "cornucopia-fin[data]"'


class Book:
    """An Excel file whose rows are read one after another; to be used in a `with`.

    Args:
        file: its path, or the open file.

    Raises:
        DataError: it is none, or openpyxl is not installed.
    """

    def __init__(self, file: str | IO[bytes]) -> None:
        try:
            import openpyxl
        except ImportError:
            raise DataError("读 Excel 要先装 openpyxl", fix=_NEEDED) from None
        try:
            self._file = Path(file).open("rb") if isinstance(file, str) else file  # noqa: SIM115
            self._book = openpyxl.load_workbook(self._file, read_only=True, data_only=True)
        except Exception as error:  # openpyxl lets fly whatever a broken file makes of its parsers
            raise DataError(
                "Excel 文件损坏或加了密，打不开", found=first_line(error, 80), fix="重新另存为 .xlsx"
            ) from None
        self.sheets: dict[str, bool] = {s.title: s.sheet_state != "visible" for s in self._book.worksheets}
        if not self.sheets:
            self._book.close()
            raise DataError("Excel 里没有工作表")

    def chosen(self, sheet: str) -> str:
        """The sheet of this name; of '' the first that is not hidden.

        Raises:
            DataError: no such sheet.
        """
        sheet = sheet or next((name for name, hidden in self.sheets.items() if not hidden), next(iter(self.sheets)))
        if sheet not in self.sheets:
            close = nearest(sheet, self.sheets)
            fix = f"最接近的是 {close}" if close else ""
            raise DataError("没有这个工作表", found=f"{sheet}；有 {'、'.join(self.sheets)}", fix=fix)
        return sheet

    def rows(self, sheet: str, *, fill: bool = False) -> Iterator[tuple[int, list[str]]]:
        """(number from 1, cells) of each row that has text.

        Args:
            sheet: its name.
            fill: whether a cell merged over several rows stands in each of them.

        Raises:
            DataError: what follows cannot be read.
        """
        held = self._book[sheet]
        held.reset_dimensions()  # some programs write a wrong size
        try:
            tall = {(top, left): top + rows for top, left, rows, _ in self.merged(sheet) if rows > 1} if fill else {}
            below: dict[int, tuple[int, str]] = {}  # column -> row before which a merged cell ends, its text
            for number, row in enumerate(held.iter_rows(max_col=_MOST_COLUMNS), 1):
                cells = [_text(cell) for cell in row]
                for column, text in enumerate(cells if tall else ()):
                    end, above = below.get(column, (0, ""))
                    if (number - 1, column) in tall:
                        below[column] = (tall[number - 1, column], text)
                    elif not text and number <= end:
                        cells[column] = above
                if any(map(str.strip, cells)):
                    yield number, cells
        except Exception as error:
            raise DataError(f"工作表 {sheet} 损坏，后面读不出", found=first_line(error, 80)) from None

    def merged(self, sheet: str) -> list[tuple[int, int, int, int]]:
        """(first row, first column, rows, columns) of merged cells, from 0: the reader of rows passes them over."""
        found = []
        path = self._book[sheet]._worksheet_path
        with self._book._archive.open(path) as stream:
            rest = b""
            while block := stream.read(_BLOCK):
                rest += block
                for match in _MERGED.finditer(rest):
                    c0, r0, c1, r1 = match.groups()
                    left, top = _column(c0), int(r0) - 1
                    found.append((top, left, int(r1) - top, _column(c1) - left + 1))
                last = rest.rfind(b"<")
                rest = rest[last:] if last >= 0 and len(rest) - last < 200 else rest[-100:]
        return found

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self._book.close()
        self._file.close()


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _text(cell: Any) -> str:
    if cell.value is None:
        return ""
    return shown(cell.value, cell.number_format or "General")


def read_xlsx(path: str) -> dict[str, Any]:
    """The document of an Excel file, as a dict: one Page, a heading a sheet.

    Raises:
        DataError: it cannot be read.
    """
    parts: list[str] = []
    notes: list[str] = []
    tables = cells = 0
    _guard(path)
    with Book(path) as book:
        formulas = _formulas_without_values(path)
        for sheet, hidden in book.sheets.items():
            held = []
            for number, row in book.rows(sheet):
                cells += len(row)
                if cells > _MOST_CELLS:
                    raise DataError(f"表格超过 {_MOST_CELLS} 格", fix="当数据读：cornucopia data convert，或先拆小")
                held.append((number - 1, row))
            notes += [f"工作表「{sheet}」是隐藏的，也读了"] if hidden and held else []
            merged = book.merged(sheet) if held else []
            made = [table for table in _tables(held, merged) if table]
            tables += sum("| --- |" in table for table in made)
            parts += [f"# {sheet}", *made] if made else []
        title = cell_text(str(book._book.properties.title or ""))
    notes += [f"{formulas} 个公式没有存下结果，是空的：用 Excel 打开再保存一次"] if formulas else []
    extra = {"counts": {"tables": tables}}
    return Document(
        "", (Page(0, "\n\n".join(parts)),), title=title, media="xlsx", notes=tuple(notes), extra=extra
    ).to_dict()


def _guard(path: str) -> None:
    """Refuse a file whose parts would unpack to far more than a spreadsheet is.

    Raises:
        DataError: it would, or is no zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > 2**30:
                raise DataError("文件解压后超过 1 GB", fix="先拆小")
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError("文件损坏，打不开", found=first_line(error, 80)) from None


def _formulas_without_values(path: str) -> int:
    """Cells whose formula no program has worked out."""
    count = 0
    with zipfile.ZipFile(path) as archive:
        for part in archive.namelist():
            if re.fullmatch(r"xl/worksheets/[^/]+\.xml", part):
                rest = b""
                with archive.open(part) as stream:
                    while block := stream.read(_BLOCK):
                        rest += block
                        count += len(re.findall(rb"</f>\s*(?:<v\s*/>|<v></v>)?\s*</c>", rest))
                        rest = rest[-16:] if b"</c>" not in rest[-16:] else b""
    return count


def _tables(rows: Sequence[tuple[int, list[str]]], merged: Sequence[tuple[int, int, int, int]]) -> Iterator[str]:
    """The tables of a sheet: an empty row ends one, where the next begins with a header of its own."""
    spans = {(top, left): (height, width) for top, left, height, width in merged}
    covered = {row for top, _, height, _ in merged for row in range(top + 1, min(top + height, top + 10_000))}
    block: list[tuple[int, list[str]]] = []
    for number, row in rows:
        if block and number > block[-1][0] + 1 and number - 1 not in covered and _starts_anew(row):
            yield _table(block, spans)
            block = []
        block.append((number, row))
    yield _table(block, spans)


def _starts_anew(row: Sequence[str]) -> bool:
    """Whether a row after an empty one looks like a header or a title: no number among its texts."""
    return not any(re.fullmatch(r"[-+(¥$]*[\d,.]+%?\)?", text) for text in row if text)


def _table(block: Sequence[tuple[int, list[str]]], spans: dict[tuple[int, int], tuple[int, int]]) -> str:
    if not block:
        return ""
    numbers = {number: index for index, (number, _) in enumerate(block)}
    cells = []
    for number, row in block:
        for column, text in enumerate(row):
            height, width = spans.get((number, column), (1, 1))
            if text or width > 1:
                tall = sum(number <= other < number + height for other in numbers) if height > 1 else 1
                cells.append(Cell(numbers[number], column, text, max(tall, 1), width))
    return _text_of(cells)


def _text_of(cells: Sequence[Cell]) -> str:
    above, rows = table_rows(cells)
    if rows and (len(rows[0]) == 1 or len(rows) == 1):
        return "\n".join([*above, *(" ".join(filter(None, row)) for row in rows)])
    return "\n\n".join(part for part in ("\n".join(above), markdown(rows)) if part)


def read_csv(path: str) -> dict[str, Any]:
    """The document of a CSV or TSV file, as a dict: one table.

    Raises:
        DataError: it is too large, or its quotes do not match.
    """
    data = Path(path).read_bytes()
    text, encoding = decode(data)
    first = text.split("\n", 1)[0]
    delimiter = max(",\t;|", key=first.count)
    try:
        rows = list(itertools.islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _MOST_CELLS))
    except csv.Error as error:
        raise DataError("CSV 读不懂", found=str(error), fix="检查引号是否成对") from None
    if sum(map(len, rows)) > _MOST_CELLS:
        raise DataError(f"表格超过 {_MOST_CELLS} 格", fix="当数据读：cornucopia data convert")
    cells = [Cell(r, c, text) for r, row in enumerate(rows) for c, text in enumerate(row) if text]
    notes = () if encoding == "utf-8" else (f"编码是 {encoding}，已转换",)
    page = Page(0, _text_of(cells))
    return Document("", (page,), media="csv", notes=notes, extra={"counts": {"tables": int(bool(rows))}}).to_dict()
