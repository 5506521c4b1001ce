"""A file or folder -> Records and Rejects one after another, in memory that does not grow with the data.

A bad row never stops the reading and never costs a good one. Knows nothing of models or tokens.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.records import formats, rows
from cornucopia.records.data_files import (
    JSON_SUFFIXES,
    SUPPORTED,
    TABLE_SUFFIXES,
    TEXT_SUFFIXES,
    files_in,
    unpacked,
)  # fmt: skip
from cornucopia.records.decode import TextFile, binary_kind
from cornucopia.records.json_rows import json_rows
from cornucopia.records.json_values import Repeated
from cornucopia.records.objectives import fits, note
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.sources.kinds import sniff
from cornucopia.sources.packed import Packed

_MOST_SETTINGS = 2**24  # bytes of a .json up to which it may be something other than data
_NAMED = 6  # files left out that are named
_SHOWN = 3  # rejects that are told
_MAX_DEPTH = 64  # levels of nesting in a row; deeper ones break the copying and writing of records
_BEFORE_OBJECT = re.compile(r"[\s\[\ufeff]*(\{\s*)?")
_LIKE_JSON = re.compile(r'[\s\[\ufeff]*\{\s*"')
_BAD_TEXT = re.compile("[\ud800-\udfff\x00]")


class RecordStream:
    """Records and Rejects in the order of the files; to be gone through once.

    What it knows of them is complete once it has been gone through: `records` and `rejects` are their numbers, `first`
    the first few rejects, `notes` what else the user should know, `formats` the names of formats and how often each
    was met. Ids are as the file gives them, or the origin: two records may have the same.

    Args:
        path: the file, or a folder whose data files are read (its .txt and .md only when there is no other data).
        strict: raise at the first bad row.
        columns: known key -> the file's own name for it.
        sheet: of an Excel file, by name; '' for the first that is not hidden.
        objective: what the records are to be learnt for (`objectives.OBJECTIVES`); one that does not fit is a bad row.
            '' to take every record.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        sheet: str = "",
        objective: str = "",
    ) -> None:
        if not str(path):  # Path("") is the current folder: a variable that is not set would read all of it
            raise DataError("没有给数据文件", found="空的路径", fix="写文件名；当前文件夹写 .")
        self.path, self._strict, self._columns = Path(path), strict, columns or {}
        self._objective, self._sheet = objective, sheet
        self._told: set[str] = set()
        self.records = self.rejects = 0
        self.first: list[Reject] = []
        self.notes: list[str] = []
        self.place = ""  # file:line of the row that was read last
        self.renamed = False  # whether the reader of this stream gives doubled ids a number
        self.formats: Counter[str] = Counter()
        self._keys: set[str] = set()
        self._ids, self._own = array("q"), bytearray()  # of each record: a hash of its id, whether the file gave it

    def __iter__(self) -> Iterator[Record | Reject]:
        """Read.

        Raises:
            DataError: no such path, a folder without data, a file that cannot be read, a mapped column that no row has,
                or when strict the first bad row.
        """
        files, notes = files_in(self.path)
        self.notes += notes
        for file in files:
            for item in self._read(file):
                if isinstance(item, Record):
                    self.records += 1
                else:
                    self.rejects += 1
                    self.first += [item] if len(self.first) < _SHOWN else []
                yield item
        self._check_columns()
        self.notes += sorted(self._told)
        doubled = self._doubled()
        named = "，已加 #2、#3 区分" if self.renamed else ""
        self.notes += [f"{doubled} 条的 id 与前面重复{named}"] if doubled else []

    def nothing(self) -> DataError:
        """The error for data without one good row."""
        if not self.rejects:
            return DataError(
                "文件是空的", where=str(self.path), found="没有一行内容", fix="核对文件；格式说明见 docs/data.md"
            )
        found = f"{self.rejects} 处都不能用；第一处 {self.first[0].where}：{self.first[0].reason}"
        fix = "格式说明见 docs/data.md；逐行的原因见 cornucopia data check"
        fix = f"核对列名对应 {dict(self._columns)}；{fix}" if self._columns else fix
        return DataError("没有读出一条数据", where=str(self.path), found=found, fix=fix)

    def _read(self, file: Path) -> Iterator[Record | Reject]:
        name = file.name if file == self.path else file.relative_to(self.path).as_posix()
        try:
            if file != self.path and file.suffix.lower() == ".json" and self._is_settings(file):
                self.notes.append(f"{name} 不是数据（一个 JSON 对象，没有认得的键），没有读")
                return
            for row in self._rows(file):
                self._keys.update(row.value or ())
                self.place = f"{name}:{row.place}"
                yield self._convert(row, file, self.place)
        except DataError as error:
            if self._strict or file == self.path:
                raise
            yield Reject(0, f"{error.what}：{error.found}", "", str(file))

    def _is_settings(self, file: Path) -> bool:
        """Whether a .json of a folder is one object that is no row: dataset_info.json, a model's config.json ..."""
        try:
            if binary_kind(file) or file.stat().st_size > _MOST_SETTINGS:
                return False
            rows_met = list(itertools.islice(json_rows(TextFile(file), lambda value: isinstance(value, dict)), 2))
        except OSError:
            return False
        value = rows_met[0].value if len(rows_met) == 1 else None
        if not isinstance(value, dict) or not rows_met[0].raw.lstrip().startswith("{"):
            return False
        return formats.detect(value, self._columns) is None

    def _rows(self, file: Path) -> Iterator[rows.Row]:
        """Raw rows by the file's suffix; JSON is recognised in a file of another name too."""
        try:
            source = unpacked(file)
            if isinstance(source, Path) and (source.suffix.lower() == ".parquet" or _is_parquet(source)):
                yield from rows.parquet_rows(source)
                return
            if isinstance(source, Path) and sniff(source, source.name) == "xlsx":
                yield from rows.sheet_rows(source, self._sheet)
                return
            kind = binary_kind(source)
            if kind:
                fix = f"先解压，旧 Excel 请另存为 .xlsx；文档用 cornucopia data read；{SUPPORTED}"
                raise DataError("不是文本文件", where=str(file), found=kind, fix=fix)
            text = TextFile(source)
            try:
                yield from self._text_rows(file, source.suffix.lower(), text)
            finally:
                self.notes += [f"{file.name}：{text.note}"] if text.note else []
            if isinstance(source, Packed) and source.problem:
                yield rows.Row(0, "", problem=source.problem)
        except OSError as error:
            raise DataError("打不开文件", where=str(file), found=reason(error)) from None

    def _text_rows(self, file: Path, suffix: str, text: TextFile) -> Iterator[rows.Row]:
        def accept(value: Any) -> bool:
            return isinstance(value, dict) and formats.detect(value, self._columns) is not None

        if suffix in TABLE_SUFFIXES:
            return rows.table_rows(text.lines(), TABLE_SUFFIXES[suffix])
        if suffix in JSON_SUFFIXES or (_is_like_json(text) and any(accept(r.value) for r in json_rows(text, accept))):
            return json_rows(text, accept)
        if suffix in TEXT_SUFFIXES:
            return rows.document_rows(text.lines(), split=suffix == ".txt")
        raise DataError("不支持这种文件", where=str(file), found=suffix or "没有扩展名", fix=SUPPORTED)

    def _convert(self, row: rows.Row, file: Path, origin: str) -> Record | Reject:
        record, name = record_of(row, self._columns, self._objective, self._told)
        if isinstance(record, Record):
            self.formats[name] += 1
            record = record.changed(id=record.id or origin, origin=record.origin or origin)
            self._ids.append(hash(record.id))
            self._own.append(record.id != origin)
            return record
        reject = Reject(row.line, record, row.raw, str(file), row.sheet)
        if self._strict:
            raise DataError("数据有坏行（--strict）", where=reject.where, found=record)
        return reject

    def _check_columns(self) -> None:
        absent = [own for own in self._columns.values() if own not in self._keys]
        if absent and self._keys:
            close = nearest(absent[0], self._keys)
            keys = "、".join(sorted(self._keys)[:12])
            fix = (
                f"最接近的是 {close}"
                if close
                else "核对 --columns 等号右边的名字；训练里是 prompt_column、reasoning_column 等设置"
            )
            raise DataError(f"数据里没有「{absent[0]}」这一列", where=str(self.path), found=f"有 {keys}", fix=fix)

    def _doubled(self) -> int:
        """Records whose own id an earlier one has: told by 8 bytes of each id, as all ids may not fit in memory."""
        if not any(self._own):
            return 0
        import numpy as np

        again = np.ones(len(self._own), bool)
        again[np.unique(np.frombuffer(self._ids, np.int64), return_index=True)[1]] = False
        return int((again & np.frombuffer(self._own, bool)).sum())


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(-min(4, stream.seek(0, 2)), 2)
        return head == stream.read(4) == b"PAR1"


def _is_like_json(text: TextFile) -> bool:
    """Whether the text begins like JSON with an object."""
    head = ""
    for part in text.chunks():
        head += part
        if not _BEFORE_OBJECT.fullmatch(head):
            break
    return bool(_LIKE_JSON.match(head))


def record_of(
    row: rows.Row, columns: Mapping[str, str], objective: str, told: set[str], *, sound: bool = False
) -> tuple[Record | str, str]:
    """The record of a row, without id and origin where the row has none.

    Args:
        row: as read.
        columns, objective: as for RecordStream.
        told: gets what the user should know.
        sound: whether its values are known to be texts that can be written again.

    Returns:
        (record, format name), or (reason it is bad, '').
    """
    if row.problem:
        return row.problem, ""
    flaw = "" if sound else _flaw(row.value)
    if flaw:
        return flaw, ""
    try:
        record, name = formats.to_record(row.value, columns, told)
    except DataError as error:
        parts = [error.what, error.found, error.fix]
        return "；".join(part for part in parts if part), ""
    if objective:
        misfit = fits(record, objective)
        if misfit:
            return misfit, ""
        told.update(filter(None, [note(record, objective)]))
    return record, name


def _flaw(value: Any) -> str:
    """What in a row's values could not be written again as UTF-8 JSON, or ''. No recursion: rows may be deep."""
    stack: list[tuple[Any, int]] = [([value], -1)]
    while stack:
        container, depth = stack.pop()
        if depth >= _MAX_DEPTH:
            return f"嵌套超过 {_MAX_DEPTH} 层"
        for item in container if isinstance(container, (list, tuple)) else [*container.keys(), *container.values()]:
            if isinstance(item, str):
                bad = None if item.isascii() and "\0" not in item else _BAD_TEXT.search(item)
                if bad:
                    return "含 NUL 字符" if bad.group() == "\0" else "含残缺的字符（不是合格的 UTF-8 文字）"
            elif isinstance(item, Repeated):
                return f"键 {item.key or '（空）'} 出现了两次，值不一样：不知该用哪一个"
            elif isinstance(item, (dict, list, tuple)):
                stack.append((item, depth + 1))
    return ""
