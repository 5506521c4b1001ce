"""What every engine offers: generate many, stream one, score given tokens, and say what it is and can do.

An engine knows nothing of files, reports or contestants. A new one is a class that derives from Engine, and one entry
in `open_engine.KINDS`; see docs/infer.md.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

from cornucopia.core.errors import UsageError
from cornucopia.inference.live import Live, ThreadedLive
from cornucopia.inference.request import (
    Event,
    Failure,
    FinishReason,
    Limits,
    Reply,
    Request,
    Sampling,
    Score,
    Token,
    TokenSpan,
)
from cornucopia.records.schema import Record

__all__ = [
    "Engine", "Event", "Failure", "FinishReason", "Limits", "Live", "Reply", "Request", "Sampling", "Score", "Token",
    "TokenSpan",
]  # fmt: skip


class Engine(Protocol):
    """A model that answers. A class that derives from this must give `generate`, `describe` and `limits`."""

    @abstractmethod
    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests; replies come as they finish, in any order, one for each request."""
        ...

    @abstractmethod
    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """Everything that decides the answers, for fingerprints and reports; JSON-ready, with "sampling" in it."""
        ...

    @abstractmethod
    def limits(self) -> Limits:
        """What it can do."""
        ...

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of one answer as they are made, of what is thought before it as `text.Thought`; returns the Reply.

        Raises:
            CornucopiaError: when there is no answer.
        """
        (reply,) = self.generate([Request("stream", record)], sampling)
        yield reply.answer
        return reply

    def live(self) -> Live:
        """A running batch that requests enter and leave one by one; by default a thread for each over `stream`."""
        return ThreadedLive(self.stream, self.limits().concurrency)

    def score(self, items: Sequence[Record | TokenSpan]) -> list[Score]:
        """How likely given tokens are: a record's final answer with its end of sequence, or a span of ids.

        Thoughts of a record's last message stand before its answer and are not counted. What cannot be scored (no
        answer, longer than the context) has no tokens.

        Raises:
            UsageError: the engine cannot score (see `limits`).
        """
        raise UsageError("这个引擎不能给定文字算似然", found=type(self).__name__, fix="用本地模型")

    def settings(self, sampling: Sampling) -> Sampling:
        """The sampling settings in effect, the model's own values filled in where they are known."""
        return sampling

    def plan(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """The requests in the groups that hang together: a group asked again whole gives the same answers again.

        Groups of one (the default) do not hang on what else is asked.
        """
        return [[request] for request in requests]

    def prompt_length(self, record: Record) -> int:
        """Tokens of the whole conversation as it would be asked, nothing cut; 0 when they cannot be counted."""
        return 0

    def prompt_limit(self, sampling: Sampling) -> int | None:
        """Most tokens a prompt may have, so that an answer still fits the context; None when nothing limits it."""
        return None
