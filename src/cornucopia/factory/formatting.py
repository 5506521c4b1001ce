"""Records of one shard -> bytes of output files, one run of bytes a split. Knows nothing of files."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from cornucopia.core.console import ESCAPE
from cornucopia.core.errors import DataError
from cornucopia.factory.intake.naming import SOURCE_ID
from cornucopia.factory.profile import Profile
from cornucopia.records.json_values import written
from cornucopia.records.lines import rows_of
from cornucopia.records.native import pack
from cornucopia.records.schema import Record
from cornucopia.records.stage import Dropped
from cornucopia.records.write import plain_row, refusal, row_of

SPLIT = "split"  # in Record.extra: which file a record goes to
WHOLE = "train"  # the split of a record that says none


@dataclass
class Parts:
    """What a shard gives the output files.

    Args:
        data: split -> bytes, compressed as the output is: parts put one after another are a file.
        counts: split -> records.
        refused: records that the format cannot hold.
        profile: of the records that were written.
    """

    data: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[Dropped] = field(default_factory=list)
    profile: Profile = field(default_factory=Profile)


def format_parts(records: Sequence[Record], settings: dict[str, Any]) -> Parts:
    """Format the records of a shard.

    Args:
        records: in order.
        settings: of an OutputConfig.
    """
    parts = Parts()
    lines: dict[str, list[bytes]] = {}
    own, to = settings["ids"] == "own", settings["format"]
    kept = []
    for number, row in enumerate(rows_of(records)):
        line = None if own else _plain_line(row, to)
        if line is None:
            try:
                line = _line(_with_own_id(records[number]) if own else records[number], to)
            except DataError as error:
                parts.refused.append(Dropped(records[number], "cannot_hold", refusal(error)))
                continue
        lines.setdefault(str(row.get("extra", {}).get(SPLIT) or WHOLE), []).append(line)
        kept.append(row)
    parts.profile.add(kept)
    compress = COMPRESS[settings["compress"]]
    for split, rows in sorted(lines.items()):
        parts.counts[split] = len(rows)
        parts.data[split] = compress(b"\n".join([*rows, b""]))
    return parts


def _with_own_id(record: Record) -> Record:
    given = record.extra.get(SOURCE_ID)
    if not given:
        return record
    return replace(record, id=str(given), extra={key: value for key, value in record.extra.items() if key != SOURCE_ID})


def _plain_line(row: Mapping[str, Any], to: str) -> bytes | None:
    """The line of a record, given its `native_row`; None where that does not say enough."""
    made = plain_row(row, to)
    if made is None:
        return None
    try:
        return orjson.dumps(made)
    except TypeError:
        return None


def _line(record: Record, to: str) -> bytes:
    if to == "record":
        return pack(record)
    row = row_of(record, "text" if to == "openai" and record.text else to)
    try:
        return orjson.dumps(row)
    except TypeError:  # integers beyond 64 bits, numbers as they stood in the file, halves of a surrogate pair
        return written(row).encode("utf-8", ESCAPE)


def _zst(data: bytes) -> bytes:
    try:
        import zstandard
    except ImportError:
        fix = 'pip install "cornucopia-fin[data]"（在源码目录：pip install -e ".[data]"），或 compress: gz'
        raise DataError("缺少 zst 压缩要用的 zstandard", fix=fix) from None
    return zstandard.ZstdCompressor(level=3).compress(data)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda data: data,
    "gz": lambda data: gzip.compress(data, 6, mtime=0),
    "zst": _zst,
}
SUFFIXES = {"none": "", "gz": ".gz", "zst": ".zst"}
