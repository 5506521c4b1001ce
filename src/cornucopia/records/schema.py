"""The one Record: messages and where they came from. Every format is converted to it once, at the door."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool by the assistant.

    Args:
        name: of the tool.
        arguments: JSON text of an object.
        id: by which the tool's turn answers it, or ''.
    """

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True)
class Passage:
    """Text that a question works on, and where it was taken from ('' if that is not known)."""

    text: str
    source: str = ""


@dataclass(frozen=True)
class Message:
    """One turn.

    Args:
        role: who speaks.
        content: what is said (for the user: the instruction); where a picture stands, `<image>`.
        reasoning: what the assistant thinks before it says this; only its messages have it.
        tool_calls: tools the assistant calls with this turn.
        tool_call_id: of a tool's turn, the call that it answers.
        name: of the speaker: the tool, or one of several users.
        images: paths, addresses or data URLs of the pictures, in their order in `content`.
        learnt: False for an answer that is read and never learnt; None where the data says nothing (it is learnt).
        extra: keys of the turn that have no field here.
    """

    role: Role
    content: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    images: tuple[str, ...] = ()
    learnt: bool | None = None
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def plain(cls, role: Role, content: str) -> Message:
        """A turn that holds nothing else, made several times as fast as by the constructor."""
        return cls.build({"role": role, "content": content})

    @classmethod
    def build(cls, fields: dict[str, Any]) -> Message:
        """A turn of the given fields, as `Record.build`."""
        made = object.__new__(cls)
        made.__dict__.update(fields)
        made.__dict__.setdefault("extra", {})
        return made

    @property
    def is_blank(self) -> bool:
        """Whether nothing is said, called or shown."""
        return not (self.content.strip() or self.tool_calls or self.images)


@dataclass(frozen=True)
class Record:
    """A conversation (messages) or a plain document (text), with provenance.

    Args:
        messages: turns in order; empty for a plain document.
        text: the document, for continued pretraining; empty for a conversation.
        tools: what the assistant may call, each {"type": "function", "function": {name, description, parameters}} or
            however the data writes it.
        passages: what the last question works on (Alpaca's `input`, retrieved text).
        rejected: answers that the final one was preferred to, the best first, each as its turn or turns.
        label: whether the final answer was found good (KTO), or None where the data says nothing.
        id: stable name; made from the position when the file gives none.
        domain: 保险, 股票 ... or ''.
        kind: qa, paraphrase, unseen, conduct ... or ''.
        source: law, rule or document the answer stands on, or ''.
        span: where in the source (article, page, characters), or ''.
        licence: licence of the text, or ''.
        as_of: month or day up to which the facts are known to hold (YYYY-MM or YYYY-MM-DD), or ''.
        origin: "file:line" it was read from.
        complete: False where the text breaks off (a piece of a document, the beginning of an answer): no end of
            sequence follows it.
        extra: keys of the input row that have no field here.
    """

    messages: tuple[Message, ...] = ()
    text: str = ""
    tools: tuple[dict[str, Any], ...] = ()
    passages: tuple[Passage, ...] = ()
    rejected: tuple[tuple[Message, ...], ...] = ()
    label: bool | None = None
    id: str = ""
    domain: str = ""
    kind: str = ""
    source: str = ""
    span: str = ""
    licence: str = ""
    as_of: str = ""
    origin: str = ""
    complete: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def build(cls, fields: dict[str, Any]) -> Record:
        """A record of the given fields, the others at their default, made several times as fast as by the constructor:
        for doors that millions pass. Nothing is checked."""
        made = object.__new__(cls)
        made.__dict__.update(fields)  # a default that is no factory stands in the class too
        made.__dict__.setdefault("extra", {})
        return made

    def changed(self, **fields: Any) -> Record:
        """A copy with other fields: `dataclasses.replace`, several times as fast."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__.update(fields)
        return made

    @property
    def question(self) -> str:
        """The last user turn's instruction."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def material(self) -> str:
        """The text of all passages, one after another."""
        return "\n\n".join(passage.text for passage in self.passages)

    @property
    def answer(self) -> Message | None:
        """The assistant's turn that ends the conversation; None when it ends with another, or with nothing said."""
        last = self.messages[-1] if self.messages else None
        return last if last and last.role == "assistant" and (last.content or last.tool_calls) else None

    @property
    def golden(self) -> str:
        """The text of the answer that ends the conversation, or ''."""
        return self.answer.content if self.answer else ""

    def prompt(self) -> Record:
        """The same record without the final answer, as an engine is asked."""
        return replace(self, messages=self.messages[:-1]) if self.answer else self

    def turns(self) -> list[tuple[Message, str]]:
        """Every message with the material it works on: that of the last user turn, '' for the others."""
        last = max((index for index, message in enumerate(self.messages) if message.role == "user"), default=-1)
        return [(message, self.material if index == last else "") for index, message in enumerate(self.messages)]

    def asked(self) -> list[list[Any]]:
        """What a model is shown, JSON-ready: of each turn the role, content and material, what else it holds, and the
        tools. Two records for which it is equal ask the same."""
        shown = [[m.role, m.content, material, *_beyond_text(m)] for m, material in self.turns()]
        return [*shown, ["tools", *self.tools]] if self.tools else shown

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict without empty fields."""
        fields = _filled(asdict(self))
        fields["messages"] = [_filled(message) for message in fields.get("messages", ())]
        return {key: value for key, value in fields.items() if value != [] and (key, value) != ("complete", True)}


def _beyond_text(message: Message) -> list[Any]:
    calls = [[call.name, call.arguments, call.id] for call in message.tool_calls]
    held = {"calls": calls, "answers": message.tool_call_id, "name": message.name, "images": list(message.images)}
    kept = {key: value for key, value in held.items() if value}
    return [kept] if kept else []


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    """Without the empty ones; False is none of these."""
    return {key: value for key, value in fields.items() if value or value is False}
