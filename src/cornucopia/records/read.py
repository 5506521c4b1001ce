"""A file or folder -> Records and Rejects: the one door through which data enters.

A bad row never stops the reading and never costs a good one: it becomes a Reject with file:line, what was found and its
raw text, is counted, told and kept in a rejects file. Knows nothing of models or tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cornucopia.core.console import warn
from cornucopia.core.errors import reason
from cornucopia.records.rejects import Reject, printable, write_rejects
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream


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
    sheet: str = "",
    objective: str = "",
) -> ReadResult:
    """Read a file, or every data file of a folder (its .txt and .md only when there is no other data).

    Args:
        path: the file or folder: any of `formats.FORMATS` in JSON, JSON Lines, CSV, TSV, Excel or Parquet, or plain
            text; text kinds compressed too.
        strict: raise at the first bad row.
        rejects: the .jsonl file bad rows are written to, or a folder for `<name>.rejects.jsonl`; None: beside the data;
            False: nowhere.
        columns: known key -> the file's own name for it.
        sheet: of an Excel file, by name; '' for the first that is not hidden.
        objective: what the records are to be learnt for (`objectives.OBJECTIVES`): one that does not fit, such as a
            question without an answer for `sft`, is a bad row. '' to take every record.

    Raises:
        DataError: if nothing can be read, if no row is good, or on the first bad row when strict.
    """
    result = ReadResult([], [], Path(path))
    stream = RecordStream(path, strict=strict, columns=columns, sheet=sheet, objective=objective)
    _collect(stream, result)
    if not result.records:
        raise stream.nothing()
    if rejects is not False:
        result.rejects_path = keep_rejects(stream, result.rejects, rejects)
    tell(stream, result.rejects_path)
    return result


def scan_records(
    path: str | Path,
    *,
    strict: bool = False,
    columns: Mapping[str, str] | None = None,
    sheet: str = "",
    objective: str = "",
) -> ReadResult:
    """As `read_records`, but nothing is written or told, and a file without a good row is no error."""
    result = ReadResult([], [], Path(path))
    _collect(RecordStream(path, strict=strict, columns=columns, sheet=sheet, objective=objective), result)
    return result


def tell(stream: RecordStream, kept: Path | None = None) -> None:
    """Tell the user what reading met.

    Args:
        stream: it was gone through.
        kept: the file its rejects were written to.
    """
    for note in stream.notes:
        warn(printable(note))
    if stream.rejects:
        where = f"，原文存到 {kept}" if kept else ""
        left = stream.rejects - len(stream.first)
        more = [f"  … 还有 {left} 处"] if left else []
        head = f"{stream.path}：读入 {stream.records} 条，跳过 {stream.rejects} 处{where}"
        warn("\n".join([head, *(f"  {reject}" for reject in stream.first), *more]))


def _collect(stream: RecordStream, result: ReadResult) -> None:
    stream.renamed = True
    for item in stream:
        if isinstance(item, Record):
            result.records.append(item)
        else:
            result.rejects.append(item)
    result.format = "+".join(name for name, _ in stream.formats.most_common())
    result.notes = stream.notes
    _make_ids_unique(result.records)


def _make_ids_unique(records: list[Record]) -> None:
    """Later rows of the same id get #2, #3 ...: results are joined by id."""
    taken = {record.id for record in records}
    seen: Counter[str] = Counter()
    for index, record in enumerate(records):
        seen[record.id] += 1
        if seen[record.id] == 1:
            continue
        name = f"{record.id}#{seen[record.id]}"
        while name in taken:
            seen[record.id] += 1
            name = f"{record.id}#{seen[record.id]}"
        taken.add(name)
        records[index] = replace(record, id=name)


def keep_rejects(stream: RecordStream, rejects: Sequence[Reject], target: str | Path | None) -> Path | None:
    """Write the rejects of a stream that was gone through to `target` (see `rejects.write_rejects`); a failure is noted
    in the stream. Gives the file written.
    """
    try:
        return write_rejects(stream.path, rejects, target)
    except OSError as error:
        stream.notes.append(f"坏行没能存下：{reason(error)}（{error.filename}）")
        return None
