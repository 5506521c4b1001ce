"""A file or folder -> Records and Rejects: the one door through which data enters.

A bad row never stops the reading and never costs a good one: it becomes a Reject with file:line, what was found and its
raw text, is counted, told and kept in a rejects file. Knows nothing of models or tokens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cornucopia.core.console import warn
from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.records import formats, rows
from cornucopia.records.decode import decode
from cornucopia.records.rejects import REJECTS_SUFFIX, Reject, printable, write_rejects
from cornucopia.records.schema import Record

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
TABLE_SUFFIXES = {".csv": ",", ".tsv": "\t"}
TEXT_SUFFIXES = (".txt", ".md")
DATA_SUFFIXES = (*JSON_SUFFIXES, *TABLE_SUFFIXES, ".parquet")

_SUPPORTED = "支持 " + " ".join((*DATA_SUFFIXES, *TEXT_SUFFIXES))
_MAX_DEPTH = 64  # levels of nesting in a row; deeper ones break the copying and writing of records
_LIKE_JSON = re.compile(r'[\s\[\ufeff]*\{\s*"')
_BAD_TEXT = re.compile("[\ud800-\udfff\x00]")


@dataclass
class ReadResult:
    """What reading gave.

    Args:
        records: the good rows in the file's order; ids are unique.
        rejects: the bad rows.
        path: the file or folder.
        format: name of the format; several are joined by "+", the most frequent first.
        notes: what else the user should know (conversions, doubled ids, files left out).
        rejects_path: where the rejects were written, if they were.
    """

    records: list[Record]
    rejects: list[Reject]
    path: Path
    format: str = ""
    notes: list[str] = field(default_factory=list)
    rejects_path: Path | None = None


def read_records(
    path: str | Path,
    *,
    strict: bool = False,
    rejects: str | Path | Literal[False] | None = None,
    columns: Mapping[str, str] | None = None,
    require_answer: bool = False,
) -> ReadResult:
    """Read a file, or every data file of a folder (its .txt and .md only when there is no other data).

    Args:
        path: the file or folder: any of `formats.FORMATS` in JSON, JSON Lines, CSV, TSV or Parquet, or plain text.
        strict: raise at the first bad row.
        rejects: the .jsonl file bad rows are written to, or a folder for `<name>.rejects.jsonl`; None: beside the data;
            False: nowhere.
        columns: known key -> the file's own name for it.
        require_answer: a question without an answer is a bad row (training); otherwise it is a record.

    Raises:
        DataError: if nothing can be read, if no row is good, or on the first bad row when strict.
    """
    result = scan_records(path, strict=strict, columns=columns, require_answer=require_answer)
    if not result.records:
        raise _nothing(result, columns or {})
    if rejects is not False:
        _keep_rejects(result, rejects)
    _tell(result)
    return result


def scan_records(
    path: str | Path,
    *,
    strict: bool = False,
    columns: Mapping[str, str] | None = None,
    require_answer: bool = False,
) -> ReadResult:
    """As `read_records`, but nothing is written or told, and a file without a good row is no error."""
    result = ReadResult([], [], Path(path))
    scan = _Scan(columns or {}, strict, require_answer, result)
    for file in _files(result.path, result):
        scan.read(file)
    _check_columns(scan.columns, scan.keys, result.path)
    result.format = "+".join(name for name, _ in scan.formats.most_common())
    _make_ids_unique(result)
    return result


def _files(path: Path, result: ReadResult) -> list[Path]:
    """The files to read.

    Raises:
        DataError: if there is no such path or the folder holds no data.
    """
    try:
        if path.is_file():
            return [path]
        if not path.is_dir():
            siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            close = nearest(path.name, siblings)
            fix = f"最接近的是 {path.parent / close}" if close else "检查路径"
            raise DataError("找不到数据", where=str(path), fix=fix)
        found = sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(path)))
    except OSError as error:
        raise DataError("打不开", where=str(path), found=reason(error)) from None
    data = [p for p in found if p.suffix.lower() in DATA_SUFFIXES and not p.name.endswith(REJECTS_SUFFIX)]
    texts = [p for p in found if p.suffix.lower() in TEXT_SUFFIXES]
    if data and texts:
        result.notes.append(f"文件夹里有数据文件，{len(texts)} 个 .txt/.md 没有读（要读就单独给出）")
    if not data and not texts:
        kinds = "、".join(sorted({p.suffix or p.name for p in found})[:8]) or "空文件夹"
        raise DataError("文件夹里没有数据文件", where=str(path), found=kinds, fix=_SUPPORTED)
    return data or texts


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _check_columns(columns: Mapping[str, str], seen: set[str], path: Path) -> None:
    absent = [own for own in columns.values() if own not in seen]
    if absent and seen:
        close = nearest(absent[0], seen)
        keys = "、".join(sorted(seen)[:12])
        fix = f"最接近的是 {close}" if close else "核对 --columns 等号右边的名字"
        raise DataError(f"数据里没有「{absent[0]}」这一列", where=str(path), found=f"有 {keys}", fix=fix)


@dataclass
class _Scan:
    """One reading: what was asked for, and what has been met so far."""

    columns: Mapping[str, str]
    strict: bool
    require_answer: bool
    result: ReadResult
    formats: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)

    def read(self, file: Path) -> None:
        """Add a file's records and rejects to the result."""
        path = self.result.path
        name = file.name if file == path else file.relative_to(path).as_posix()
        try:
            for row in _rows(file, self.columns, self.result):
                self.keys.update(row.value or ())
                self._add(row, file, f"{name}:{row.line}")
        except DataError as error:
            if self.strict or file == path:
                raise
            self.result.rejects.append(Reject(0, f"{error.what}：{error.found}", "", str(file)))

    def _add(self, row: rows.Row, file: Path, origin: str) -> None:
        record, name = _convert(row, self.columns, self.require_answer)
        if isinstance(record, Record):
            self.formats[name] += 1
            self.result.records.append(replace(record, id=record.id or origin, origin=origin))
            return
        reject = Reject(row.line, record, row.raw, str(file))
        if self.strict:
            raise DataError("数据有坏行（--strict）", where=reject.where, found=record)
        self.result.rejects.append(reject)


def _rows(file: Path, columns: Mapping[str, str], result: ReadResult) -> Iterator[rows.Row]:
    """Raw rows by the file's suffix; JSON is recognised in a file of another name too."""
    suffix = file.suffix.lower()

    def accept(value: Any) -> bool:
        return isinstance(value, dict) and formats.detect(value, columns) is not None

    try:
        data = b"" if suffix == ".parquet" else file.read_bytes()
    except OSError as error:
        raise DataError("打不开文件", where=str(file), found=reason(error)) from None
    if suffix == ".parquet" or (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
        return rows.parquet_rows(file)
    text, note = decode(data)
    result.notes += [f"{file.name}：{note}"] if note else []
    if suffix in TABLE_SUFFIXES:
        return rows.table_rows(text, TABLE_SUFFIXES[suffix])
    if suffix in JSON_SUFFIXES:
        return rows.json_rows(text, accept)
    if _LIKE_JSON.match(text):
        found = list(rows.json_rows(text, accept))
        if any(accept(row.value) for row in found):
            return iter(found)
    if suffix in TEXT_SUFFIXES:
        return rows.document_rows(text, split=suffix == ".txt")
    hint = "Excel 请先另存为 CSV UTF-8" if suffix in (".xls", ".xlsx") else _SUPPORTED
    raise DataError("不支持这种文件", where=str(file), found=suffix or "没有扩展名", fix=hint)


def _convert(row: rows.Row, columns: Mapping[str, str], require_answer: bool) -> tuple[Record | str, str]:
    """(record, format name), or (reason it is bad, '')."""
    if row.problem:
        return row.problem, ""
    flaw = _flaw(row.value)
    if flaw:
        return flaw, ""
    try:
        record, name = formats.to_record(row.value, columns)
    except DataError as error:
        parts = [error.what, error.found, error.fix]
        return "；".join(part for part in parts if part), ""
    if require_answer and record.messages and not record.golden:
        return "没有答案（训练需要答案）", ""
    return record, name


def _flaw(value: Any) -> str:
    """What in a row's values could not be written again as UTF-8 JSON, or ''. No recursion: rows may be deep."""
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, str):
            bad = None if item.isascii() and "\0" not in item else _BAD_TEXT.search(item)
            if bad:
                return "含 NUL 字符" if bad.group() == "\0" else "含残缺的字符（不是合格的 UTF-8 文字）"
        elif isinstance(item, (dict, list, tuple)):
            if depth >= _MAX_DEPTH:
                return f"嵌套超过 {_MAX_DEPTH} 层"
            parts = [*item.keys(), *item.values()] if isinstance(item, dict) else item
            stack += [(part, depth + 1) for part in parts]
    return ""


def _nothing(result: ReadResult, columns: Mapping[str, str]) -> DataError:
    if not result.rejects:
        return DataError(
            "文件是空的", where=str(result.path), found="没有一行内容", fix="核对文件；格式说明见 docs/data.md"
        )
    first = result.rejects[0]
    found = f"{len(result.rejects)} 处都不能用；第一处 {first.where}：{first.reason}"
    fix = "格式说明见 docs/data.md；逐行的原因见 cornucopia data check"
    fix = f"核对列名对应 {dict(columns)}；{fix}" if columns else fix
    return DataError("没有读出一条数据", where=str(result.path), found=found, fix=fix)


def _make_ids_unique(result: ReadResult) -> None:
    """Later rows of the same id get #2, #3 ...: results are joined by id."""
    taken = {record.id for record in result.records}
    seen: Counter[str] = Counter()
    doubled = 0
    for index, record in enumerate(result.records):
        seen[record.id] += 1
        if seen[record.id] == 1:
            continue
        doubled += record.id != record.origin
        name = f"{record.id}#{seen[record.id]}"
        while name in taken:
            seen[record.id] += 1
            name = f"{record.id}#{seen[record.id]}"
        taken.add(name)
        result.records[index] = replace(record, id=name)
    if doubled:
        result.notes.append(f"{doubled} 条的 id 与前面重复，已加 #2、#3 区分")


def _keep_rejects(result: ReadResult, target: str | Path | None) -> None:
    try:
        result.rejects_path = write_rejects(result.path, result.rejects, target)
    except OSError as error:
        result.notes.append(f"坏行没能存下：{reason(error)}（{error.filename}）")


def _tell(result: ReadResult) -> None:
    for note in result.notes:
        warn(printable(note))
    if result.rejects:
        kept = f"，原文存到 {result.rejects_path}" if result.rejects_path else ""
        more = [f"  … 还有 {len(result.rejects) - 3} 处"] if len(result.rejects) > 3 else []
        head = f"{result.path}：读入 {len(result.records)} 条，跳过 {len(result.rejects)} 处{kept}"
        warn("\n".join([head, *(f"  {reject}" for reject in result.rejects[:3]), *more]))
