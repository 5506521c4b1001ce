"""A large file with one object a line, cut into ranges of bytes that are read apart from one another, and fast.

What comes out is what `stream.RecordStream` gives of the whole file, row for row: a range begins and ends between two
sound rows, so that the search for objects in damaged lines never looks across it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cornucopia.records import formats
from cornucopia.records.data_files import JSON_SUFFIXES
from cornucopia.records.decode import binary_kind
from cornucopia.records.json_rows import line_rows
from cornucopia.records.json_values import line_value
from cornucopia.records.plain_rows import is_plain, plain_record, plain_value
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.stream import record_of

_BOM = b"\xef\xbb\xbf"
_MOST = 64  # sizes of a range after which no end is looked for: the file is no such file
_CRLF = b"\r\n"


@dataclass(frozen=True)
class Range:
    """Lines of a file.

    Args:
        start, end: bytes.
        line: number of the first line, from 1.
    """

    start: int
    end: int
    line: int

    def to_dict(self) -> dict[str, int]:
        """JSON-ready; `Range(**row)` reads it back."""
        return asdict(self)


def ranges(path: Path, size: int) -> list[Range] | None:
    """The file in ranges.

    Args:
        path: the file.
        size: of a range in bytes, more or less.

    Returns:
        None where the file must be read as a whole: it is not UTF-8, or does not hold one object a line from its first
        line on.

    Raises:
        OSError: if it cannot be read.
    """
    if path.suffix.lower() not in JSON_SUFFIXES or binary_kind(path):
        return None
    found: list[Range] = []
    with path.open("rb") as file:
        start = 3 if file.read(3) == _BOM else 0
        file.seek(start)
        held, line = b"", 1
        while block := file.read(size):
            held += block
            last = file.tell() == path.stat().st_size
            end = len(held) if last else _seam(held)
            if not end:
                if len(held) > _MOST * size:
                    return None
                continue
            part, held = held[:end], held[end:]
            if not _is_text(part) or (not found and not _begins_well(part)):
                return None
            found.append(Range(start, start + end, line))
            start, line = start + end, line + part.count(b"\n")
    return None if held or not found else found


def _is_text(part: bytes) -> bool:
    try:
        part.decode()
    except UnicodeDecodeError:
        return False
    return True


def _begins_well(part: bytes) -> bool:
    """Whether the first line is a row by itself, and line ends are those of `lines` below."""
    first, newline, _ = part.partition(b"\n")
    return first.lstrip()[:1] == b"{" and _is_row(first) and bool(newline or b"\r" not in first)


def _seam(held: bytes) -> int:
    """Where the last line begins of which it is known that it and the one before it are rows by themselves; 0: none.

    The very last line is not looked at: it may be cut.
    """
    end = held.rfind(b"\n")
    while end > 0:
        start = held.rfind(b"\n", 0, end)
        before = held.rfind(b"\n", 0, max(start, 0))
        if start < 0:
            return 0
        if _is_row(held[start + 1 : end]) and _is_row(held[before + 1 : start]):
            return start + 1
        end = start
    return 0


def _is_row(line: bytes) -> bool:
    try:
        return _accept(line_value(line.decode()))
    except UnicodeDecodeError:
        return False


def _accept(value: Any) -> bool:
    return isinstance(value, dict) and (is_plain(tuple(value), formats.is_own_key) or formats.detect(value) is not None)


def read_range(path: Path, part: Range, name: str, objective: str) -> Iterator[tuple[int, Record | Reject]]:
    """(line, record or reject) of a range.

    Args:
        path: the file.
        part: of `ranges`.
        name: of the file in `Record.origin`.
        objective: as for RecordStream.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(part.start)
        lines = file.read(part.end - part.start).replace(_CRLF, b"\n").split(b"\n")
    if not lines[-1]:
        lines.pop()
    done = 0  # lines that are plain rows, or blank; from the first other one on, lines may belong together
    for line in lines if not objective else ():
        value = plain_value(line) if line else None
        made = plain_record(value, formats.is_own_key) if value else None
        if made is None and line:
            break
        if made:
            yield part.line + done, _named(made[0], f"{name}:{part.line + done}")
        done += 1
    yield from _other_rows(path, lines[done:], part.line + done, name, objective)


def _other_rows(
    path: Path, lines: list[bytes], first: int, name: str, objective: str
) -> Iterator[tuple[int, Record | Reject]]:
    plain: dict[str, Any] | None = None  # of the line that was looked at last

    def value_of(line: str) -> Any:
        nonlocal plain
        plain = plain_value(line.encode())
        return line_value(line) if plain is None else plain

    told: set[str] = set()
    for row in line_rows(map(bytes.decode, lines), _accept, value_of, first):
        record, _ = record_of(row, {}, objective, told, sound=row.value is plain)
        if isinstance(record, Record):
            yield row.line, _named(record, f"{name}:{row.line}")
        else:
            yield row.line, Reject(row.line, record, row.raw, str(path))


def _named(record: Record, origin: str) -> Record:
    return record.changed(id=record.id or origin, origin=record.origin or origin)
