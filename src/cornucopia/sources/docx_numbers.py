"""The numbers that Word shows before list items and headings, which stand nowhere in the text of a .docx."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from docx.oxml.ns import qn

_DIGITS = "零一二三四五六七八九"
_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


class Numbers:
    """Counts the list items of a document in order.

    Args:
        document: of python-docx.
    """

    def __init__(self, document: Any) -> None:
        self._levels: dict[
            str, dict[int, tuple[str, str, int]]
        ] = {}  # number of a list -> level -> format, text, start
        self._lists: dict[str, str] = {}
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        self._styles: dict[str, tuple[str, int]] = {}
        try:
            numbering = document.part.numbering_part.element
        except (KeyError, NotImplementedError, AttributeError):
            return
        for abstract in numbering.findall(qn("w:abstractNum")):
            levels = {}
            for level in abstract.findall(qn("w:lvl")):
                index = int(level.get(qn("w:ilvl"), 0))
                start = _value(level, "w:start") or "1"
                levels[index] = (_value(level, "w:numFmt") or "decimal", _value(level, "w:lvlText") or "", int(start))
                style = _value(level, "w:pStyle")
                if style:
                    self._styles[style] = (abstract.get(qn("w:abstractNumId")), index)
            self._levels[abstract.get(qn("w:abstractNumId"))] = levels
        for number in numbering.findall(qn("w:num")):
            self._lists[number.get(qn("w:numId"))] = _value(number, "w:abstractNumId") or ""

    def of(self, paragraph: Any, styles: list[Any]) -> str:
        """What stands before the paragraph, counting it: "1. ", "第二章 ", "- " or ''.

        Args:
            paragraph: the w:p element.
            styles: elements of its style and of those this is based on.
        """
        name, level = self._place(paragraph, styles)
        known = self._levels.get(name, {})
        if level not in known:
            return ""
        form, text, start = known[level]
        counts = self._counts[name]
        counts[level] = counts.get(level, start - 1) + 1
        for deeper in [index for index in counts if index > level]:
            del counts[deeper]
        if form == "bullet":
            return "  " * level + "- "
        if form == "none" or not text:
            return ""

        def number(match: re.Match[str]) -> str:
            at = int(match.group(1)) - 1
            one, _, first = known.get(at, (form, "", 1))
            return _written(counts.get(at, first), one)

        return re.sub(r"%(\d)", number, text).strip() + " "

    def _place(self, paragraph: Any, styles: list[Any]) -> tuple[str, int]:
        """(list, level) the paragraph is in."""
        for element in (paragraph, *styles):
            held = element.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
            if held is not None:
                number, level = _value(held, "w:numId"), int(_value(held, "w:ilvl") or 0)
                return (self._lists.get(number, ""), level) if number else ("", 0)
            if element is not paragraph and element.get(qn("w:styleId")) in self._styles:
                return self._styles[element.get(qn("w:styleId"))]
        return "", 0


def _value(element: Any, name: str) -> str | None:
    held = element.find(qn(name))
    return None if held is None else held.get(qn("w:val"))


def _written(number: int, form: str) -> str:
    if form.startswith(("chinese", "japanese", "ideographDigital", "taiwanese")):
        return chinese(number)
    if form in ("upperLetter", "lowerLetter"):
        letter = chr(ord("A") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter if form == "upperLetter" else letter.lower()
    if form in ("upperRoman", "lowerRoman"):
        return _roman(number) if form == "lowerRoman" else _roman(number).upper()
    if form == "decimalEnclosedCircle" and 1 <= number <= 20:
        return chr(0x2460 + number - 1)
    if form == "ideographTraditional":
        return _STEMS[(number - 1) % 10]
    if form == "ideographZodiac":
        return _BRANCHES[(number - 1) % 12]
    return f"{number:02d}" if form == "decimalZero" else str(number)


def chinese(number: int) -> str:
    """1 to 999 in Chinese numerals."""
    if number >= 1000 or number < 1:
        return str(number)
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    text = f"{_DIGITS[hundreds]}百" if hundreds else ""
    if tens:
        text += "十" if tens == 1 and not hundreds else f"{_DIGITS[tens]}十"
    elif hundreds and ones:
        text += "零"
    return text + (_DIGITS[ones] if ones else "")


def _roman(number: int) -> str:
    text = ""
    for value, letters in _ROMAN:
        text, number = text + letters * (number // value), number % value
    return text
