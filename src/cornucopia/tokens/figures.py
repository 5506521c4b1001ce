"""Figures of a conversation that a model names by their mark (①, ②) and need not copy digit by digit.

Each figure of the user's turns and of the tools' results gets a mark behind it; where the model says the mark, the
figure as it was written stands in its place. A small model that never learnt to copy can then hand on any number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cornucopia.finance.numbers import Quantity, read_numbers
from cornucopia.records.schema import Message, Record, ToolCall
from cornucopia.tokens.tool_calls import ToolCallReader

MARKS = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"  # figures beyond have none
_UNITS = re.compile(r"(?<=\d)(?:元|块钱?|美元|股|份|天|日|期|年|岁|个月)$")
_GIVEN = ("user", "tool")  # whose figures are marked
_MARK = re.compile(f"[{MARKS}]")


class Figures:
    """The figures met so far in one conversation, by their mark."""

    def __init__(self) -> None:
        self._known: list[tuple[str, tuple[Any, str]]] = []

    def given(self, turn: Message) -> str:
        """The content of a user's or tool's turn, marked; of a result the first line, which holds the values."""
        first, end, rest = turn.content.partition("\n") if turn.role == "tool" else (turn.content, "", "")
        return self.marked(first) + end + rest

    def marked(self, text: str) -> str:
        """The text with a mark behind each figure, which is known from then on. Marks it holds already become plain
        numbers in brackets, so that none is taken for a figure's."""
        text = _MARK.sub(lambda found: f"({MARKS.index(found.group()) + 1})", text)
        parts, at = list[str](), 0
        for one in read_numbers(text):
            start, end = one.span
            if start < at or len(self._known) == len(MARKS):
                continue
            parts += [text[at:end], MARKS[len(self._known)]]
            self._known.append((text[start:end], _value(one)))
            at = end
        return "".join([*parts, text[at:]])

    def pointed(self, text: str) -> str:
        """What the assistant says, with the mark in place of each figure that is known; the latest where several are
        alike."""
        parts, at = list[str](), 0
        for one in read_numbers(text):
            start, end = one.span
            alike = [n for n, (_, value) in enumerate(self._known) if value == _value(one)]
            if start >= at and alike:
                parts += [text[at:start], MARKS[alike[-1]]]
                at = end
        return "".join([*parts, text[at:]])

    def call(self, call: ToolCall) -> ToolCall:
        """A call whose arguments are marks where they are figures, each mark used once while others fit as well."""
        given = _object(call.arguments)
        if given is None:
            return call
        used: set[int] = set()

        def point(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return [point(one) for one in value]
            text = str(value)
            whole = [_value(one) for one in read_numbers(text) if one.span == (0, len(text))]
            alike = [n for n, (said, known) in enumerate(self._known) if text in (said, _bare(said)) or known in whole]
            if isinstance(value, bool) or not alike:
                return value
            chosen = next((n for n in alike if n not in used), alike[0])
            used.add(chosen)
            return MARKS[chosen]

        return replace(call, arguments=_written({name: point(value) for name, value in given.items()}))

    def filled(self, text: str) -> str:
        """What a model said, its marks replaced by their figures; a mark that no figure has stays."""

        def fill(found: re.Match[str]) -> str:
            at = MARKS.index(found.group())
            return self._known[at][0] if at < len(self._known) else found.group()

        return _MARK.sub(fill, text)


class FigureReader(ToolCallReader):
    """Reads calls as `ToolCallReader` does, and fills in the figures, in what is said besides too.

    Args:
        template: see ToolCallReader.
        record: the conversation that is answered.
    """

    def __init__(self, template: str, record: Record) -> None:
        super().__init__(template)
        self._figures = Figures()
        for message in record.messages:
            if message.role in _GIVEN:
                self._figures.given(message)

    def read(
        self, text: str, tools: Sequence[Mapping[str, Any]] = (), earlier: int = 0
    ) -> tuple[str, tuple[ToolCall, ...]]:
        """See `ToolCallReader.read`."""
        content, calls = super().read(text, tools, earlier)
        fill = self._figures.filled
        return fill(content), tuple(replace(call, arguments=fill(call.arguments)) for call in calls)

    def before_call(self, text: str) -> int:
        """See `ToolCallReader.before_call`; what follows a mark is held back with it."""
        found = _MARK.search(text)
        return min(super().before_call(text), found.start() if found else len(text))


def marked(record: Record) -> Record:
    """The conversation as the model reads and writes it: figures of questions and results with their marks, and what
    the assistant says with marks in place of them."""
    figures, turns = Figures(), list[Message]()
    for turn in record.messages:
        if turn.role in _GIVEN:
            turns.append(replace(turn, content=figures.given(turn)))
        elif turn.role == "assistant":
            calls = tuple(figures.call(call) for call in turn.tool_calls)
            turns.append(replace(turn, content=figures.pointed(turn.content), tool_calls=calls))
        else:
            turns.append(turn)
    return record.changed(messages=tuple(turns))


def _bare(figure: str) -> str:
    """A figure in digits without its unit: 7000 of 7000股."""
    return _UNITS.sub("", figure)


def _value(one: Quantity) -> tuple[Any, str]:
    return one.value, one.unit


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _written(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False)
