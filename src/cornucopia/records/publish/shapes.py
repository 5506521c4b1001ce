"""A Record as the row that one of the other trainers loads: LLaMA-Factory, ms-swift, TRL.

What each takes was read from its own loader: LLaMA-Factory's `data/converter.py` (roles take turns; one `function_call`
turn; chosen and rejected are one turn each; a column that is not named does not exist), ms-swift's documented
`messages` / `rejected_response` / `label`, TRL's conversational dataset types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from cornucopia.core.errors import DataError
from cornucopia.records.content import PICTURE
from cornucopia.records.json_values import STRICT, decode_value, written
from cornucopia.records.schema import Message, Record, ToolCall
from cornucopia.records.turns import turn_dict
from cornucopia.records.write_asked import asked, turns_with_material

Target = Literal["llama-factory", "ms-swift", "trl"]
Kind = Literal["sft", "preference", "kto", "pretrain"]
Thoughts = Literal["field", "inline"]
Shape = Literal["sharegpt", "alpaca"]
_LF_ROLES = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}
_SWIFT_ROLES = {"tool": "tool_response"}
_ODD, _EVEN = ("human", "observation"), ("gpt", "function_call")
_TAGS = {
    "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
    "observation_tag": "observation", "function_tag": "function_call", "system_tag": "system",
}  # fmt: skip
_ALPACA = asked("Alpaca", "instruction", "input", "output")
_BESIDE = ("id", "domain", "kind", "source", "span", "licence", "as_of")


@dataclass(frozen=True)
class Shaped:
    """A row, and which kind of training it is for."""

    kind: Kind
    row: dict[str, Any]


def kind_of(record: Record) -> Kind:
    """What a record is learnt for: it is never put among records of another kind."""
    if not record.messages:
        return "pretrain"
    return "preference" if record.rejected else "kto" if record.label is not None else "sft"


def shaped(record: Record, target: Target, thoughts: Thoughts, shape: Shape = "sharegpt") -> Iterator[Shaped]:
    """The rows of a record: one, or of a ranking one for each answer that lost.

    Args:
        record: the record.
        target: whose shape.
        thoughts: where the thinking before the last answer goes: `field`, a column of its own, which the trainer does
            not read; `inline`, into the answer as <think>…</think>, which it learns.
        shape: of LLaMA-Factory's rows.

    Raises:
        DataError: if the trainer would refuse the record, or read it as another.
    """
    kind = kind_of(record)
    thought = record.answer.reasoning if record.answer else ""
    beside: dict[str, Any] = {name: getattr(record, name) for name in _BESIDE}  # the same columns in every row
    if kind == "pretrain":
        yield Shaped(kind, {"text": record.text} | beside)
        return
    if not record.answer:
        raise DataError("没有回答")
    _refuse(record)
    if thought and thoughts == "field":
        record = _thinking_gone(record)
    for single in _pairs(record):
        write = _llama_factory_alpaca if (target, shape) == ("llama-factory", "alpaca") else _WRITERS[target]
        body = write(_inline(single), kind)
        yield Shaped(kind, body | ({"reasoning": thought} if thoughts == "field" else {}) | beside | {"id": single.id})


def _refuse(record: Record) -> None:
    """
    Raises:
        DataError: for what none of the trainers is told by its rows.
    """
    if not record.complete:
        raise DataError("这条没有说完（complete: false），别的训练器会在后面加结束符")
    if any(turn.learnt is False and turn.role == "assistant" for turn in record.messages):
        raise DataError("有的回答标了不学（weight 0），别的训练器会学它")
    for turns in record.rejected:
        if len(turns) != 1 or turns[0].tool_calls or turns[0].role != "assistant":
            raise DataError("没选中的回答不止一轮，或调用了工具")


def _thinking_gone(record: Record) -> Record:
    return replace(record, messages=(*record.messages[:-1], replace(record.messages[-1], reasoning="")))


def _pairs(record: Record) -> Iterator[Record]:
    if not record.rejected:
        yield record
    for number, turns in enumerate(record.rejected, 1):
        name = record.id if number == 1 else f"{record.id}#{number}"
        yield replace(record, rejected=(turns,), id=name)


def _inline(record: Record) -> Record:
    """Thinking that is still there stands before what is said, as reasoning models write it."""
    rejected = tuple(tuple(map(_said, turns)) for turns in record.rejected)
    return replace(record, messages=tuple(map(_said, record.messages)), rejected=rejected)


def _said(turn: Message) -> Message:
    if not turn.reasoning:
        return turn
    return replace(turn, reasoning="", content=f"<think>\n{turn.reasoning}\n</think>\n\n{turn.content}")


def _llama_factory(record: Record, kind: Kind) -> dict[str, Any]:
    """ShareGPT with LLaMA-Factory's tags."""
    turns = [_llama_factory_turn(turn, text) for turn, text in turns_with_material(record)]
    system = turns.pop(0)["value"] if turns[0]["from"] == "system" else ""
    for number, turn in enumerate(turns):
        if turn["from"] not in (_ODD, _EVEN)[number % 2]:
            raise DataError("LLaMA-Factory 要问答交替", found=f"第 {number + 1} 轮是 {turn['from']}")
    row: dict[str, Any] = {"conversations": turns, "system": system}
    if kind == "preference":
        (lost,) = record.rejected[0]
        row["chosen"], row["rejected"] = turns.pop(), {"from": "gpt", "value": lost.content}
    if kind == "kto":
        row["label"] = record.label
    return row | _tools_and_pictures(record)


def _llama_factory_turn(turn: Message, text: str) -> dict[str, str]:
    if not turn.tool_calls:
        return {"from": _LF_ROLES[turn.role], "value": text}
    if text:
        raise DataError("LLaMA-Factory 的工具调用轮里不能再有话", found=text[:20])
    return {"from": "function_call", "value": _calls(turn)}


def _llama_factory_alpaca(record: Record, kind: Kind) -> dict[str, Any]:
    """Alpaca, every column in every row."""
    found = _ALPACA(record)
    row: dict[str, Any] = {name: found.get(name, "") for name in ("instruction", "input", "system")}
    row["history"] = found.get("history", [])
    row |= {name: found[name] for name in ("output", "chosen", "rejected") if name in found}
    return row | ({"label": record.label} if kind == "kto" else {}) | _tools_and_pictures(record)


def _calls(turn: Message) -> str:
    calls = [_call(call) for call in turn.tool_calls]
    return written(calls[0] if len(calls) == 1 else calls)


def _call(call: ToolCall) -> dict[str, Any]:
    """With its arguments as an object: the trainers write them as JSON themselves, and would do so twice."""
    arguments, end = decode_value(STRICT, call.arguments, 0, whole=True)
    known = isinstance(arguments, dict) and end == len(call.arguments)
    return {"name": call.name, "arguments": arguments if known else call.arguments}


def _tools_and_pictures(record: Record) -> dict[str, Any]:
    pictures = [image for turn in record.messages for image in turn.images]
    marks = sum(turn.content.count(PICTURE) for turn in record.messages)
    if len(pictures) != marks:
        raise DataError("图片数与 <image> 数不一致", found=f"{len(pictures)} 张图，{marks} 处 <image>")
    return {"tools": written(list(record.tools)) if record.tools else ""} | ({"images": pictures} if pictures else {})


def _swift(record: Record, kind: Kind) -> dict[str, Any]:
    """{"messages", "rejected_response" | "label"}"""
    messages: list[dict[str, str]] = []
    for turn, text in turns_with_material(record):
        if text or not turn.tool_calls:
            messages.append({"role": _SWIFT_ROLES.get(turn.role, turn.role), "content": text})
        messages += [{"role": "tool_call", "content": written(_call(call))} for call in turn.tool_calls]
    row: dict[str, Any] = {"messages": messages}
    if kind == "preference":
        row["rejected_response"] = record.rejected[0][0].content
    if kind == "kto":
        row["label"] = record.label
    return row | _tools_and_pictures(record)


def _trl(record: Record, kind: Kind) -> dict[str, Any]:
    """TRL's conversational types: {"messages"}, {"prompt", "chosen", "rejected"}, {"prompt", "completion", "label"}."""
    if any(turn.images for turn in record.messages):
        raise DataError("含图片：TRL 的图片要另一种数据")
    *prompt, answer = [turn_dict(turn, text) for turn, text in turns_with_material(record)]
    tools = {"tools": list(record.tools)} if record.tools else {}
    if kind == "preference":
        lost = turn_dict(record.rejected[0][0], record.rejected[0][0].content)
        return {"prompt": prompt, "chosen": [answer], "rejected": [lost]} | tools
    if kind == "kto":
        return {"prompt": prompt, "completion": [answer], "label": record.label} | tools
    return {"messages": [*prompt, answer]} | tools


_WRITERS: dict[Target, Callable[[Record, Kind], dict[str, Any]]] = {
    "llama-factory": _llama_factory,
    "ms-swift": _swift,
    "trl": _trl,
}


def dataset_entry(kind: Kind, file: str, shape: Shape = "sharegpt", *, images: bool) -> dict[str, Any]:
    """The entry of dataset_info.json by which LLaMA-Factory finds and reads a file.

    Args:
        kind: of its rows.
        file: its name in the folder.
        shape: of its rows.
        images: whether rows have pictures.
    """
    if kind == "pretrain":
        return {"file_name": file, "columns": {"prompt": "text"}}
    alpaca = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
    columns = alpaca if shape == "alpaca" else {"messages": "conversations"}
    columns |= {"system": "system", "tools": "tools"} | ({"images": "images"} if images else {})
    if kind == "preference":
        columns.pop("response", None)
        columns |= {"chosen": "chosen", "rejected": "rejected"}
    columns |= {"kto_tag": "label"} if kind == "kto" else {}
    ranking = {"ranking": True} if kind == "preference" else {}
    entry = {"file_name": file, "formatting": shape, **ranking, "columns": columns}
    return entry if shape == "alpaca" else entry | {"tags": _TAGS}
