"""A Record as a row of question, material and answer: Alpaca and the shapes that differ from it by their names alone,
multiple choice, plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.beside import passage_dicts
from cornucopia.records.choices import LETTERS
from cornucopia.records.json_values import written
from cornucopia.records.schema import Message, Record

_OPTION = re.compile(r"([A-Z])\. (.*)")


def turns_with_material(record: Record) -> list[tuple[Message, str]]:
    """Each turn with its text, material included.

    Raises:
        DataError: if there are none.
    """
    if not record.messages:
        raise DataError("这是文档，不是对话")
    turns = record.turns()
    return [(message, "\n".join(part for part in (message.content, given) if part)) for message, given in turns]


def tools_text(record: Record) -> dict[str, Any]:
    """As LLaMA-Factory has them: JSON text."""
    return {"tools": written(list(record.tools))} if record.tools else {}


def asked(name: str, question: str, material: str, answer: str) -> Callable[[Record], dict[str, Any]]:
    """The writer of a format.

    Args:
        name: of the format, for messages.
        question, material, answer: its keys.
    """

    def write(record: Record) -> dict[str, Any]:
        *earlier, last, reply = _alternating(record, name)
        row: dict[str, Any] = {question: last.content, material: record.material}
        if record.rejected:
            others = [_only(turns, name).content for turns in record.rejected]
            row |= {"chosen": reply.content, "rejected": others[0] if len(others) == 1 else others}
        else:
            row[answer] = reply.content
        system = earlier.pop(0).content if earlier and earlier[0].role == "system" else ""
        history = [[one.content, two.content] for one, two in zip(earlier[::2], earlier[1::2], strict=True)]
        images = [image for turn in record.messages for image in turn.images]
        more: dict[str, Any] = {"reasoning": reply.reasoning, "system": system, "history": history, "images": images}
        more["passages"] = passage_dicts(record.passages) if _has_sources(record) else []
        return row | {key: value for key, value in more.items() if value} | tools_text(record)

    return write


def _alternating(record: Record, name: str) -> list[Message]:
    """System if there is one, question and answer in turn; the last answer is empty where there is none.

    Raises:
        DataError: if the turns are others, or hold what only a list of turns can hold.
    """
    turns = [message for message, _ in turns_with_material(record)]
    refuse_beyond_text(record, name)
    turns += [] if turns[-1].role == "assistant" else [Message("assistant", "")]
    roles = [turn.role for turn in turns[turns[0].role == "system" :]]
    if roles != [("user", "assistant")[n % 2] for n in range(len(roles))] or len(roles) % 2:
        raise DataError(f"{name} 只容得下一问一答交替的对话")
    return turns


def refuse_beyond_text(record: Record, name: str) -> None:
    """
    Raises:
        DataError: if a turn holds what only a list of turns can hold.
    """
    for number, turn in enumerate(record.messages, 1):
        held: dict[str, Any] = {"工具调用": turn.tool_calls, "工具的编号": turn.tool_call_id, "名字": turn.name}
        held |= {"学不学的标记": turn.learnt is not None, "、".join(turn.extra): turn.extra}
        held["中间轮的思考"] = turn.reasoning and turn is not record.answer
        lost = [what for what, value in held.items() if value]
        if lost:
            raise DataError(f"{name} 容不下第 {number} 轮的 {'、'.join(lost)}")


def _only(turns: tuple[Message, ...], name: str) -> Message:
    """The one turn of a rejected answer, which holds text alone.

    Raises:
        DataError: if there is more.
    """
    if len(turns) != 1 or turns[0] != Message("assistant", turns[0].content):
        raise DataError(f"{name} 的 rejected 只容得下一段文字")
    return turns[0]


def _has_sources(record: Record) -> bool:
    return len(record.passages) > 1 or any(passage.source for passage in record.passages)


def choice(record: Record) -> dict[str, Any]:
    """A question whose last lines are its options, one a line.

    Raises:
        DataError: if it has none.
    """
    row = asked("choice", "question", "context", "answer")(record)
    lines = row["question"].split("\n")
    options: dict[str, str] = {}
    while lines and (match := _OPTION.fullmatch(lines[-1])):
        options[match[1]] = match[2]
        lines.pop()
    letters = sorted(options)
    if len(letters) < 2 or letters != list(LETTERS[: len(letters)]) or not lines:
        raise DataError("choice 要有选项（题目末尾一行一个，如 A. 存款）")
    return {"question": "\n".join(lines), **{letter: options[letter] for letter in letters}, **_without(row)}


def _without(row: dict[str, Any]) -> dict[str, Any]:
    """The row without its question, and without an empty material."""
    return {key: value for key, value in row.items() if key != "question" and (key, value) != ("context", "")}


def text(record: Record) -> dict[str, Any]:
    """A document; of a conversation what is said, one turn a line.

    Raises:
        DataError: if there is more than text.
    """
    if record.text:
        return {"text": record.text}
    refuse_beyond_text(record, "text")
    held: dict[str, Any] = {"工具": record.tools, "没选中的回答": record.rejected, "label": record.label is not None}
    held |= {"图片": any(turn.images for turn in record.messages), "思考": record.answer and record.answer.reasoning}
    lost = [what for what, value in held.items() if value]
    if lost:
        raise DataError(f"text 容不下{'、'.join(lost)}")
    return {"text": "\n".join(text for _, text in turns_with_material(record))}
