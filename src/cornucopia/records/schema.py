"""The one Record: messages and where they came from. Every format is converted to it once, at the door."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class Message:
    """One turn.

    Args:
        role: who speaks.
        content: what is said (for the user: the instruction).
        material: text the instruction works on (Alpaca's `input`); only user messages have it.
        reasoning: what the assistant thinks before it says this; only its messages have it.
    """

    role: Role
    content: str
    material: str = ""
    reasoning: str = ""


@dataclass(frozen=True)
class Record:
    """A conversation (messages) or a plain document (text), with provenance.

    Args:
        messages: turns in order; empty for a plain document.
        text: the document, for continued pretraining; empty for a conversation.
        id: stable name; made from the position when the file gives none.
        domain: 保险, 股票 ... or ''.
        kind: qa, paraphrase, unseen, conduct ... or ''.
        source: law, rule or document the answer stands on, or ''.
        licence: licence of the text, or ''.
        as_of: month up to which the facts are known to hold (YYYY-MM), or ''.
        origin: "file:line" it was read from.
        complete: False where the text breaks off (a piece of a document, the beginning of an answer): no end of
            sequence follows it.
        extra: keys of the input row that have no field here.
    """

    messages: tuple[Message, ...] = ()
    text: str = ""
    id: str = ""
    domain: str = ""
    kind: str = ""
    source: str = ""
    licence: str = ""
    as_of: str = ""
    origin: str = ""
    complete: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """The last user turn's instruction."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def golden(self) -> str:
        """The answer that ends the conversation, or '' when it ends with the user."""
        return self.messages[-1].content if self.messages and self.messages[-1].role == "assistant" else ""

    def prompt(self) -> Record:
        """The same record without the final answer, as an engine is asked."""
        return replace(self, messages=self.messages[:-1]) if self.golden else self

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict without empty fields."""
        fields = asdict(self)
        complete = fields.pop("complete")
        return {key: value for key, value in fields.items() if value} | ({} if complete else {"complete": False})
