"""JSON values in text that is read a piece at a time. Knows no rows and no record format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

BLANK = " \t\r\n\ufeff"
_LEEWAY = 16  # characters at the end of a text within which a value that is cut off there shows its fault


class Number(float):
    """A JSON number with a fraction or an exponent; its text is what stands in the file (1.10, 0.00005)."""

    def __new__(cls, text: str | float) -> Number:
        """From the digits (or, when copied, the value)."""
        made = super().__new__(cls, text)
        made.text = str(text)
        return made

    text: str

    def __str__(self) -> str:
        return self.text


class Repeated(dict[str, Any]):
    """An object that gives one key two values; `key` is the first of these."""

    key: str = ""


def _integer(digits: str) -> int | str:
    """Python refuses integers of thousands of digits: they stay text."""
    return int(digits) if len(digits) < 1000 else digits


def _number(digits: str) -> Number | str | None:
    """None for 1e999; text where a float would change the value (more than 15 or so digits)."""
    number = Number(digits)
    if not math.isfinite(number):
        return None
    if len(digits) > 15 and Decimal(digits) != Decimal(repr(float(number))):
        return digits
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    twice = next((key for key, value in pairs if value != made[key]), None)
    if twice is None:
        return made
    again = Repeated(made)
    again.key = twice
    return again


def _decoder(strict: bool) -> json.JSONDecoder:
    """NaN, Infinity and 1e999 become None: they are not JSON and could not be written again."""
    return json.JSONDecoder(
        parse_constant=lambda _: None,
        parse_float=_number,
        parse_int=_integer,
        object_pairs_hook=_object,
        strict=strict,
    )


STRICT, LENIENT = _decoder(True), _decoder(False)


def written(value: Any) -> str:
    """A value as JSON text; numbers as they stood in the file."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(str(key))}: {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


TOO_DEEP = "JSON 嵌套太深"
_FIRST = 512  # characters looked at first: an error in a long text takes time with all that stands before it


def decode_value(
    decoder: json.JSONDecoder, text: str, start: int, *, whole: bool = False, line: int = 1
) -> tuple[Any, int]:
    """(value, end), or (Chinese problem as str, start): an object or array is never a str.

    Args:
        decoder: STRICT, or LENIENT that takes line breaks within strings.
        text: holds the value from `start` on.
        start: where it begins.
        whole: whatever follows the value is a problem.
        line: number of the line it begins on in its file.
    """
    size = _FIRST
    while True:
        part = text[start : start + size]
        last = start + size >= len(text)
        try:
            value, end = decoder.raw_decode(part)
        except json.JSONDecodeError as error:
            if not last and _may_be_cut(error):
                size *= 4
                continue
            place = f"第 {error.lineno + line - 1} 行" if line > 1 or error.lineno > 1 else ""
            return f"JSON 有语法错误（{place}第 {error.colno} 列附近）", start
        except RecursionError:
            return TOO_DEEP, start
        if not last and end + _LEEWAY >= len(part):  # a number at the end may have more digits
            size *= 4
            continue
        if whole and start + end < len(text):
            return "后面还有别的内容", start
        return value, start + end


def line_value(line: str) -> Any:
    """The object on one line, alone or as an element of an array with one element a line; None if there is none."""
    line = line.strip(BLANK).lstrip("[,").lstrip(BLANK)
    closing = line.rfind("}") + 1
    if not line.startswith("{") or line[closing:].strip(BLANK + ",]"):
        return None
    value, end = decode_value(LENIENT, line[:closing], 0)
    return value if end == closing else None


class Window:
    """The part of a long text that is being looked at: it is read on at its end and forgotten before `at`.

    Args:
        chunks: the text in pieces.
    """

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = iter(chunks)
        self.text, self.at, self.line, self._ended = "", 0, 1, False

    def move(self, end: int) -> str:
        """Go on to `end`; gives what lay between."""
        passed = self.text[self.at : end]
        self.line += passed.count("\n")
        self.at = end
        return passed

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Go past what matches the pattern (of single characters); gives the next character, '' at the end."""
        while True:
            found = pattern.match(self.text, self.at)
            self.move(found.end() if found else self.at)
            if self.at < len(self.text) or self._ended:
                return self.text[self.at : self.at + 1]
            self._read_on()

    def begins(self, pattern: re.Pattern[str], size: int = 64) -> bool:
        """Whether the pattern, which needs at most so many characters, matches here."""
        while len(self.text) - self.at < size and not self._ended:
            self._read_on()
        return bool(pattern.match(self.text, self.at))

    def value(self) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends.

        Raises:
            ValueError: if there is none.
            RecursionError: if it is nested too deep.
        """
        while True:
            try:
                value, end = STRICT.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self._ended or not _may_be_cut(error):
                    raise
            else:
                if self._ended or end + _LEEWAY < len(self.text):  # a number at the end may have more digits
                    return value, end
            self._read_on()

    def _read_on(self) -> None:
        """Hold at least twice as much, so that a long value is not tried too often."""
        parts, size = [self.text[self.at :]], 0
        while size <= len(parts[0]):
            part = next(self._chunks, None)
            if part is None:
                self._ended = True
                break
            parts.append(part)
            size += len(part)
        self.text, self.at = "".join(parts), 0


def _may_be_cut(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated string") or error.pos + _LEEWAY >= len(error.doc.rstrip())
