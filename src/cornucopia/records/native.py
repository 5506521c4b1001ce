"""A Record as one line of JSON that holds every field, and back: what the factory's stages hand each other.

`openai`, `alpaca` and the other formats are for other programs; this one is read only by `unpack`, and fast. A line
that begins with a space holds numbers that a float or 64 bits would change, and is read by the slower decoder.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson

from cornucopia.core.errors import DataError, first_line
from cornucopia.records.json_values import STRICT, Number, written
from cornucopia.records.schema import Message, Passage, Record, ToolCall

_EMPTY_MESSAGE = Message("user", "")
_EMPTY_RECORD = Record()
_MESSAGE = tuple(f.name for f in fields(Message) if f.name not in ("role", "content", "tool_calls"))
_PLAIN = tuple(f.name for f in fields(Record) if f.name not in ("messages", "passages", "rejected"))


def pack(record: Record) -> bytes:
    """One line without its newline: the record's fields by name, those at their default left out."""
    row: dict[str, Any] = {}
    if record.messages:
        row["messages"] = [_packed(message) for message in record.messages]
    if record.passages:
        row["passages"] = [[passage.text, passage.source] for passage in record.passages]
    if record.rejected:
        row["rejected"] = [[_packed(message) for message in turns] for turns in record.rejected]
    for name in _PLAIN:
        value = getattr(record, name)
        if value != getattr(_EMPTY_RECORD, name):
            row[name] = value
    try:
        return orjson.dumps(row, default=_as_float)
    except TypeError:
        return f" {written(row)}".encode()


def unpack(line: bytes) -> Record:
    """The record of one line.

    Raises:
        DataError: if the line is none that `pack` wrote.
    """
    try:
        row = STRICT.decode(line.decode().strip()) if line[:1] == b" " else orjson.loads(line)
        if "messages" in row:
            row["messages"] = tuple(_unpacked(message) for message in row["messages"])
        if "passages" in row:
            row["passages"] = tuple(Passage(text, source) for text, source in row["passages"])
        if "rejected" in row:
            row["rejected"] = tuple(tuple(_unpacked(m) for m in turns) for turns in row["rejected"])
        if "tools" in row:
            row["tools"] = tuple(row["tools"])
        return Record(**row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError("不是数据工厂写的记录", found=first_line(error)) from None


def _packed(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        row["tool_calls"] = [[call.name, call.arguments, call.id] for call in message.tool_calls]
    for name in _MESSAGE:
        value = getattr(message, name)
        if value != getattr(_EMPTY_MESSAGE, name):
            row[name] = value
    return row


def _unpacked(row: dict[str, Any]) -> Message:
    if "tool_calls" in row:
        row["tool_calls"] = tuple(ToolCall(*call) for call in row["tool_calls"])
    if "images" in row:
        row["images"] = tuple(row["images"])
    return Message(**row)


def _as_float(value: Any) -> float:
    """A number read from a file as a float, where that is written in the same digits.

    Raises:
        TypeError: if it is not.
    """
    if isinstance(value, Number) and repr(float(value)) == value.text:
        return float(value)
    raise TypeError(value)
