"""Rows of a JSON file, however large and whatever its damage. Knows no record format.

Nothing here stops at the first damage: a broken row is handed on with its problem, and reading goes on after it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cornucopia.records.decode import TextFile
from cornucopia.records.json_values import BLANK, LENIENT, STRICT, TOO_DEEP, Window, decode_value, line_value
from cornucopia.records.rejects import printable
from cornucopia.records.rows import Row

Accept = Callable[[Any], bool]  # whether a parsed value is a row of a known format

_NESTED = 800
MOST_BAD = 2**22  # characters of bad lines kept together, in the hope of an object among them
_SEPARATORS = re.compile(r"[\s,\[\]\ufeff]*")
_BETWEEN, _PLAIN_LIST = re.compile(r"[\s,\]\ufeff]*"), re.compile(r"\[\s*[^\s\[{\]]")
_OUTSIDE, _INSIDE = re.compile(f"[{BLANK}]*"), re.compile(r"[ \t\r\n]*")
_OBJECT = re.compile(r"\{\s*\"")


def json_rows(text: TextFile, accept: Accept) -> Iterator[Row]:
    """Rows of a JSON array, one JSON object, JSON Lines, or a damaged mixture of these.

    A sound document is read as it is. Anything else is read line by line, and what is left between good lines is
    searched for whole objects, so that neither junk lines nor a broken element cost a good row.
    """
    if _is_sound(Window(text.chunks())):
        return _sound_rows(Window(text.chunks()))
    return line_rows(text.lines(), accept)


def _is_sound(window: Window) -> bool:
    """Whether the text is one JSON array or object and nothing else."""
    try:
        kind = window.skip(_OUTSIDE)
        if kind == "{":
            window.move(window.value()[1])
        elif kind != "[" or not _is_array(window):
            return False
    except (ValueError, RecursionError):
        return False
    return window.skip(_OUTSIDE) == ""


def _is_array(window: Window) -> bool:
    window.move(window.at + 1)
    mark = window.skip(_INSIDE)
    while mark != "]":
        window.move(window.value()[1])
        mark = window.skip(_INSIDE)
        if mark == ",":
            window.move(window.at + 1)
            mark = "" if window.skip(_INSIDE) == "]" else ","
        if mark not in ("]", ","):
            return False
    window.move(window.at + 1)
    return True


def _sound_rows(window: Window) -> Iterator[Row]:
    """Every object of a sound document, of arrays within arrays too; anything else is a problem, a plain list one."""
    top = True
    while kind := window.skip(_BETWEEN):
        if kind == "[" and (top or not window.begins(_PLAIN_LIST)):
            top = False
            window.move(window.at + 1)
            continue
        top = False
        value, end = window.value()
        if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
            window.move(window.at + 1)
            continue
        line, raw = window.line, window.move(end)
        problem = f"应是 {{…}} 对象，实际是 {raw[:30]}"
        if isinstance(value, dict):
            yield Row(line, raw, value)
        elif isinstance(value, list):
            yield Row(line, raw, problem=f"{problem}；没有键的标注集用来源 kind: tasks 读，见 docs/task-sets.md")
        else:
            yield Row(line, raw, problem=problem)


def line_rows(
    lines: Iterable[str], accept: Accept, value_of: Callable[[str], Any] = line_value, first: int = 1
) -> Iterator[Row]:
    """Rows of text with one object a line, more or less.

    Args:
        lines: without their ends.
        accept: tells a row.
        value_of: the object on one line, None where it is none by itself.
        first: number of the first line.
    """
    bad: list[str] = []
    size, apart = 0, True  # apart: no bad line can be a part of an object that has more lines
    for number, line in enumerate(lines, first):
        value = value_of(line)
        good = accept(value)
        if bad and (good or (apart and size > MOST_BAD)):
            yield from _recover("\n".join([*bad, ""]), number - len(bad), accept)
            bad, size, apart = [], 0, True
        if good:
            yield Row(number, line, value)
            continue
        bad.append(line)
        size += len(line) + 1
        apart = apart and (value is not None or "{" not in line)
    if bad:
        yield from _recover("\n".join(bad), number - len(bad) + 1, accept)


def _recover(text: str, first: int, accept: Accept) -> Iterator[Row]:
    """Whole objects within lines that are no rows by themselves; if there is none, each line is a problem.

    Args:
        text: the lines.
        first: number of the first of them.
        accept: tells a row.
    """
    found = list(_elements(text, first, accept))
    if any(accept(value) for _, _, value in found):
        starts = [0, *(match.end() for match in re.finditer("\n", text))]
        for begin, end, value in found:
            yield _row(first + bisect.bisect_right(starts, begin) - 1, text[begin:end], value)
        return
    for number, line in enumerate(text.split("\n"), first):
        if line.strip(BLANK + ",[]"):
            value = line_value(line)
            yield Row(number, line, value, "" if isinstance(value, dict) else _line_problem(line))


def _elements(text: str, first: int, accept: Accept) -> Iterator[tuple[int, int, Any]]:
    """(start, end, value) of each element; a str value is the problem of a broken stretch.

    Only objects are trusted: a stray quote would make a text of the rows after it.
    """
    start, seen, line = 0, 0, first
    while True:
        found = _SEPARATORS.match(text, start)
        start = found.end() if found else len(text)
        if start >= len(text):
            return
        line, seen = line + text.count("\n", seen, start), start
        value, end = decode_value(STRICT, text, start, line=line)
        if end == start:
            lenient, lenient_end = decode_value(LENIENT, text, start)
            if accept(lenient):
                value, end = lenient, lenient_end
        if end > start and not isinstance(value, dict):
            value, end = f"应是 {{…}} 对象，实际是 {text[start:end][:30]}", start
        end = end if end > start else _next_element(text, start + 1, accept)
        yield start, end, value
        start = end


def _next_element(text: str, start: int, accept: Accept) -> int:
    """Where the next whole object of a known format begins.

    In objects nested too deep to be read, those at most `_NESTED` levels further in are too deep to be rows.
    """
    passed = 0
    for match in _OBJECT.finditer(text, start):
        passed -= 1
        if passed > 0:
            continue
        value, end = decode_value(STRICT, text, match.start())
        if match.start() < end and accept(value):
            return match.start()
        passed = _NESTED if value == TOO_DEEP else 0
    return len(text)


def _line_problem(line: str) -> str:
    line = line.strip(BLANK)
    if not line.startswith("{"):
        return f"不是 JSON 对象：{printable(line[:30])}"
    problem = decode_value(LENIENT, line, 0, whole=True)[0]
    return problem if isinstance(problem, str) else "JSON 不完整"


def _row(line: int, raw: str, value: Any) -> Row:
    return Row(line, raw.rstrip(BLANK + ",[]"), problem=value) if isinstance(value, str) else Row(line, raw, value)
