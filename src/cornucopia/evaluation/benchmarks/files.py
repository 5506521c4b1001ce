"""Finds and reads a benchmark's files; what is not as published is told with the file, the line and what to do."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError

Row = dict[str, Any]


def find_folder(data_dir: Path, marker: str, *, benchmark: str, source: str) -> Path:
    """The folder that holds `marker` (a file, or a pattern), at `data_dir` or at most three levels below it.

    Raises:
        DataError: there is none, or the data folder itself is absent.
    """
    if not data_dir.is_dir():
        fix = f"从 {source} 下载 {benchmark}，用 --data-dir 指出来"
        raise DataError("没有这个数据文件夹", where=str(data_dir), fix=fix)
    for depth in ("", "*/", "*/*/", "*/*/*/"):
        for found in sorted(data_dir.glob(depth + marker)):
            return Path(*found.parts[: len(found.parts) - len(Path(marker).parts)])
    raise DataError(
        f"这里没有 {benchmark} 的文件", where=str(data_dir), found=f"找不到 {marker}",
        fix=f"从 {source} 下载，放进这个文件夹；文件名和目录照原样",
    )  # fmt: skip


def read_csv(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a CSV file with a header; text in UTF-8 (with or without BOM) or GB18030.

    Raises:
        DataError: it is absent, not text, or lacks a column.
    """
    rows = list(csv.DictReader(io.StringIO(read_text(path))))
    header = list(rows[0]) if rows else []
    _check_columns(path, header, columns)
    return [{key: (value or "").strip() for key, value in row.items() if isinstance(key, str)} for row in rows]


def read_json(path: Path, keys: Sequence[str] = ()) -> list[Any]:
    """The items of a JSON list, or of JSON Lines.

    Raises:
        DataError: it is absent, no JSON, no list, or an item lacks a key.
    """
    text = read_text(path).strip()
    try:
        items = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines() if line]
    except ValueError as error:
        raise DataError("不是合格的 JSON", where=str(path), found=str(error)[:120], fix="重新下载这个文件") from None
    for place, item in enumerate(items if keys else []):
        missing = [key for key in keys if not isinstance(item, dict) or key not in item]
        if missing:
            found = "、".join(item) if isinstance(item, dict) else type(item).__name__
            where = f"{path} 第 {place + 1} 条"
            raise DataError(f"缺少 {'、'.join(missing)}", where=where, found=found, fix="用公布的原文件")
    if not items:
        raise DataError("文件里一条也没有", where=str(path), fix="重新下载这个文件")
    return list(items)


def read_text(path: Path) -> str:
    """The whole file as text.

    Raises:
        DataError: it is absent or in no encoding that is known.
    """
    if not path.is_file():
        raise DataError("没有这个文件", where=str(path), fix="重新下载整个数据集，文件名照原样")
    data = path.read_bytes()
    if data.startswith(b"version https://git-lfs"):
        raise DataError("这是 Git LFS 的指针，不是数据", where=str(path), fix="在那个仓库里运行 git lfs pull")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError("不是 UTF-8 也不是 GB18030 的文字", where=str(path), fix="重新下载这个文件")


def read_arrow(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of an Arrow stream as `datasets` saves it.

    Raises:
        DataError: it is absent, damaged, or lacks a column.
    """
    import pyarrow

    if not path.is_file():
        raise DataError("没有这个文件", where=str(path), fix="重新下载整个数据集，文件名照原样")
    try:
        with pyarrow.memory_map(str(path)) as source:
            table = pyarrow.ipc.open_stream(source).read_all()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataError("不是合格的 Arrow 文件", where=str(path), found=str(error)[:120], fix="重新下载") from None
    _check_columns(path, table.column_names, columns)
    return list(table.to_pylist())


def named(folder: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """(what stands for the star, file) of the files that fit a pattern with one star in its name."""
    head, tail = Path(pattern).name.split("*")
    for path in sorted(folder.glob(pattern)):
        yield path.name[len(head) : len(path.name) - len(tail)], path


def _check_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        found = "、".join(map(str, header)) or "空文件"
        raise DataError(f"缺少列 {'、'.join(missing)}", where=str(path), found=found, fix="用公布的原文件")
