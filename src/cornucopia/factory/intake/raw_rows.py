"""Rows of labelled files as mappings of texts, whatever their form: with a header or without, objects or lists.

A row without names has its columns under "0", "1" ...: what tasks and triples name by position.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.records.decode import TextFile, binary_kind
from cornucopia.records.json_rows import json_rows
from cornucopia.records.json_values import STRICT, decode_value
from cornucopia.records.rejects import REJECTS_SUFFIX
from cornucopia.records.rows import Row, parquet_rows, table_rows

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".parquet")


def data_files(path: str | Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """The file, or a folder's data files by path.

    Raises:
        DataError: there is none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        close = nearest(path.name, [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else [])
        fix = f"最接近的是 {path.parent / close}" if close else "检查路径"
        raise DataError("找不到数据", where=str(path), fix=fix)
    found = [one for one in sorted(path.rglob("*")) if one.suffix.lower() in suffixes and one.is_file()]
    found = [one for one in found if not one.name.endswith(REJECTS_SUFFIX) and not one.name.startswith(".")]
    if not found:
        raise DataError("文件夹里没有数据文件", where=str(path), fix=f"支持 {' '.join(suffixes)}")
    return found


def raw_rows(file: Path, names: Sequence[str], header: bool | None = None) -> Iterator[Row]:
    """The rows of one file; the value of each is a mapping, or it has a problem.

    Args:
        file: JSON (objects or lists), JSON Lines, CSV, TSV, tab-separated .txt or Parquet.
        names: what columns may be called; a first line that has one of them is a header.
        header: whether a table has one; None to tell by `names`.

    Raises:
        DataError: a file that cannot be read.
    """
    try:
        if file.suffix.lower() == ".parquet":
            yield from parquet_rows(file)
            return
        kind = binary_kind(file)
        if kind:
            raise DataError("不是文本文件", where=str(file), found=kind, fix="先解压，Excel 请另存为 CSV UTF-8")
        text = TextFile(file)
        if file.suffix.lower() in (".csv", ".tsv", ".txt"):
            yield from _table(text, "," if file.suffix.lower() == ".csv" else "\t", names, header)
        else:
            yield from _json(text)
    except OSError as error:
        raise DataError("打不开文件", where=str(file), found=reason(error)) from None


def _table(text: TextFile, delimiter: str, names: Sequence[str], header: bool | None) -> Iterator[Row]:
    first = next((line for line in text.lines() if line.strip()), "")
    cells = [cell.strip(' "\ufeff').lower() for cell in first.split(delimiter)]
    known = {name.lower() for name in names if not name.isdecimal()}
    if header if header is not None else bool(known & set(cells)):
        return table_rows(text.lines(), delimiter)
    if delimiter == "\t":
        return tab_rows(text.lines())
    numbered = ",".join(map(str, range(len(cells))))
    rows = table_rows(itertools.chain([numbered], text.lines()), delimiter)
    return (Row(row.line - 1, row.raw, row.value, row.problem) for row in rows)


def tab_rows(lines: Iterator[str]) -> Iterator[Row]:
    """Lines of cells parted by tabs, without header or quoting; one with fewer cells than the first is a problem."""
    width = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = line.rstrip("\r").split("\t")
        width = width or len(cells)
        if len(cells) < width:
            yield Row(number, line, problem=f"有 {len(cells)} 列，第一行是 {width} 列")
        else:
            yield Row(number, line, {str(i): cell.strip() for i, cell in enumerate(cells)})


def _json(text: TextFile) -> Iterator[Row]:
    """Objects as they are; lists under their positions, in an array or one a line."""
    head = "".join(next((line for line in text.lines() if line.strip()), "").split())
    if head.startswith("[[") or (head == "[" and _second(text).startswith("[")):
        yield from _lists("\n".join(text.lines()))
    elif head.startswith("[") and not head.startswith("[{") and head.endswith("]"):
        for number, line in enumerate(text.lines(), 1):
            if line.strip():
                yield _of_list(number, line, decode_value(STRICT, line.strip(), 0, whole=True)[0])
    else:
        yield from json_rows(text, lambda value: isinstance(value, dict))


def _second(text: TextFile) -> str:
    lines = (line.strip() for line in text.lines() if line.strip())
    return next(itertools.islice(lines, 1, 2), "")


def _lists(text: str) -> Iterator[Row]:
    """The lists of one array, which is held whole; what follows a broken one is looked for from the next line on."""
    at = text.index("[") + 1
    line, counted = 1, 0
    while at < len(text):
        if text[at] in " \t\r\n,":
            at += 1
        elif text[at] == "]":
            return
        else:
            line, counted = line + text.count("\n", counted, at), at
            value, end = decode_value(STRICT, text, at)
            if end <= at:
                end = text.find("\n", at) if "\n" in text[at:] else len(text)
            yield _of_list(line, text[at:end], value)
            at = end


def _of_list(line: int, raw: str, value: Any) -> Row:
    if not isinstance(value, list):
        problem = value if isinstance(value, str) else "应是一个列表"
        return Row(line, raw, problem=f"这一行不是列表：{problem[:60]}")
    return Row(line, raw, {str(i): cell for i, cell in enumerate(value)})


def unfolded(row: dict[str, Any], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """A row, or the rows that it holds under keys such as 题目1, 题目2.

    Args:
        wanted: columns that a row has; one with none of them, and nothing but objects, is a bundle.
    """
    values = list(row.values())
    bundle = len(values) > 0 and all(isinstance(value, dict) for value in values)
    return [dict(value) for value in values] if bundle and not set(row) & set(wanted) else [row]


def text_of(value: Any) -> str:
    """A cell as text; '' for one that is empty."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value).strip()
