"""What came of letting a model answer one question, tools included: the conversation and the tokens it wrote.

Made by whoever runs the model, judged by rewards, learnt by reinforcement.
"""

from __future__ import annotations

from dataclasses import dataclass

from cornucopia.records.schema import Message, Record


@dataclass(frozen=True)
class Turn:
    """Tokens the model wrote, and all that it read before them: `prompt` and `tokens` are ids."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Episode:
    """One answer to one question.

    Args:
        asked: the question, as a Record.
        said: the turns that followed it: the assistant's, and the results of the tools it called.
        turns: what the model wrote, in tokens, one item for each of its turns.
        finish: "stop", "length" (cut off), "tool_calls" (it called a tool where no more calls were allowed), "error".
    """

    asked: Record
    said: tuple[Message, ...] = ()
    turns: tuple[Turn, ...] = ()
    finish: str = "stop"

    @property
    def answer(self) -> str:
        """The text of the last turn; '' where a tool was called instead."""
        last = self.said[-1] if self.said else None
        return last.content if last and last.role == "assistant" and not last.tool_calls else ""

    @property
    def record(self) -> Record:
        """The whole conversation."""
        return self.asked.changed(messages=(*self.asked.messages, *self.said))

    @property
    def tokens(self) -> int:
        """How many the model wrote."""
        return sum(len(turn.tokens) for turn in self.turns)
