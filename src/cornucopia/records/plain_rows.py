"""A short way through `formats.to_record` for the rows that nearly all large files consist of.

A question with its answer, or turns of role and content, texts throughout, and beside these provenance and keys that
mean nothing to any format: for these the record is made directly, several times as fast. Whatever is not plainly one of
them is left to `any_record`; a test holds the two to the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from cornucopia.records.schema import Message, Passage, Record

OwnKey = Callable[[str], bool]
META = ("id", "domain", "kind", "source", "span", "licence", "as_of")  # provenance, in a row as in a record
MARKS = frozenset(("scores", "evidence", "split", "source_id"))  # extra keys of the factory: nobody reads them as else
_QUESTIONS = {"instruction": "alpaca", "prompt": "prompt_response", "question": "question_answer"}
_ANSWERS = ("output", "response", "answer")
_TURN = {"role", "content"}
_ROLES = ("system", "user", "assistant")


@lru_cache(1024)
def _shape(keys: tuple[str, ...], is_own: OwnKey) -> tuple[str, str, tuple[str, ...], tuple[str, ...]] | None:
    """(question's key, answer's key, provenance, marks) of a row with these keys; None where it is not plain.

    Of a row of turns the question's key is `messages` and the answer's ''.
    """
    left = set(keys)
    asked = [key for key in _QUESTIONS if key in left]
    answered = [key for key in _ANSWERS if key in left]
    provenance, marks = (
        tuple(key for key in META if key in left),
        tuple(key for key in keys if key in MARKS or is_own(key)),
    )
    left -= {*provenance, *marks}
    if left == {"messages"}:
        return "messages", "", provenance, marks
    if len(asked) == len(answered) == 1 and left - {"input"} == {asked[0], answered[0]}:
        return asked[0], answered[0], provenance, marks
    return None


def plain_value(line: bytes) -> dict[str, Any] | None:
    """The object on a line of texts alone, by the fast decoder; None where the careful one must be asked.

    Args:
        line: in UTF-8, which was checked.

    The fast decoder lets a key given twice pass, and other numbers than texts lose digits.
    """
    slashed = b"\\" in line  # most lines hold none, and one look is cheaper than three
    if (slashed and (b"\\u0000" in line or b'\\\\"' in line)) or b" :" in line or b"\t" in line:
        return None
    try:
        row = orjson.loads(line)
    except ValueError:
        return None
    if type(row) is not dict:
        return None
    keys = len(row)
    for value in row.values():
        if type(value) is list:
            for item in value:
                if type(item) is not dict or not all(type(text) is str for text in item.values()):
                    return None
                keys += len(item)
        elif type(value) is not str:
            return None
    escaped = line.count(b'\\":') if slashed else 0
    return row if line.count(b'":') - escaped == keys else None


def is_plain(keys: tuple[str, ...], is_own: OwnKey) -> bool:
    """Whether a row with these keys is of a known format for certain, and mostly a plain one."""
    return _shape(keys, is_own) is not None


def plain_record(row: Mapping[str, Any], is_own: OwnKey) -> tuple[Record, str] | None:
    """The record of a row and its format's name; None where it takes more to tell.

    Args:
        row: keys and values.
        is_own: whether a key means nothing to any format (`formats.is_own_key`).
    """
    shape = _shape(tuple(row), is_own)
    if shape is None:
        return None
    asked, answered, provenance, marks = shape
    fields: dict[str, Any] = {}
    if answered:
        messages = _pair(row[asked], row[answered])
        given = row.get("input", "")
        if given != "":
            if type(given) is not str or len(given) < 8 or not given.strip():
                return None  # short ones may be somebody's word for nothing
            fields["passages"] = (Passage(given),)
    else:
        messages = _turns(row[asked])
    if messages is None:
        return None
    fields["messages"] = messages
    for key in provenance:
        value = row[key]
        if type(value) is not str or not value:
            return None
        fields[key] = value.strip()
    fields["extra"] = {key: row[key] for key in marks if row[key] is not None and row[key] != ""}
    return Record.build(fields), _QUESTIONS.get(asked, "openai")


def _pair(question: Any, answer: Any) -> tuple[Message, ...] | None:
    if type(question) is not str or type(answer) is not str or not question.strip():
        return None
    said = answer.lstrip()
    return None if not said or said[0] == "[" else (Message.plain("user", question), Message.plain("assistant", answer))


def _turns(items: Any) -> tuple[Message, ...] | None:
    if type(items) is not list:
        return None
    turns, asks = [], False
    for item in items:
        if type(item) is not dict or item.keys() != _TURN:
            return None
        role, content = item["role"], item["content"]
        if role not in _ROLES or type(content) is not str or not content.strip():
            return None
        asks = asks or role == "user"
        turns.append(Message.plain(role, content))
    return tuple(turns) if asks and items[-1]["role"] == "assistant" else None
