"""What a template gives: pieces of text that say which of them the assistant says. Knows no template."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cornucopia.core.console import warn
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.tool_calls import ToolCallReader


@dataclass(frozen=True)
class Segment:
    """A piece of the rendered text; `answer` marks what the assistant says (its end marker included), `thought` the
    part of it that stands before the answer proper; an answer that is not `learnt` is read and never trained."""

    text: str
    answer: bool = False
    thought: bool = False
    learnt: bool = True


class Template(Protocol):
    """How a conversation becomes text."""

    @property
    def name(self) -> str:
        """Name or path it is known by."""
        ...

    @property
    def stop_strings(self) -> list[str]:
        """Text at which an answer ends besides the end-of-sequence token."""
        ...

    def calls(self, record: Record) -> ToolCallReader | None:
        """Reads the calls that a model of this template writes in answer to a record; None where the template does not
        show it tools, whatever the record."""
        ...

    def segments(self, record: Record, *, eos: str) -> list[Segment]:
        """The whole text, in order. When the last message is not the assistant's, it ends ready for the answer.

        Of reasoning only the last answer's is written: a model is not asked to read what it thought before.

        Raises:
            DataError: if the template does not take this conversation.
        """
        ...


def with_material(question: str, material: str) -> str:
    """A question for a model without a material section of its own: instruction, then material."""
    return f"{question}\n\n材料：\n{material}" if material else question


def spoken(record: Record) -> list[tuple[Message, str]]:
    """Every turn with its text, material included."""
    return [(message, with_material(message.content, material)) for message, material in record.turns()]


@lru_cache
def tell_once(message: str) -> None:
    """Tell the user, once."""
    warn(message)
