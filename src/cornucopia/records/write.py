"""Records -> JSON Lines in a format other tools read. What was read from that format comes out the same.

A material (Alpaca's `input`) has a place of its own in Alpaca only; elsewhere it follows the instruction on a new line,
and `passages` beside the turns tells it from the question. What a format cannot hold is refused, never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.core.jsonl import write_text
from cornucopia.records.beside import passage_dicts
from cornucopia.records.json_values import written
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Record
from cornucopia.records.turns import PICTURE, marks, turn_dict

_SHAREGPT_ROLES = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


def write_records(path: str | Path, records: Iterable[Record], to: str) -> list[Reject]:
    """Write records as `alpaca`, `sharegpt`, `openai` or `text`; returns those that format cannot hold.

    Raises:
        DataError: if there is no such format, or the file cannot be written.
    """
    if to not in WRITERS:
        fix = f"最接近的是 {nearest(to, WRITERS)}" if nearest(to, WRITERS) else "可用：" + "、".join(WRITERS)
        raise DataError("没有这种输出格式", found=to, fix=fix)
    lines, rejects = [], []
    for record in records:
        try:
            lines.append(written(row_of(record, to)) + "\n")
        except DataError as error:
            rejects.append(Reject(0, refusal(error), str(record.to_dict()), record.origin))
    try:
        write_text(path, "".join(lines))
    except OSError as error:
        raise DataError("写不了文件", where=str(path), found=reason(error), fix="换一个 --out") from None
    return rejects


def row_of(record: Record, to: str) -> dict[str, Any]:
    """The row of a record in a format of WRITERS.

    Raises:
        DataError: if the format cannot hold it.
    """
    return {**WRITERS[to](record), **_rest(record)}


def refusal(error: DataError) -> str:
    """Why a format cannot hold a record."""
    return "：".join(part for part in (error.what, error.found) if part)


def _rest(record: Record) -> dict[str, Any]:
    """Provenance and extra keys. An id made from the position is left out: the next reading makes its own."""
    made = bool(record.origin) and record.id.split("#")[0] == record.origin
    fields = {"id": "" if made else record.id, "domain": record.domain, "kind": record.kind, "source": record.source}
    fields |= {"span": record.span, "licence": record.licence, "as_of": record.as_of}
    rest = {**record.extra, **{key: value for key, value in fields.items() if value}}
    rest |= {} if record.label is None else {"label": record.label}
    return rest if record.complete else {**rest, "complete": False}


def _turns(record: Record) -> list[tuple[Message, str]]:
    """Each turn with its text, material included."""
    if not record.messages:
        raise DataError("这是文档，不是对话")
    turns = record.turns()
    return [(message, "\n".join(part for part in (message.content, given) if part)) for message, given in turns]


def _alpaca(record: Record) -> dict[str, Any]:
    turns = [message for message, _ in _turns(record)]
    _refuse_beyond_text(record, "Alpaca")
    pictures = [image for turn in turns for image in turn.images]
    system = turns.pop(0).content if turns[0].role == "system" else ""
    answer = turns.pop() if turns[-1].role == "assistant" else Message("assistant", "")
    roles = [turn.role for turn in turns]
    if roles != [("user", "assistant")[n % 2] for n in range(len(turns))] or not len(turns) % 2:
        raise DataError("Alpaca 只容得下一问一答交替的对话")
    *earlier, asked = turns
    row: dict[str, Any] = {"instruction": asked.content, "input": record.material}
    if record.rejected:
        others = [_only(turns, "Alpaca").content for turns in record.rejected]
        row |= {"chosen": answer.content, "rejected": others[0] if len(others) == 1 else others}
    else:
        row["output"] = answer.content
    history: Any = [[one.content, two.content] for one, two in zip(earlier[::2], earlier[1::2], strict=True)]
    more: dict[str, Any] = {"reasoning": answer.reasoning, "system": system, "history": history, "images": pictures}
    more["passages"] = passage_dicts(record.passages) if _has_sources(record) else []
    return row | {key: value for key, value in more.items() if value} | _tools_text(record)


def _refuse_beyond_text(record: Record, name: str) -> None:
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


def _tools_text(record: Record) -> dict[str, Any]:
    """As LLaMA-Factory has them: JSON text."""
    return {"tools": written(list(record.tools))} if record.tools else {}


def _sharegpt(record: Record) -> dict[str, Any]:
    rows = [_sharegpt_turn(turn, text) for turn, text in _turns(record)]
    for row, following in zip(rows, record.messages[1:], strict=False):
        if following.role == "tool" and row["from"] == "gpt" and "tool_calls" not in row:
            row["from"] = "function_call"  # what the turn says is a call, in a form of its own
    made = _with_rejected("conversations", rows, record, _sharegpt_turn)
    pictures = [image for turn in record.messages for image in turn.images]
    if pictures:
        _check_pictures(record)
    return made | _tools_text(record) | ({"images": pictures} if pictures else {}) | _passages(record)


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


def _openai(record: Record) -> dict[str, Any]:
    rows = [turn_dict(turn, text) for turn, text in _turns(record)]
    tools = {"tools": list(record.tools)} if record.tools else {}
    return _with_rejected("messages", rows, record, turn_dict) | tools | _passages(record)


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


def _text(record: Record) -> dict[str, Any]:
    if record.text:
        return {"text": record.text}
    _refuse_beyond_text(record, "text")
    held: dict[str, Any] = {"工具": record.tools, "没选中的回答": record.rejected, "label": record.label is not None}
    held |= {"图片": any(turn.images for turn in record.messages), "思考": record.answer and record.answer.reasoning}
    lost = [what for what, value in held.items() if value]
    if lost:
        raise DataError(f"text 容不下{'、'.join(lost)}")
    return {"text": "\n".join(text for _, text in _turns(record))}


WRITERS: dict[str, Callable[[Record], dict[str, Any]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "openai": _openai,
    "text": _text,
}
