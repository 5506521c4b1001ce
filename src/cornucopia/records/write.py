"""Records -> JSON Lines in a format other tools read. What was read from that format comes out the same.

A material (Alpaca's `input`) has a place of its own in Alpaca only; elsewhere it follows the instruction on a new line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.core.jsonl import write_jsonl
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Record

_SHAREGPT_ROLES = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


def write_records(path: str | Path, records: Iterable[Record], to: str) -> list[Reject]:
    """Write records as `alpaca`, `sharegpt`, `openai` or `text`; returns those that format cannot hold.

    Raises:
        DataError: if there is no such format, or the file cannot be written.
    """
    if to not in WRITERS:
        fix = f"最接近的是 {nearest(to, WRITERS)}" if nearest(to, WRITERS) else "可用：" + "、".join(WRITERS)
        raise DataError("没有这种输出格式", found=to, fix=fix)
    rows, rejects = [], []
    for record in records:
        try:
            rows.append({**WRITERS[to](record), **_rest(record)})
        except DataError as error:
            rejects.append(Reject(0, error.what, str(record.to_dict()), record.origin))
    try:
        write_jsonl(path, rows)
    except OSError as error:
        raise DataError("写不了文件", where=str(path), found=reason(error), fix="换一个 --out") from None
    return rejects


def _rest(record: Record) -> dict[str, Any]:
    """Provenance and extra keys. An id made from the position is left out: the next reading makes its own."""
    made = bool(record.origin) and record.id.split("#")[0] == record.origin
    fields = {"id": "" if made else record.id, "domain": record.domain, "kind": record.kind, "source": record.source}
    fields |= {"licence": record.licence, "as_of": record.as_of}
    rest = {**record.extra, **{key: value for key, value in fields.items() if value}}
    return rest if record.complete else {**rest, "complete": False}


def _joined(message: Message, material: str) -> str:
    return "\n".join(part for part in (message.content, material) if part)


def _turns(record: Record) -> list[tuple[Message, str]]:
    """Each turn with its text."""
    if not record.messages:
        raise DataError("这是文档，不是对话")
    return [(message, _joined(message, material)) for message, material in record.turns()]


def _thought(message: Message) -> dict[str, str]:
    return {"reasoning_content": message.reasoning} if message.reasoning else {}


def _alpaca(record: Record) -> dict[str, Any]:
    turns = [message for message, _ in _turns(record)]
    system = turns.pop(0).content if turns[0].role == "system" else ""
    answer = turns.pop().content if turns[-1].role == "assistant" else ""
    roles = [turn.role for turn in turns]
    if roles != [("user", "assistant")[n % 2] for n in range(len(turns))] or not len(turns) % 2:
        raise DataError("Alpaca 只容得下一问一答交替的对话")
    *earlier, asked = turns
    row: dict[str, Any] = {"instruction": asked.content, "input": record.material, "output": answer}
    pairs = zip(earlier[::2], earlier[1::2], strict=True)
    history = [[question.content, reply.content] for question, reply in pairs]
    more = {"reasoning": record.messages[-1].reasoning, "system": system, "history": history}
    return row | {key: value for key, value in more.items() if value}


def _sharegpt(record: Record) -> dict[str, Any]:
    turns = _turns(record)
    rows = []
    for (turn, text), following in zip(turns, [*record.messages[1:], None], strict=True):
        calls = turn.role == "assistant" and following is not None and following.role == "tool"
        speaker = "function_call" if calls else _SHAREGPT_ROLES[turn.role]
        rows.append({"from": speaker, "value": text, **_thought(turn)})
    return {"conversations": rows}


def _openai(record: Record) -> dict[str, Any]:
    return {"messages": [{"role": turn.role, "content": text, **_thought(turn)} for turn, text in _turns(record)]}


def _text(record: Record) -> dict[str, Any]:
    return {"text": record.text or "\n".join(text for _, text in _turns(record))}


WRITERS: dict[str, Callable[[Record], dict[str, Any]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "openai": _openai,
    "text": _text,
}
