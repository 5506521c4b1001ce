"""A turn's content that is a list of parts -> text, pictures, thinking and calls. Knows nothing of speakers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from cornucopia.core.errors import DataError

PICTURE = "<image>"  # stands in a turn's text where a picture stands
_TEXTS, _PICTURES = ("text", "input_text", "output_text"), ("image_url", "image")
_THOUGHTS = ("reasoning", "thinking")
_NOT_HERE = "本工具不处理这一种"


@dataclass
class Content:
    """What the parts hold.

    Args:
        text: joined by line ends, `<image>` where a picture stands.
        images: addresses of the pictures.
        thoughts: what the assistant thinks, part by part.
        calls: of tools, each as the JSON text or the object that the file has.
    """

    text: str = ""
    images: tuple[str, ...] = ()
    thoughts: list[str] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)


def content_of(parts: list[Any], number: int) -> Content:
    """Parts as OpenAI ({"type": "text", "text"}) and LLaMA-Factory ({"type": "text", "value"}) write them.

    Args:
        parts: the list.
        number: of the turn, for the error.

    Raises:
        DataError: a part that is neither text, picture, thinking nor call of a tool.
    """
    found, shown = Content(), list[tuple[str, str]]()
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        value = part.get("value", part.get(kind)) if kind in (*_THOUGHTS, "tool_call") else None
        if kind in _THOUGHTS and isinstance(value, str):
            found.thoughts.append(value)
        elif kind == "tool_call" and value:
            found.calls.append(value)
        else:
            shown.append(_shown(part, number))
    gaps = ["" if PICTURE in (one[0], two[0]) else "\n" for one, two in pairwise(shown)]
    found.text = "".join(text + gap for (text, _), gap in zip(shown, [*gaps, ""], strict=False))
    found.images = tuple(address for _, address in shown if address)
    return found


def _shown(part: Any, number: int) -> tuple[str, str]:
    """(text, address of the picture)"""
    if isinstance(part, str):
        return part, ""
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    if isinstance(part, dict):
        text = part.get("text", part.get("value") if kind in _TEXTS else None)
        if isinstance(text, str):
            return text, ""
        address = next((part[key] for key in (*_PICTURES, "url", "path", "value") if key in part), None)
        address = address.get("url") if isinstance(address, dict) and set(address) == {"url"} else address
        if kind in _PICTURES and (address is None or isinstance(address, str)):
            return PICTURE, address or ""
        if kind in _TEXTS:
            raise DataError(f"第 {number} 轮有一段没有文字", found=f"键是 {'、'.join(part)}"[:60])
    raise DataError(f"第 {number} 轮含文字和图片以外的内容", found=str(kind)[:40], fix=_NOT_HERE)
