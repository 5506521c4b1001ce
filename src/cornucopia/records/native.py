"""A Record as one line of JSON that holds every field, and back: what the factory's stages hand each other.

`openai`, `alpaca` and the other formats are for other programs; this one is read by `unpack`, and fast, and by
`data` commands as the format `record`. A line
that begins with a space holds numbers that a float or 64 bits would change, and is read by the slower decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

import orjson

from cornucopia.core.console import ESCAPE
from cornucopia.core.errors import DataError, first_line
from cornucopia.records.json_values import STRICT, Number, written
from cornucopia.records.schema import Message, Passage, Record, Role, ToolCall

MARK, VERSION = "cornucopia", 1  # key and value in every row
# Fields that stand in a row under their own name, with their defaults.
_MESSAGE = [pair for pair in vars(Message("user", "")).items() if pair[0] not in ("role", "content", "tool_calls")]
_PLAIN = [pair for pair in vars(Record()).items() if pair[0] not in ("messages", "passages", "rejected")]
_FEW = 3  # fields of a turn that holds a role, a text and no more: role, content, extra
_STRANGE = "不是数据工厂写的记录"
_NAMES = {MARK, *(f.name for f in fields(Record))}
_FIELDS, _TURN_FIELDS = {f.name for f in fields(Record)}, {f.name for f in fields(Message)}
_TURN = {"role", "content"}
_TEXTS = ("domain", "kind", "source", "span", "licence", "as_of", "origin")


def pack(record: Record) -> bytes:
    """One line without its newline."""
    row = native_row(record)
    try:
        return orjson.dumps(row, default=_as_float)
    except TypeError:
        return f" {written(row)}".encode("utf-8", ESCAPE)


def native_row(record: Record) -> dict[str, Any]:
    """The record's fields by name, those at their default left out, and a mark by which such a row is known."""
    row: dict[str, Any] = {MARK: VERSION}
    if record.messages:
        row["messages"] = [_packed(message) for message in record.messages]
    if record.passages:
        row["passages"] = [[passage.text, passage.source] for passage in record.passages]
    if record.rejected:
        row["rejected"] = [[_packed(message) for message in turns] for turns in record.rejected]
    held = record.__dict__  # a field that is not there is at its default
    for name, empty in _PLAIN:
        value = held.get(name, empty)
        if value is not empty and value != empty:
            row[name] = value
    return row


def unpack(line: bytes) -> Record:
    """The record of one line.

    Raises:
        DataError: if the line is none that `pack` wrote.
    """
    row = unpacked_row(line)
    try:
        return _record(row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(_STRANGE, found=first_line(error)) from None


def unpacked_row(line: bytes) -> dict[str, Any]:
    """The `native_row` of one line.

    Raises:
        DataError: if the line is none that `pack` wrote.
    """
    try:
        row = _exact(line) if line[:1] == b" " else orjson.loads(line)
    except ValueError as error:
        raise DataError(_STRANGE, found=first_line(error)) from None
    if not isinstance(row, dict) or row.get(MARK) != VERSION:
        raise DataError(_STRANGE, found=line[:40].decode("utf-8", "replace"))
    return row


def _exact(line: bytes) -> Any:
    return STRICT.decode(line.decode().strip())


def is_native(row: Mapping[str, Any]) -> bool:
    """Whether a row is one that `native_row` made."""
    return row.get(MARK) == VERSION and set(row) <= _NAMES


def native_record(row: Mapping[str, Any]) -> Record:
    """The record of a row from a file, which anybody may have changed.

    Raises:
        DataError: if it does not hold what a record holds.
    """
    try:
        record = _record(dict(row))
        turns = [*record.messages, *(turn for turns in record.rejected for turn in turns)]
        texts = [record.text, record.id, *(getattr(record, name) for name in _TEXTS)]
        texts += [passage.text for passage in record.passages] + [turn.content for turn in turns]
        if not all(isinstance(text, str) for text in texts) or not isinstance(record.extra, dict):
            raise TypeError("应是文字的地方不是文字")
        if not all(turn.role in get_args(Role) for turn in turns) or not (record.messages or record.text.strip()):
            raise TypeError("没有内容，或说话人不认识")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError("record 格式的一行读不懂", found=first_line(error)) from None
    return record


def _record(row: dict[str, Any]) -> Record:
    row.pop(MARK, None)
    if "messages" in row:
        row["messages"] = tuple([_unpacked(message) for message in row["messages"]])
    if "passages" in row:
        row["passages"] = tuple(Passage(text, source) for text, source in row["passages"])
    if "rejected" in row:
        row["rejected"] = tuple(tuple(_unpacked(m) for m in turns) for turns in row["rejected"])
    if "tools" in row:
        row["tools"] = tuple(row["tools"])
    if not row.keys() <= _FIELDS:
        raise TypeError("、".join(row.keys() - _FIELDS))
    return Record.build(row)


def _packed(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        row["tool_calls"] = [[call.name, call.arguments, call.id] for call in message.tool_calls]
    held = message.__dict__
    if len(held) > _FEW or held["extra"]:
        for name, empty in _MESSAGE:
            value = held.get(name, empty)
            if value is not empty and value != empty:
                row[name] = value
    return row


def _unpacked(row: dict[str, Any]) -> Message:
    if row.keys() == _TURN:
        return Message.plain(row["role"], row["content"])
    row = dict(row)
    if "tool_calls" in row:
        row["tool_calls"] = tuple(ToolCall(*call) for call in row["tool_calls"])
    if "images" in row:
        row["images"] = tuple(row["images"])
    if not _TURN <= row.keys() <= _TURN_FIELDS:
        raise TypeError("、".join(row))
    return Message.build(row)


def _as_float(value: Any) -> float:
    """A number read from a file as a float, where that is written in the same digits.

    Raises:
        TypeError: if it is not.
    """
    if isinstance(value, Number) and repr(float(value)) == value.text:
        return float(value)
    raise TypeError(value)
