"""A row of a labelled set -> the fields that its task's template names, whatever the columns are called.

A row that lacks a field but holds a text like 问题：… 答案：… is read from that text. What cannot be read is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.factory.intake.raw_rows import text_of
from cornucopia.records.choices import has_options, letters_of, pop_options
from cornucopia.sources.task_templates import TaskTemplate

Value = str | list[str] | dict[str, list[str]]
Fields = dict[str, Value]

_NAMES = ("name", "text", "entity", "word", "value", "mention", "名字", "实体", "值", "文本")
_TYPES = ("type", "label", "slot", "category", "tag", "类型", "类别", "槽位", "标签")
_PART = re.compile(r"[;；\n]+")
_PAIR = re.compile(r"\s*([^:：=]{1,20})\s*[:：=]\s*(.+)", re.S)
_LISTED = re.compile(r"[,，、]\s*")
_LETTERS = re.compile(r"(?:答案|[是为：:选])*([A-Z](?:[、,，和及/]*[A-Z])*)[。.]?")
_NOISE = re.compile(r"选项|\s")


class Reader:
    """Reads rows for one template.

    Args:
        template: of the task.
        columns: field -> columns that the user names for it; they come before the template's.
        labels: label in the file -> how it is said; they come before the template's.
    """

    def __init__(
        self,
        template: TaskTemplate,
        columns: Mapping[str, Sequence[str]] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        columns = columns or {}
        self._template, self._labels = template, {**template.labels, **(labels or {})}
        self._columns = {
            field: [name.lower() for name in (*columns.get(field, ()), *names)]
            for field, names in template.fields.items()
        }
        names = sorted({name for group in self._columns.values() for name in group if not name.isdecimal()}, key=len)
        self._block = re.compile(
            rf"(?:^|(?<=[\s。；;！？]))[【\[*#\s]*({'|'.join(map(re.escape, reversed(names)))})[】\]*]*\s*[：:]\s*",
            re.I,
        )

    @property
    def names(self) -> list[str]:
        """Every name that a column may have."""
        return [name for group in self._columns.values() for name in group]

    def read(self, row: Mapping[str, Any]) -> Fields:
        """The fields.

        Raises:
            DataError: one that must be there is not, or the options or the answer cannot be read.
        """
        row = {str(key).strip().lower() if not _is_option(key) else str(key): value for key, value in row.items()}
        found = self._found(row)
        if any(name not in found for name in self._needed()):
            found |= self._found(self._blocks(row))
        self._split(found)
        missing = [name for name in self._needed() if name not in found]
        if missing:
            wanted = "；".join(f"{name} 可以叫 {'、'.join(self._columns[name][:6])}" for name in missing)
            raise DataError(f"没有 {'、'.join(missing)}", found=f"有的列：{'、'.join(row)[:80]}", fix=wanted)
        if self._template.options:
            self._choose(row, found)
        return {name: self._value(name, value) for name, value in found.items()}

    def _needed(self) -> list[str]:
        return [name for name in self._template.fields if name not in self._template.optional]

    def _found(self, row: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for field, names in self._columns.items():
            key = next((name for name in names if text_of(row.get(name))), None)
            if key is not None:
                found[field] = row[key]
        return found

    def _blocks(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Named parts of the row's texts: 问题：… 答案：…"""
        parts: dict[str, str] = {}
        for value in row.values():
            if not isinstance(value, str):
                continue
            pieces = self._block.split(value)
            for name, text in zip(pieces[1::2], pieces[2::2], strict=False):
                if text.strip():
                    parts.setdefault(name.lower(), text.strip())
        return parts

    def _split(self, found: dict[str, Any]) -> None:
        """问题？正文 in one cell are two fields."""
        split = self._template.split
        if split is None or split.rest in found or split.field not in found:
            return
        head, sign, rest = text_of(found[split.field]).partition(split.at)
        if rest.strip():
            found[split.field], found[split.rest] = head + sign, rest.strip()

    def _choose(self, row: dict[str, Any], found: dict[str, Any]) -> None:
        row = {key: _short_keys(value) for key, value in row.items()}
        if not has_options(row):
            raise DataError("没有选项", found=f"有的列：{'、'.join(row)[:80]}", fix="列名写成 A、B、C 或 选项A、选项B")
        options = pop_options(dict(row))
        plain = _LETTERS.fullmatch(_NOISE.sub("", found["answer"])) if isinstance(found["answer"], str) else None
        letters = letters_of(plain[1] if plain else found["answer"], options, "答案", set())
        texts = {one.letter: one.text for one in options}
        if not letters or not set(letters) <= set(texts):
            raise DataError("答案不是选项里的", found=str(found["answer"])[:40], fix="把答案写成选项的字母")
        found["answer"] = "、".join(letters)
        found["options"] = "\n".join(f"{letter}. {text}" for letter, text in texts.items())
        found["chosen"] = "\n".join(f"{letter}. {texts[letter]}" for letter in letters)

    def _value(self, name: str, value: Any) -> Value:
        template = self._template
        if name == template.pairs:
            return _pairs(value)
        if name == template.label and name not in template.lists:
            return self._label(text_of(value))
        if name in template.lists:
            parts = value if isinstance(value, list) else re.split(template.lists[name], text_of(value))
            texts = [self._label(text_of(part)) for part in parts if text_of(part)]
            return list(dict.fromkeys(texts))
        text = text_of(value)
        return template.words.get(text, text)

    def _label(self, text: str) -> str:
        said = self._labels.get(text) or self._labels.get(text.lower())
        return said or self._template.words.get(text, text)


def _short_keys(value: Any) -> Any:
    """选项A -> A in an object of options."""
    if not isinstance(value, dict) or not all(str(key).startswith("选项") for key in value):
        return value
    return {str(key).removeprefix("选项").strip(): text for key, text in value.items()}


def _is_option(key: Any) -> bool:
    return len(str(key).strip()) == 1 and str(key).strip().isalpha()


def _pairs(value: Any) -> dict[str, list[str]]:
    """Entities or slots by type.

    Raises:
        DataError: of no shape that is known.
    """
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except ValueError:
            raise DataError("实体或槽位不是合格的 JSON", found=value[:40]) from None
    if isinstance(value, dict):
        items = [(str(kind), name) for kind, names in value.items() for name in _as_list(names)]
    elif isinstance(value, list):
        items = [_pair(item) for item in value]
    else:
        items = [_written(part) for part in _PART.split(text_of(value)) if part.strip()]
        items = [(kind, name) for kind, names in items for name in _LISTED.split(names)]
    found: dict[str, list[str]] = {}
    for kind, name in items:
        text = text_of(name if not isinstance(name, dict) else _pair(name)[1])
        if text and text not in found.setdefault(kind, []):
            found[kind].append(text)
    return {kind: names for kind, names in found.items() if names}


def _pair(item: Any) -> tuple[str, str]:
    """(type, name) of {"type", "name"}, [name, type] or a bare name."""
    if isinstance(item, dict):
        name = next((item[key] for key in _NAMES if key in item), None)
        kind = next((item[key] for key in _TYPES if key in item), "实体")
        if name is None:
            raise DataError("实体里没有名字", found=str(item)[:40], fix=f"名字的键可以是 {'、'.join(_NAMES)}")
        return str(kind), text_of(name)
    if isinstance(item, (list, tuple)) and len(item) == 2:
        return text_of(item[1]), text_of(item[0])
    return "实体", text_of(item)


def _written(part: str) -> tuple[str, str]:
    match = _PAIR.fullmatch(part)
    return (match[1], match[2]) if match else ("实体", part)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def written(value: Value) -> str:
    """A field as it stands in a sentence: several with 、, types one a line."""
    if isinstance(value, dict):
        return "\n".join(f"{kind}：{'、'.join(names)}" for kind, names in value.items()) or "没有"
    return "、".join(value) if isinstance(value, list) else value
