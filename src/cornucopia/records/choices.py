"""Multiple-choice questions as public sets write them -> options under the question, letters as the answer.

Options stand in columns (A, B ...; 选项A; option1), or under one key as a list, a mapping, {"text", "label"}, or the
JSON text of one of these. An answer is a letter, a label, an option's text, a number, or several of them.
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.turns import kind_name, text_of

LETTERS = string.ascii_uppercase
_ANSWER_KEYS = ("answerkey", "answer_key", "correct_answer", "correct_option", "answer_idx", "answer_index", "gold")
FROM_ZERO = "选项的序号答案按从 0 数起读（0 是 A，MMLU 的写法）；你的数据若从 1 数起，请先改成字母"
_KEYS = ("choices", "options", "option", "选项", "候选项")
_COLUMN = re.compile(r"(?:选项|option[_ ]?|choice[_ ]?)([A-Ja-j1-9])|([A-J])", re.I)
_HEAD = re.compile(r"\s*[(（\[【]?([A-Za-z]|\d)\s*[)）\]】.．、:：]\s*(?=\S)")
_NEXT = re.compile(
    r"\s*\n\s*|[\s;；|]+(?=[(（\[【]?[A-Za-z]\s*[)）\]】.．、:：])"
)  # between options that stand in one text
_SEVERAL = re.compile(r"[A-Z](?:[\s,，、;；/和及与]*[A-Z])*")
_POINTS = re.compile(r"\d{1,2}|[A-Za-z]")  # a label that points at an option, unlike the name of a class
_TEXTS, _LABELS = ("text", "texts", "value", "content"), ("label", "labels", "key", "id", "letter", "option")


@dataclass(frozen=True)
class Option:
    """One option: the letter it is shown under, its text, and the data's own label for it ('' if it has none)."""

    letter: str
    text: str
    label: str = ""


def has_options(row: dict[str, Any]) -> bool:
    """Whether the row's question has options to choose from."""
    return len(_columns(row)) >= 2 or _key(row) is not None


def is_option_key(key: str) -> bool:
    """Whether options or the answer to them may stand under a key."""
    return bool(_column_label(key)) or key.strip().lower() in (*_KEYS, *_ANSWER_KEYS)


def pop_options(row: dict[str, Any]) -> list[Option]:
    """The options, taken out of the row.

    Raises:
        DataError: options of a kind that is not known.
    """
    columns = _columns(row)
    if len(columns) >= 2:
        labels = [_plain(label) for label in columns]
        texts = [text_of(row.pop(column), column) for column in columns.values()]
        return _labelled(labels, texts, next(iter(columns.values())))
    key = _key(row)
    assert key is not None
    return _options(_unpacked(row.pop(key)), key)


def answer_key(row: dict[str, Any], others: Sequence[str]) -> str | None:
    """The key that holds the answer to a row with options.

    Args:
        row: the row.
        others: names that any answer has; they come after those of choices, and before a `label` that points.
    """
    filled = [key for key in row if row[key] not in (None, "", [])]
    own = next((key for key in filled if key.strip().lower() in _ANSWER_KEYS), None)
    label = "label" if _POINTS.fullmatch(str(row.get("label"))) else None
    return own or next((key for key in others if key in filled), None) or label


def letters_of(value: Any, options: Sequence[Option], key: str, told: set[str]) -> str:
    """The letters of the options that an answer names; a text that names none is itself the answer.

    Args:
        value: what stands under `key`.
        options: of the question.
        key: for the message.
        told: gets what the user should know of how it was read.

    Raises:
        DataError: if it is a letter or number of no option, or could mean two of them.
    """
    value = _unpacked(value)
    parts = value if isinstance(value, list) else [value]
    if len(parts) == 1:
        return _letters(parts[0], options, key, told)
    found = [_letters(part, options, key, told) for part in parts]
    known = {option.letter for option in options}
    if not all(letter in known for letter in found):
        raise DataError(f"{key} 不都是选项", found=str(value)[:60])
    return "".join(sorted(set(found)))


def _columns(row: dict[str, Any]) -> dict[str, str]:
    """Label -> column, of the columns that are filled and begin with A (or 1)."""
    found = {label: column for column in row if (label := _column_label(column)) and _filled(row[column])}
    return dict(sorted(found.items())) if "A" in found or "1" in found else {}


@lru_cache(maxsize=4096)
def _column_label(column: str) -> str:
    match = _COLUMN.fullmatch(column)
    return (match.group(1) or match.group(2)).upper() if match else ""


def _filled(value: Any) -> bool:
    return value is not None and value != "" and not isinstance(value, (list, dict))


def _key(row: dict[str, Any]) -> str | None:
    return next((key for key in row if key.strip().lower() in _KEYS and _is_options(_unpacked(row[key]))), None)


def _is_options(value: Any) -> bool:
    if isinstance(value, dict):
        return any(isinstance(value.get(name), list) for name in _TEXTS) or any(len(str(key)) == 1 for key in value)
    return isinstance(value, (list, str)) and bool(value)


def _unpacked(value: Any) -> Any:
    """A list or mapping that is written as JSON text, as CSV cells hold it."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _options(value: Any, key: str) -> list[Option]:
    if isinstance(value, dict):
        texts = _first(value, _TEXTS)
        if isinstance(texts, list):
            return _labelled(_first(value, _LABELS) or [""] * len(texts), texts, key)
        return _labelled(list(value), list(value.values()), key)
    pairs = [_pair(item, key) for item in (_NEXT.split(value.strip()) if isinstance(value, str) else value)]
    heads = [_HEAD.match(text) for label, text in pairs if not label]
    if len(heads) == len(pairs) and all(heads) and _run([head.group(1) for head in heads if head]):
        pairs = [(h.group(1), text[h.end() :]) for h, (_, text) in zip(heads, pairs, strict=True) if h]
    return _labelled([label for label, _ in pairs], [text for _, text in pairs], key)


def _pair(item: Any, key: str) -> tuple[str, str]:
    """(label, text) of an element: text, {"key": "A", "value": "..."} and the like, {"A": "..."}, ["A", "..."]."""
    if isinstance(item, dict) and len(item) == 1:
        label, text = next(iter(item.items()))
        return ("" if label in _TEXTS else str(label)), text_of(text, key)
    if isinstance(item, dict):
        return text_of(_first(item, _LABELS), key), text_of(_first(item, _TEXTS), key)
    if isinstance(item, list) and len(item) == 2:
        return text_of(item[0], key), text_of(item[1], key)
    return "", text_of(item, key)


def _first(row: dict[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _run(labels: Sequence[str]) -> bool:
    """Whether labels are A B C ..., 0 1 2 ... or 1 2 3 ..."""
    size = len(labels)
    runs = [list(LETTERS[:size]), [str(n) for n in range(size)], [str(n) for n in range(1, size + 1)]]
    return [label.upper() for label in labels] in runs


def _labelled(labels: Sequence[Any], texts: Sequence[Any], key: str) -> list[Option]:
    """Options under their own letters, or under A, B ... where the labels are numbers or none."""
    names = [_plain(label) for label in labels]
    kept = [(name, text_of(text, key)) for name, text in zip(names, texts, strict=False) if text not in (None, "")]
    lettered = all(len(name) == 1 and name in LETTERS for name, _ in kept) and len(dict(kept)) == len(kept)
    numbered = not any(name for name, _ in kept) or _run([name for name, _ in kept])
    if len(names) != len(texts) or not 2 <= len(kept) <= len(LETTERS) or not (lettered or numbered):
        raise DataError(f"{key} 里的选项读不懂", found=f"{len(texts)} 个选项，标号 {'、'.join(names)[:40] or '无'}")
    letters = [name for name, _ in kept] if lettered else LETTERS
    return [Option(letter, text, name) for letter, (name, text) in zip(letters, kept, strict=False)]


def _plain(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise DataError("答案或选项读不懂", found=f"{kind_name(value)} {str(value)[:40]}")
    return unicodedata.normalize("NFKC", str(value)).strip().upper()


def _letters(value: Any, options: Sequence[Option], key: str, told: set[str]) -> str:
    """The letters one answer names, or the answer itself."""
    shown = _plain(value)
    bare = shown.strip("()[]【】。. ")
    same = {option.letter for option in options if _plain(option.text) == shown}
    labelled = {option.letter for option in options if bare in (option.letter, option.label or option.letter)}
    if re.fullmatch(r"\d{1,2}", bare):
        return _numbered(int(bare), options, labelled, same, key, told)
    if len(same | labelled) == 1:
        return next(iter(same | labelled))
    if len(same | labelled) > 1:
        raise DataError(f"{key} 是选项的字母还是内容，分不清", found=shown[:40])
    head = _HEAD.match(shown)
    if head and any((o.letter, _plain(o.text)) == (head.group(1), shown[head.end() :]) for o in options):
        return head.group(1)
    if not _SEVERAL.fullmatch(bare):
        return text_of(value, key)
    letters = re.sub("[^A-Z]", "", bare)
    if set(letters) <= {option.letter for option in options} and len(set(letters)) == len(letters):
        return letters
    if len(letters) > 1:
        return text_of(value, key)
    known = "、".join(option.letter for option in options)
    raise DataError(f"{key} 不是其中一个选项", found=f"{shown[:40]}；选项 {known}")


def _numbered(
    number: int, options: Sequence[Option], labelled: set[str], same: set[str], key: str, told: set[str]
) -> str:
    """The option a number names: by its label, by its text, or else counted from 0."""
    counts = number < len(options) and not any(option.label.isdigit() for option in options)
    counted = {options[number].letter} if counts else set()
    meant = labelled or counted | same
    if len(meant) > 1 or (same and labelled and same != labelled):
        raise DataError(f"{key} 是序号还是选项的内容，分不清", found=str(number), fix="把答案写成选项的字母")
    if not meant:
        fix = "像是从 1 数起：请把答案写成选项的字母" if number == len(options) else "把答案写成选项的字母"
        raise DataError(f"{key} 不是其中一个选项", found=f"{number}，{len(options)} 个选项", fix=fix)
    told.update([FROM_ZERO] if not labelled and not same else [])
    return next(iter(meant))
