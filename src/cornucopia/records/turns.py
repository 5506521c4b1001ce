"""Values of a row -> text, lists and turns, or a Chinese reason why not; and turns back to values.

Knows nothing of formats or files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from cornucopia.core.errors import DataError, nearest
from cornucopia.records.content import PICTURE, Content, content_of
from cornucopia.records.json_values import written
from cornucopia.records.schema import Message, Role, ToolCall

ROLES: dict[str, Role] = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "bot": "assistant",
    "model": "assistant", "system": "system", "developer": "system", "function_call": "assistant",
    "observation": "tool", "tool": "tool", "function": "tool", "function_response": "tool",
}  # fmt: skip
_ROUNDS = (("human", "assistant"), ("user", "assistant"), ("human", "gpt"), ("input", "output"))  # ms-swift, XTuner ...
REASONING = ("reasoning_content", "reasoning", "thinking", "thought", "思考")  # names of it, in a turn or a row
# Names of "this is (not) learnt", as OpenAI, ms-swift, axolotl and others write it; those of the second say when not.
_LEARNT = (
    "weight", "loss", "train", "trainable", "training", "learn", "loss_weight", "is_train", "is_trained",
    "compute_loss",
)  # fmt: skip
_HIDDEN = ("mask", "masked", "is_masked", "ignore", "ignore_loss", "no_loss", "skip_loss")
_UNSURE = re.compile(r"loss|train|mask|learn|weight", re.I)  # in the name of a mark of a meaning that is not known
_YES, _NO = (1, "true", "yes", "是"), (0, "false", "no", "否")
_SWITCH = re.compile(
    r"on|off|true|false|yes|no|none|null|nan|n/?a|auto|low|medium|high|enabled?|disabled?|[\d.]*|[开关是否有无]", re.I
)
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*", re.S)


def kind_name(value: Any) -> str:
    """What a JSON value is, in Chinese."""
    names = {dict: "对象", list: "数组", bool: "真假值", str: "文字"}
    if value is None:
        return "空"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "数字"
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)


def text_of(value: Any, key: str) -> str:
    """A string or number as text, None as ''.

    Raises:
        DataError: naming `key`.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{key} 应是文字", found=f"{kind_name(value)} {str(value)[:40]}")


def list_of(value: Any, key: str) -> list[Any]:
    """A list; also as JSON text, as CSV cells hold it.

    Raises:
        DataError: naming `key`.
    """
    if isinstance(value, str) and value.strip():
        value = _parsed(value, key)
    if not value:
        return []
    if not isinstance(value, list):
        raise DataError(f"{key} 应是列表", found=f"{kind_name(value)} {str(value)[:40]}")
    return value


def _parsed(text: str, key: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{key} 应是列表", found=text[:40]) from None


def is_switch(value: Any) -> bool:
    """Whether what stands under a name for thinking only says that there is some: on, off, high, true, 0 ..."""
    if isinstance(value, list):
        return not value
    return not isinstance(value, str) or bool(_SWITCH.fullmatch(value.strip()))


def without_thought(answer: str, reasoning: str) -> str:
    """The answer without the <think> block that holds the same thinking.

    Raises:
        DataError: if the block holds something else.
    """
    block = _THOUGHT.match(answer)
    if block is None or not reasoning:
        return answer
    if block.group(1).strip() != reasoning:
        raise DataError("思考给了两处，而且不一样", found=f"{reasoning[:20]} / {block.group(1).strip()[:20]}")
    return answer[block.end() :]


def turn_of(item: Any, number: int) -> Message:
    """One {role, content} or {from, value}, with all that it holds.

    Raises:
        DataError: naming the turn by its number (from 1).
    """
    if not isinstance(item, dict):
        raise DataError(f"第 {number} 轮应是对象", found=f"{kind_name(item)} {str(item)[:40]}")
    left = {key: value for key, value in item.items() if value is not None}
    role, said = _speaker(left, number)
    parts = _content(left, number)
    content, images = parts.text, parts.images
    calls = (*_calls(left, number), *(call for value in parts.calls for call in _called(value, number)))
    if said == "function_call" and not calls:
        calls, content = _written_calls(content)
    reasoning = "\n".join(parts.thoughts).strip()
    if reasoning and role != "assistant":
        raise DataError(f"第 {number} 轮不是助手说的，却有思考", found=reasoning[:40])
    name = next((key for key in REASONING if left.get(key) and not is_switch(left[key])), None)
    if role == "assistant" and name and not reasoning:
        reasoning = text_of(left.pop(name), name).strip()
        content = without_thought(content, reasoning)
    fields = {key: text_of(left.pop(key), f"第 {number} 轮的 {key}") for key in ("tool_call_id", "name") if key in left}
    return Message(role, content, reasoning, calls, images=images, learnt=_learnt(left, number), **fields, extra=left)


def turns_of(items: list[Any]) -> list[Message]:
    """The turns of a list; an item may be a round of question and answer, as {human, assistant} or {input, output}.

    Raises:
        DataError: as `turn_of`; turns are counted from 1.
    """
    flat = [turn for item in items for turn in (_round(item) or [item])]
    return [turn_of(item, number) for number, item in enumerate(flat, 1)]


def _round(item: Any) -> list[Any]:
    """The turns of a round; [] where it is none."""
    keys = set(item) if isinstance(item, dict) else set()
    sides = next((pair for pair in _ROUNDS if {*pair} <= keys <= {*pair, "system"}), ())
    said = [("system", item["system"])] if sides and item.get("system") else []
    said += [(role, item[key]) for role, key in zip(("user", "assistant"), sides, strict=False)]
    return [{"role": role, "content": text} for role, text in said]


def _one_of(left: dict[str, Any], names: tuple[str, str], number: int) -> Any:
    """What stands under either name, popped.

    Raises:
        DataError: if two things do.
    """
    one, two = (left.pop(name, None) for name in names)
    if one is not None and two is not None and one != two:
        raise DataError(f"第 {number} 轮既有 {names[0]} 又有 {names[1]}，不一样", found=f"{one} / {two}"[:60])
    return two if one is None else one


def _speaker(left: dict[str, Any], number: int) -> tuple[Role, str]:
    said = _one_of(left, ("role", "from"), number)
    said = said.strip().lower() if isinstance(said, str) else str(said)
    if said not in ROLES:
        close = nearest(said, ROLES)
        fix = f"最接近的是 {close}" if close else ""
        raise DataError(f"第 {number} 轮的说话人不认识", found=said[:40], fix=fix)
    return ROLES[said], said


def _content(left: dict[str, Any], number: int) -> Content:
    content = _one_of(left, ("content", "value"), number)
    if isinstance(content, list):
        return content_of(content, number)
    return Content(text_of(content, f"第 {number} 轮的内容"))


def _calls(left: dict[str, Any], number: int) -> tuple[ToolCall, ...]:
    """Tool calls of a turn, those of the older `function_call` key too."""
    old = left.pop("function_call", None)
    calls = list_of(left.pop("tool_calls", None), f"第 {number} 轮的 tool_calls")
    return tuple(call_of(call, number) for call in (*calls, *([old] if old else ())))


def call_of(call: Any, number: int) -> ToolCall:
    """{"id", "type": "function", "function": {"name", "arguments"}}, or the inner part alone.

    Raises:
        DataError: naming the turn.
    """
    outer = dict(call) if isinstance(call, dict) else {}
    inner = outer.pop("function", outer)
    known = (
        isinstance(inner, dict) and isinstance(inner.get("name"), str) and outer.get("type", "function") == "function"
    )
    more = {*outer, *inner} - {"id", "type", "name", "arguments", "index"} if known else set()
    if not known or more:
        raise DataError(f"第 {number} 轮的工具调用读不懂", found="、".join(sorted(more)) or str(call)[:60])
    arguments = inner.get("arguments", "")
    text = arguments if isinstance(arguments, str) else written(arguments)
    return ToolCall(inner["name"], text, text_of(outer.get("id"), "id"))


def _called(value: Any, number: int) -> list[ToolCall]:
    """The call, or calls, of a part of the content: an object, or its JSON text."""
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise DataError(f"第 {number} 轮的工具调用读不懂", found=str(value)[:60]) from None
    return [call_of(call, number) for call in (value if isinstance(value, list) else [value])]


def _written_calls(content: str) -> tuple[tuple[ToolCall, ...], str]:
    """(calls, text) of ShareGPT's `function_call` turn: JSON text of a call or of several; else it stays text."""
    try:
        value = json.loads(content)
        calls = [call_of(call, 0) for call in (value if isinstance(value, list) else [value])]
    except (ValueError, RecursionError, DataError):
        return (), content
    return tuple(calls), ""


def _learnt(left: dict[str, Any], number: int) -> bool | None:
    """What the turn's marks say, popped.

    Raises:
        DataError: if it is neither yes nor no, or two marks disagree.
    """
    found = said_of_learning(left)
    for key, value in left.items():
        if key not in found and _is_mark(key) and isinstance(value, (int, float)):
            raise DataError(f"第 {number} 轮的 {key} 应是 0 或 1", found=str(value))
        if key not in found and _UNSURE.search(key) and _truth(value) is not None:
            raise DataError(f"第 {number} 轮的 {key} 像是学不学的标记，读不懂", fix="请改写成 weight：0 不学，1 学")
    if len(set(found.values())) > 1:
        raise DataError(f"第 {number} 轮的 {'、'.join(found)} 互相矛盾")
    for key in found:
        del left[key]
    return next(iter(found.values()), None)


def said_of_learning(values: Mapping[str, Any]) -> dict[str, bool]:
    """What each mark among the keys of a turn or a row says: whether it is to be learnt."""
    said = {key: _truth(value) for key, value in values.items() if _is_mark(key)}
    return {key: one is not (key.strip().lower() in _HIDDEN) for key, one in said.items() if one is not None}


def _is_mark(key: str) -> bool:
    return key.strip().lower() in (*_LEARNT, *_HIDDEN)


def _truth(value: Any) -> bool | None:
    """Yes or no, however it is written; None for anything else."""
    try:
        plain = float(value) if isinstance(value, (str, int, float)) else value
    except ValueError:
        plain = value.strip().lower()
    return True if plain in _YES else False if plain in _NO else None


def turn_dict(message: Message, content: str) -> dict[str, Any]:
    """A turn as OpenAI writes it.

    Args:
        message: the turn.
        content: its text, which may hold more than the message (its material).
    """
    turn: dict[str, Any] = {"role": message.role, "content": _parts(content, message.images)}
    if message.tool_calls:
        turn |= {"content": content or None, "tool_calls": [_call_dict(call) for call in message.tool_calls]}
    return turn | marks(message) | message.extra


def marks(message: Message) -> dict[str, Any]:
    """Keys of a turn beside its speaker, text, calls and pictures."""
    fields = {"tool_call_id": message.tool_call_id, "name": message.name, "reasoning_content": message.reasoning}
    weight = {} if message.learnt is None else {"weight": int(message.learnt)}
    return {key: value for key, value in fields.items() if value} | weight


def _parts(content: str, images: tuple[str, ...]) -> str | list[Mapping[str, Any]]:
    """Text, or with pictures the list of parts; each `<image>` is one of them."""
    if not images:
        return content
    texts = content.split(PICTURE)
    if len(texts) != len(images) + 1:
        raise DataError("图片数与 <image> 数不一致", found=f"{len(images)} 张图，{len(texts) - 1} 处 <image>")
    parts: list[Mapping[str, Any]] = []
    for text, address in zip(texts, (*images, ""), strict=True):
        parts += [{"type": "text", "text": text}] if text else []
        parts += [{"type": "image_url", "image_url": {"url": address}}] if address else []
    return parts


def _call_dict(call: ToolCall) -> dict[str, Any]:
    named = {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    return {"id": call.id, **named} if call.id else named
