"""Values of a row -> text, lists and turns, or a Chinese reason why not. Knows nothing of formats or files."""

from __future__ import annotations

import json
from typing import Any

from cornucopia.core.errors import DataError, nearest
from cornucopia.records.schema import Message, Role

ROLES: dict[str, Role] = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "bot": "assistant",
    "model": "assistant", "system": "system", "developer": "system", "function_call": "assistant",
    "observation": "tool", "tool": "tool", "function": "tool", "function_response": "tool",
}  # fmt: skip
REASONING = ("reasoning_content", "reasoning", "思考")  # names of the thinking, in a turn or a row


def kind_name(value: Any) -> str:
    """What a JSON value is, in Chinese."""
    names = {dict: "对象", list: "数组", bool: "真假值", int: "数字", float: "数字", str: "文字"}
    return "空" if value is None else names.get(type(value), type(value).__name__)


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
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise DataError(f"{key} 应是列表", found=value[:40]) from None
    if not value:
        return []
    if not isinstance(value, list):
        raise DataError(f"{key} 应是列表", found=f"{kind_name(value)} {str(value)[:40]}")
    return value


def turn_of(item: Any, number: int) -> Message:
    """One {role, content} or {from, value}; tool calls without content become their JSON text.

    Raises:
        DataError: naming the turn by its number (from 1).
    """
    if not isinstance(item, dict):
        raise DataError(f"第 {number} 轮应是对象", found=f"{kind_name(item)} {str(item)[:40]}")
    name = item.get("role", item.get("from"))
    role = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        close = nearest(str(name), ROLES)
        fix = f"最接近的是 {close}" if close else ""
        raise DataError(f"第 {number} 轮的说话人不认识", found=str(name)[:40], fix=fix)
    content = item.get("content", item.get("value"))
    if isinstance(content, list):
        content = "\n".join(_part(part, number) for part in content)
    if not content and item.get("tool_calls"):
        content = json.dumps(item["tool_calls"], ensure_ascii=False)
    thought = next((item[name] for name in REASONING if item.get(name)), None) if role == "assistant" else None
    return Message(
        role, text_of(content, f"第 {number} 轮的内容"), reasoning=text_of(thought, f"第 {number} 轮的思考").strip()
    )


def _part(part: Any, number: int) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type") if isinstance(part, dict) else kind_name(part)
    raise DataError(f"第 {number} 轮含文字以外的内容", found=str(kind)[:40], fix="本工具只处理文字")
