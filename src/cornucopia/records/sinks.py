"""Rows -> a file of the kind its name says: JSON Lines, JSON, CSV, TSV, Parquet, Excel; text kinds with .gz too.

Rows come one at a time and none is kept in memory: a table, whose columns are known only after the last row, goes
through a temporary file. Knows nothing of records.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import replacing
from cornucopia.records.json_values import written

_BATCH = 1000  # rows of a Parquet row group in memory
_MOST_CELL, _MOST_ROWS = 32_767, 1_048_576  # Excel's limits: characters of a cell, rows of a sheet
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_TABLES = (".csv", ".tsv", ".parquet", ".xlsx")


class Sink:
    """A file to write rows to.

    Args:
        path: the file.
        kind: its suffix without .gz.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        self.cells = kind in _TABLES  # whether it holds text alone

    def check(self, row: dict[str, str]) -> None:
        """
        Raises:
            DataError: if a cell would not come back as it is.
        """
        for key, cell in row.items():
            if self.kind in (".csv", ".tsv", ".xlsx") and "\r" in cell:
                raise DataError(f"{self.kind} 容不下 {key} 里的回车符（\\r）")
            if self.kind == ".xlsx" and cell != cell.strip():
                raise DataError(f"Excel 的单元格留不住 {key} 首尾的空白")
            if self.kind == ".xlsx" and (len(cell) > _MOST_CELL or _NOT_XML.search(cell)):
                held = f"{len(cell)} 个字，单元格至多 {_MOST_CELL}" if len(cell) > _MOST_CELL else "控制字符"
                raise DataError(f"Excel 容不下 {key}", found=held)

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Replace the file by the rows in one step.

        Raises:
            OSError: if it cannot be written.
            DataError: if a library is missing, or a sheet would be too long.
        """
        with replacing(self.path) as temporary:
            if not self.cells:
                with _text(temporary, self.path) as file:
                    file.writelines(_json_array(rows) if self.kind == ".json" else (f"{written(r)}\n" for r in rows))
                return
            with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass") as spool:
                columns: dict[str, None] = {}
                for row in rows:
                    columns |= dict.fromkeys(row)
                    spool.write(json.dumps(row, ensure_ascii=False) + "\n")
                self._write_table(temporary, list(columns), spool)

    def _write_table(self, temporary: Path, columns: list[str], spool: IO[str]) -> None:
        if self.kind == ".parquet":
            _parquet(temporary, columns, spool)
        elif self.kind == ".xlsx":
            _excel(temporary, columns, spool)
        else:
            with _text(temporary, self.path, bom=self.kind == ".csv") as file:
                table = csv.writer(file, delimiter="," if self.kind == ".csv" else "\t", lineterminator="\n")
                table.writerow(columns)
                table.writerows([row.get(name, "") for name in columns] for row in _spooled(spool))


def sink_of(path: Path) -> Sink:
    """The sink a file's name asks for.

    Raises:
        DataError: for a compressed Parquet or Excel file, which compress themselves.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    packed = suffixes[-1:] == [".gz"]
    kind = (suffixes[:-1] if packed else suffixes)[-1:] or [".jsonl"]
    if packed and kind[0] in (".parquet", ".xlsx"):
        raise DataError(f"{kind[0]} 自带压缩，不必再加 .gz", where=str(path), fix="去掉文件名末尾的 .gz")
    return Sink(path, kind[0])


@contextmanager
def _text(temporary: Path, path: Path, *, bom: bool = False) -> Iterator[IO[str]]:
    """The temporary file for text; compressed where the real name says so, the same bytes for the same rows.

    Args:
        bom: whether it begins with the mark by which Excel knows UTF-8.
    """
    encoding = "utf-8-sig" if bom else "utf-8"
    if path.suffix.lower() != ".gz":
        with temporary.open("w", encoding=encoding, newline="\n") as file:
            yield file
        return
    with (
        temporary.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding=encoding, newline="\n") as file,
    ):
        yield file


def _json_array(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows):
        yield (",\n" if number else "\n") + written(row)
    yield "\n]\n"


def _spooled(spool: IO[str]) -> Iterator[dict[str, str]]:
    spool.seek(0)
    return (json.loads(line) for line in spool)


def _parquet(temporary: Path, columns: list[str], spool: IO[str]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        fix = 'pip install "cornucopia-fin[data]"（在源码目录里是 pip install -e ".[data]"）'
        raise DataError("写 Parquet 要先装 pyarrow", fix=fix) from None
    schema = pyarrow.schema([(name, pyarrow.string()) for name in columns])
    with pyarrow.parquet.ParquetWriter(temporary, schema, compression="zstd") as file:
        rows = _spooled(spool)
        while batch := list(itertools.islice(rows, _BATCH)):
            file.write_table(pyarrow.Table.from_pylist(batch, schema))


def _excel(temporary: Path, columns: list[str], spool: IO[str]) -> None:
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError:
        fix = 'pip install "cornucopia-fin[data]"（在源码目录里是 pip install -e ".[data]"）'
        raise DataError("写 Excel 要先装 openpyxl", fix=fix) from None
    book = Workbook(write_only=True)
    sheet = book.create_sheet("数据")

    def cell(text: str) -> Any:
        made = WriteOnlyCell(sheet)
        made._value, made.data_type = text, "s"  # a text that begins with = is no formula
        return made

    for number, row in enumerate(itertools.chain([dict(zip(columns, columns, strict=True))], _spooled(spool))):
        if number >= _MOST_ROWS:
            raise DataError("Excel 一张表放不下", found=f"超过 {_MOST_ROWS} 行", fix="改写 .csv 或 .parquet")
        sheet.append([cell(row[name]) if name in row else None for name in columns])
    book.save(temporary)
