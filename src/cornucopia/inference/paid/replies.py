"""What a model wrote -> JSON of the shape asked for, or why it cannot be used.

Harmless slips are mended (a fence, words around it, full-width punctuation, a comma too many, bare quotation marks
inside a text); a text that was cut is never completed.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cornucopia.inference.engine import Reply

M = TypeVar("M", bound=BaseModel)

_DECLINES = re.compile(
    r"^.{0,20}(很?抱歉|对不起|不好意思|I'?m sorry|I cannot|I can'?t|As an AI)"
    r"|^.{0,12}(作为|我是)一?[个名款]?(AI|人工智能|语言模型|大模型)|^(.{0,8}我|)(无法|不能|不便)(回答|提供|协助|满足|生成|完成|讨论)",
    re.IGNORECASE | re.DOTALL,
)
_OPEN, _CLOSE = "[{", {"[": "]", "{": "}"}
_STRUCTURE = {"，": ",", "：": ":", "［": "[", "］": "]", "｛": "{", "｝": "}", "【": "[", "】": "]", "\u3000": " "}
_DEEPEST = 40  # brackets inside brackets


def unusable(reply: Reply) -> tuple[str, str]:
    """(rule, detail) why an answer cannot be used at all; ('', '') when it can."""
    if reply.failure == "prompt":
        return "blocked", reply.error
    if reply.error:
        return ("budget", "") if reply.error == OVER else ("failed", reply.error)
    if reply.finish_reason == "length":
        return "cut_off", f"写到 {reply.completion_tokens} 个词元还没有完"
    if not reply.answer.strip():
        return "empty", ""
    return ("refused", reply.answer[:80]) if declines(reply.answer) else ("", "")


OVER = "预算用完了"  # the error of an answer that the budget had no room for


def declines(text: str) -> bool:
    """Whether a model declines to answer, in its own words."""
    return len(text) < 400 and bool(_DECLINES.search(text.strip()))


def read_json(text: str) -> Any:
    """The first JSON object or array in a text.

    Raises:
        ValueError: there is none, or it is broken.
    """
    start = min((at for at in map(text.find, "[{［｛") if at >= 0), default=-1)
    if start < 0:
        raise ValueError("没有 JSON")
    body = text[start:]
    if sum(map(body.count, "[{")) > 10_000:
        raise ValueError("括号太多")
    try:
        return json.JSONDecoder(strict=False).raw_decode(body)[0]
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(_mended(body), strict=False)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"JSON 不完整或有错：{str(error)[:80]}") from None


def _mended(text: str) -> str:
    """The first value of the text in standard spelling, as far as it closes."""
    out: list[str] = []
    open_: list[str] = []
    at = 0
    while at < len(text):
        char = _STRUCTURE.get(text[at], text[at])
        if char in "\"“”'":
            string, at = _string(text, at)
            out.append(string)
            continue
        if char in _OPEN:
            open_.append(_CLOSE[char])
        elif char in "]}":
            _drop_comma(out)
            if not open_ or char != open_.pop():
                raise ValueError("括号不成对")
        out.append(char)
        at += 1
        if not open_:
            return "".join(out)
        if len(open_) > _DEEPEST:
            raise ValueError("括号套得太深")
    raise ValueError("没有写完")


def _drop_comma(out: list[str]) -> None:
    while out and not out[-1].strip():
        out.pop()
    if out and out[-1] == ",":
        out.pop()


def _string(text: str, at: int) -> tuple[str, int]:
    """The JSON string that begins at a quotation mark, and where it ends. A mark that no comma, colon or bracket
    follows belongs to the text."""
    ends = '”"' if text[at] in "“”" else text[at]
    inner: list[str] = []
    place = at + 1
    while place < len(text):
        char = text[place]
        if char == "\\" and place + 1 < len(text):
            inner.append(text[place : place + 2])
            place += 2
            continue
        if char in ends and re.match(r"\s*(?:[,:，：\]}］｝】]|$)", text[place + 1 :][:40]):
            raw = "".join(inner)
            return f'"{raw}"', place + 1
        inner.append('\\"' if char == '"' else char)
        place += 1
    raise ValueError("文字没有写完")


def read_items(text: str, shape: type[M], most: int) -> tuple[list[M], int]:
    """The items of a JSON array (one object counts as an array of it, an object around one array as that array).

    Returns:
        Items of the right shape, at most `most`, and how many were of another.

    Raises:
        ValueError: no JSON, or nothing of the right shape in it.
    """
    value = read_json(text)
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list) and item and isinstance(item[0], dict)]
        value = lists[0] if len(lists) == 1 else [value]
    good, bad = [], 0
    for item in value if isinstance(value, list) else []:
        try:
            good.append(shape.model_validate(item))
        except ValidationError:
            bad += 1
    if not good:
        raise ValueError("JSON 不是要求的形式")
    return good[:most], bad


def read_item(text: str, shape: type[M]) -> M:
    """The one object of a reply.

    Raises:
        ValueError: no JSON, or of another shape.
    """
    value = read_json(text)
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    try:
        return shape.model_validate(value)
    except ValidationError:
        raise ValueError("JSON 不是要求的形式") from None
