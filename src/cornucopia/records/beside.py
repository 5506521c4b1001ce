"""What stands beside the turns of a row: tools, pictures, passages; and the same written again. Knows no format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.content import PICTURE
from cornucopia.records.schema import Message, Passage, Record

_PICTURES = ("images", "image")


def pop_tools(row: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The tools a row offers, as a list or as its JSON text; the older `functions` too. None stays in the row.

    Raises:
        DataError: if they are meant to be JSON and are not.
    """
    for key in ("tools", "functions"):
        value = row.get(key)
        if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise DataError(f"{key} 不是合格的 JSON", found=str(row[key])[:60]) from None
        value = [value] if isinstance(value, dict) and value else value
        if isinstance(value, list) and value and all(isinstance(tool, dict) for tool in value):
            del row[key]
            return tuple({"type": "function", "function": tool} if key == "functions" else tool for tool in value)
    return ()


def with_images(messages: Sequence[Message], row: dict[str, Any]) -> list[Message]:
    """The turns with the row's own list of pictures, dealt out to the `<image>` marks, or to the first question.

    Raises:
        DataError: if there are more marks than pictures.
    """
    key = next((key for key in _PICTURES if row.get(key)), None)
    value = row[key] if key else None
    value = _listed(value)
    images = [value] if isinstance(value, str) else value
    if not key or not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        return list(messages)
    left, dealt = list(images), []
    for message in messages:
        count = 0 if message.images else message.content.count(PICTURE)
        taken, left = left[:count], left[count:]
        if len(taken) < count:
            raise DataError("图片数与 <image> 数不一致", found=f"{key} 里有 {len(images)} 张图")
        dealt.append(replace(message, images=tuple(taken)) if taken else message)
    first = next((index for index, message in enumerate(dealt) if message.role == "user"), None)
    if left and first is None:
        return list(messages)
    if left and first is not None:
        dealt[first] = replace(dealt[first], images=(*dealt[first].images, *left))
    del row[key]
    return dealt


def pop_passages(
    row: dict[str, Any], passages: tuple[Passage, ...], messages: list[Message]
) -> tuple[tuple[Passage, ...], list[Message]]:
    """(passages, turns): those under `passages`, which may stand in the last question or in `input` too."""
    value = _listed(row.get("passages"))
    if not isinstance(value, list) or not value or not all(_is_passage(item) for item in value):
        return passages, messages
    found = tuple(Passage(item) if isinstance(item, str) else Passage(**item) for item in value)
    whole = Record(passages=found).material
    given = Record(passages=passages).material
    if given and given != whole:
        return passages, messages
    del row["passages"]
    last = max(index for index, message in enumerate(messages) if message.role == "user")
    asked = messages[last].content.removesuffix(f"\n{whole}")
    return found, [*messages[:last], replace(messages[last], content=asked), *messages[last + 1 :]]


def _listed(value: Any) -> Any:
    """A list also where it stands as JSON text, as the cells of a table hold it."""
    if isinstance(value, str) and value[:1] == "[":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _is_passage(item: Any) -> bool:
    if isinstance(item, str):
        return bool(item)
    known = isinstance(item, dict) and bool(item.get("text")) and set(item) <= {"text", "source"}
    return known and all(isinstance(value, str) for value in item.values())


def passage_dicts(passages: Sequence[Passage]) -> list[dict[str, str]]:
    """Passages as `pop_passages` reads them."""
    return [{"text": p.text, **({"source": p.source} if p.source else {})} for p in passages]
