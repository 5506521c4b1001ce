"""A Record as a row that holds a list of turns: OpenAI messages, ShareGPT, TRL's pairs and marked answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.beside import passage_dicts
from cornucopia.records.content import PICTURE
from cornucopia.records.json_values import written
from cornucopia.records.schema import Message, Record
from cornucopia.records.turns import marks, turn_dict
from cornucopia.records.write_asked import tools_text, turns_with_material

_SHAREGPT_ROLES = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


def sharegpt(record: Record) -> dict[str, Any]:
    """{"conversations": [{"from", "value"}]}

    Raises:
        DataError: if reading it again would give something else.
    """
    rows = [_sharegpt_turn(turn, text) for turn, text in turns_with_material(record)]
    for row, following in zip(rows, record.messages[1:], strict=False):
        if following.role == "tool" and row["from"] == "gpt" and "tool_calls" not in row:
            row["from"] = "function_call"  # what the turn says is a call, in a form of its own
    made = _with_rejected("conversations", rows, record, _sharegpt_turn)
    pictures = [image for turn in record.messages for image in turn.images]
    if pictures:
        _check_pictures(record)
    return made | tools_text(record) | ({"images": pictures} if pictures else {}) | _passages(record)


def _sharegpt_turn(turn: Message, text: str) -> dict[str, Any]:
    if turn.tool_calls and not text:
        calls = [{"name": c.name, "arguments": c.arguments, **({"id": c.id} if c.id else {})} for c in turn.tool_calls]
        value = written(calls[0] if len(calls) == 1 else calls)
        return {"from": "function_call", "value": value, **marks(turn), **turn.extra}
    row = {"from": _SHAREGPT_ROLES[turn.role], "value": text, **marks(turn), **turn.extra}
    return row | ({"tool_calls": turn_dict(turn, text)["tool_calls"]} if turn.tool_calls else {})


def _check_pictures(record: Record) -> None:
    """
    Raises:
        DataError: if reading would give the pictures to other turns.
    """
    first = next(turn for turn in record.messages if turn.role == "user")
    for turn in record.messages:
        if len(turn.images) != turn.content.count(PICTURE) and (turn is not first or PICTURE in turn.content):
            raise DataError("图片数与 <image> 数不一致", found=f"{len(turn.images)} 张图")


def openai(record: Record) -> dict[str, Any]:
    """{"messages": [{"role", "content"}]}"""
    return _with_rejected("messages", _dicts(record), record, turn_dict) | _beside(record)


def kto(record: Record) -> dict[str, Any]:
    """{"prompt": [turn…], "completion": [turn], "label"}, as TRL's KTO has it.

    Raises:
        DataError: if nothing says whether the answer is good, or there is none.
    """
    if record.label is None or not record.answer:
        raise DataError("没有 label 或没有回答（KTO 要标明回答是好是坏）")
    *prompt, answer = _dicts(record)
    return {"prompt": prompt, "completion": [answer]} | _beside(record)  # `label` is written with what all formats have


def preference(record: Record) -> dict[str, Any]:
    """{"prompt": [turn…], "chosen": [turn], "rejected": [turn]}, as TRL's pairs.

    Raises:
        DataError: if it is no pair.
    """
    if len(record.rejected) != 1 or not record.answer:
        raise DataError("preference 要有一个选中的和恰好一个没选中的回答", found=f"没选中的 {len(record.rejected)} 个")
    *prompt, answer = _dicts(record)
    rejected = [turn_dict(turn, turn.content) for turn in record.rejected[0]]
    return {"prompt": prompt, "chosen": [answer], "rejected": rejected} | _beside(record)


def _dicts(record: Record) -> list[dict[str, Any]]:
    return [turn_dict(turn, text) for turn, text in turns_with_material(record)]


def _beside(record: Record) -> dict[str, Any]:
    tools = {"tools": list(record.tools)} if record.tools else {}
    return tools | _passages(record)


def _with_rejected(
    key: str, rows: list[dict[str, Any]], record: Record, write: Callable[[Message, str], dict[str, Any]]
) -> dict[str, Any]:
    """The turns; of a pair, the question's, then the last answer under `chosen` and the others under `rejected`."""
    if not record.rejected:
        return {key: rows}
    others: list[Any] = [[write(turn, turn.content) for turn in turns] for turns in record.rejected]
    others = [turns[0] if len(turns) == 1 else turns for turns in others]
    if any(isinstance(turns, list) for turns in others[1:]):
        others = [turns if isinstance(turns, list) else [turns] for turns in others]
    return {key: rows[:-1], "chosen": rows[-1], "rejected": others if len(others) > 1 else others[0]}


def _passages(record: Record) -> dict[str, Any]:
    return {"passages": passage_dicts(record.passages)} if record.passages else {}
