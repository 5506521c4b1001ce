"""A streamed answer of an endpoint (server-sent events): its pieces as they come, and the whole when it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cornucopia.inference.completion import parts_of, texts_of
from cornucopia.inference.engine import FinishReason
from cornucopia.inference.text import Thought


class Streamed:
    """What a stream has said, and how it ended."""

    def __init__(self) -> None:
        self.finish: FinishReason = "stop"
        self.tokens = (0, 0)
        self._pieces: list[str] = []

    def note(self, pieces: Iterator[str]) -> Iterator[str]:
        """The pieces, kept as they go by."""
        for piece in pieces:
            self._pieces.append(piece)
            yield piece

    def texts(self) -> tuple[str, str]:
        """(thinking, answer), told apart as in a whole answer."""
        thought = "".join(piece for piece in self._pieces if isinstance(piece, Thought))
        said = "".join(piece for piece in self._pieces if not isinstance(piece, Thought))
        answer, inside = texts_of({"content": said, "reasoning_content": thought})
        return inside, answer

    def count(self, usage: Any) -> None:
        """Note the usage of the last event that has one."""
        if isinstance(usage, dict):
            self.tokens = (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a server-sent event stream, up to [DONE]; comments and broken lines are passed over."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def pieces_of(delta: dict[str, Any]) -> Iterator[str]:
    """What one event adds: thinking as Thought, then text."""
    said, thought = parts_of(delta.get("content") or delta.get("refusal"))
    beside = delta.get("reasoning_content") or delta.get("reasoning")
    if thought := thought or (beside if isinstance(beside, str) else ""):
        yield Thought(thought)
    if said:
        yield said


def noted(lines: Iterator[str], seen: list[str]) -> Iterator[str]:
    """The lines, of which those that are no events are kept."""
    for line in lines:
        if line.strip() and not line.startswith(("data:", ":", "event:", "id:", "retry:")):
            seen.append(line)
        yield line
