"""A file -> raw rows with their line numbers. Knows JSON, CSV, Parquet and plain text; knows no record format.

Nothing here stops at the first damage: a broken row is handed on with its problem, and reading goes on after it.
"""

from __future__ import annotations

import bisect
import csv
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError

Accept = Callable[[Any], bool]  # whether a parsed value is a row of a known format

_SEPARATORS = re.compile(r"[\s,\[\]\ufeff]*")
_BLANK = " \t\r\n\ufeff"
_MAX_CSV_LINES = 5000  # lines one quoted CSV record may span: bounds the cost of an unclosed quote


@dataclass(frozen=True)
class Row:
    """One raw row: its first line (from 1), its text, and the value or, when it has none, the problem."""

    line: int
    raw: str
    value: Any = None
    problem: str = ""


def _integer(digits: str) -> int | str:
    """Python refuses integers of thousands of digits: they stay text."""
    return int(digits) if len(digits) < 1000 else digits


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _decoder(strict: bool) -> json.JSONDecoder:
    """NaN, Infinity and 1e999 become None: they are not JSON and could not be written again."""
    return json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, parse_int=_integer, strict=strict)


_STRICT, _LENIENT = _decoder(True), _decoder(False)


def json_rows(text: str, accept: Accept) -> Iterator[Row]:
    """Rows of a JSON array, one JSON object, JSON Lines, or a damaged mixture of these.

    A sound document is read as it is. Anything else is read line by line, and what is left between good lines is
    searched for whole objects, so that neither junk lines nor a broken element cost a good row.
    """
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    if _is_sound(text):
        for start, end, value in _elements(text, 0, len(text), accept, sound=True):
            yield _row(text, starts, start, end, value)
        return
    bad_from: int | None = None
    for number, start in enumerate(starts):
        end = starts[number + 1] - 1 if number + 1 < len(starts) else len(text)
        value = _line_value(text[start:end])
        if accept(value):
            if bad_from is not None:
                yield from _recover(text, starts, bad_from, start, accept)
            bad_from = None
            yield Row(number + 1, text[start:end], value)
        elif bad_from is None:
            bad_from = start
    if bad_from is not None:
        yield from _recover(text, starts, bad_from, len(text), accept)


def _is_sound(text: str) -> bool:
    if text.lstrip(_BLANK)[:1] not in ("[", "{"):
        return False
    return not isinstance(_decode(_STRICT, text.strip(_BLANK), 0, whole=True)[0], str)


def _decode(decoder: json.JSONDecoder, text: str, start: int, whole: bool = False) -> tuple[Any, int]:
    """(value, end), or (Chinese problem as str, start): an object or array is never a str."""
    try:
        value, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        line = f"第 {error.lineno} 行" if "\n" in text else ""
        return f"JSON 有语法错误（{line}第 {error.colno} 列附近）", start
    except RecursionError:
        return "JSON 嵌套太深", start
    if whole and end < len(text):
        return "后面还有别的内容", start
    return value, end


def _line_value(line: str) -> Any:
    """The object on one line, alone or as an element of an array with one element a line; None if there is none."""
    line = line.strip(_BLANK).lstrip("[,").lstrip(_BLANK)
    closing = line.rfind("}") + 1
    if not line.startswith("{") or line[closing:].strip(_BLANK + ",]"):
        return None
    value, end = _decode(_LENIENT, line[:closing], 0)
    return value if end == closing else None


def _elements(text: str, start: int, stop: int, accept: Accept, sound: bool) -> Iterator[tuple[int, int, Any]]:
    """(start, end, value) of each element from `start` to `stop`; a str value is the problem of a broken stretch.

    In a document that is not sound only objects are trusted: a stray quote would make a text of the rows after it.
    """
    while True:
        found = _SEPARATORS.match(text, start, stop)
        start = found.end() if found else stop
        if start >= stop:
            return
        value, end = _decode(_STRICT, text, start)
        if end == start:
            lenient, lenient_end = _decode(_LENIENT, text, start)
            if accept(lenient):
                value, end = lenient, lenient_end
        if end > stop:
            value, end = "JSON 不完整", start
        elif end > start and not isinstance(value, dict):
            value, end = f"应是 {{…}} 对象，实际是 {text[start:end][:30]}", end if sound else start
        end = end if end > start else _next_element(text, start + 1, stop, accept)
        yield start, end, value
        start = end


def _next_element(text: str, start: int, stop: int, accept: Accept) -> int:
    """Where the next whole object of a known format begins."""
    for match in re.compile(r"\{\s*\"").finditer(text, start, stop):
        value, end = _decode(_STRICT, text, match.start())
        if match.start() < end <= stop and accept(value):
            return match.start()
    return stop


def _recover(text: str, starts: list[int], start: int, stop: int, accept: Accept) -> Iterator[Row]:
    """Whole objects within lines that are no rows by themselves; if there is none, each line is a problem."""
    found = list(_elements(text, start, stop, accept, sound=False))
    if any(accept(value) for _, _, value in found):
        for begin, end, value in found:
            yield _row(text, starts, begin, end, value)
        return
    first = bisect.bisect_right(starts, start) - 1
    for number, line in enumerate(text[start:stop].split("\n"), first + 1):
        if line.strip(_BLANK + ",[]"):
            value = _line_value(line)
            yield Row(number, line, value, "" if isinstance(value, dict) else _line_problem(line))


def _line_problem(line: str) -> str:
    line = line.strip(_BLANK)
    if not line.startswith("{"):
        return f"不是 JSON 对象：{line[:30]}"
    problem = _decode(_LENIENT, line, 0, whole=True)[0]
    return problem if isinstance(problem, str) else "JSON 不完整"


def _row(text: str, starts: list[int], start: int, end: int, value: Any) -> Row:
    line = bisect.bisect_right(starts, start)
    if isinstance(value, str):
        return Row(line, text[start:end].rstrip(_BLANK + ",[]"), problem=value)
    return Row(line, text[start:end], value)


def table_rows(text: str, delimiter: str) -> Iterator[Row]:
    """Rows of CSV or TSV with a header line; a row whose number of cells differs from the header's is a problem."""
    csv.field_size_limit(sys.maxsize)
    lines = text.split("\n")
    number = next((n for n, line in enumerate(lines) if line.strip(_BLANK)), len(lines))
    if number == len(lines):
        return
    delimiter = delimiter if delimiter in lines[number] else next((d for d in ",\t;|" if d in lines[number]), delimiter)
    header, used = _cells(lines, number, delimiter)
    names = [name.strip(_BLANK) for name in header or [lines[number]]]
    number += used
    while number < len(lines):
        if not lines[number].strip(_BLANK):
            number += 1
            continue
        cells, used = _cells(lines, number, delimiter)
        raw = "\n".join(lines[number : number + used])
        if cells is not None and used > 1 and len(cells) != len(names):
            cells, used, raw = None, 1, lines[number]
        if cells is None and delimiter == "\t":  # most tools write TSV without quoting: a quote is then a character
            cells = lines[number].split("\t")
        yield _table_row(number + 1, raw, names, cells)
        number += used


def _cells(lines: list[str], number: int, delimiter: str) -> tuple[list[str] | None, int]:
    """Cells of the record that begins on a line (None: quotes do not match) and how many lines it takes."""
    stretch = (line + "\n" for line in itertools.islice(lines, number, number + _MAX_CSV_LINES))
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


def document_rows(text: str, split: bool) -> Iterator[Row]:
    """Plain documents: the whole file, or with `split` each stretch between two or more blank lines."""
    position = 0
    for piece in re.split(r"(\n(?:[ \t\r]*\n){2,})", text) if split else [text]:
        if piece.strip(_BLANK):
            yield Row(text.count("\n", 0, position) + 1, piece, {"text": piece.strip(_BLANK)})
        position += len(piece)


def parquet_rows(path: Path) -> Iterator[Row]:
    """Rows of a Parquet file; the line is the row's number. A row group that cannot be read is one problem."""
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
            count = file.metadata.row_group(group).num_rows
            try:
                values = file.read_row_group(group).to_pylist()
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                yield Row(line, "", problem=f"第 {group + 1} 个行组（{count} 行）读不出：{str(error)[:80]}")
            else:
                for offset, value in enumerate(values):
                    raw = json.dumps(value, ensure_ascii=False, default=str)
                    yield Row(line + offset, raw, _decode(_STRICT, raw, 0)[0])
            line += count
