"""The answers to one request while they are made: asked of a worker, given up when the caller goes or time is out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cornucopia.inference.request import Event, Reply, Request, Token
from cornucopia.inference.text import Thought
from cornucopia.records.schema import Record
from cornucopia.serving.ask import Ask
from cornucopia.serving.problems import Problem
from cornucopia.serving.shelf import Served


@dataclass
class Piece:
    """What came of one answer since the last look.

    Args:
        index: which of the request's answers.
        text: written; `thought` tells whether it stands before the answer.
        tokens: those that were told.
        reply: the whole, when it is over.
    """

    index: int
    text: str = ""
    thought: bool = False
    tokens: list[Token] = field(default_factory=list)
    reply: Reply | None = None


class Answering:
    """Use as `async with`: leaving cancels what is not finished and gives the model back.

    Args:
        id: of the request.
        served: the model.
        ask: what is wanted.
        prompts: token ids to go on from, one list for each prompt; without them the ask's conversation.
        timeout: seconds until it is given up.
        lease: closed with it.
    """

    def __init__(
        self,
        id: str,
        served: Served,
        ask: Ask,
        *,
        timeout: float,
        lease: AsyncExitStack,
        prompts: Sequence[Sequence[int]] = ((),),
    ) -> None:
        self.id, self.served, self.ask = id, served, ask
        self._prompts, self._timeout, self._lease = prompts, timeout, lease
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()  # None: time is out
        self._open: dict[str, int] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self.begun, self.first = time.monotonic(), 0.0
        self.replies: dict[int, Reply] = {}
        self.tokens: dict[int, list[Token]] = {}

    async def __aenter__(self) -> Answering:
        engine, ask = self.served.engine, self.ask
        # One alarm for the whole answer: a timeout round each wait costs as much as the JSON of a piece.
        self._alarm = asyncio.get_running_loop().call_later(self._timeout, self._events.put_nowait, None)
        for index in range(len(self._prompts) * ask.n):
            ids = tuple(self._prompts[index // ask.n])
            record = replace(ask.record, tools=()) if ask.forced else ask.record
            request = Request(f"{self.id}-{index}", record, ids)
            sampling = ask.sampling.model_copy(update={"seed": ask.sampling.seed + index % ask.n})
            self._open[request.id] = index
            check = (lambda: "") if ids else partial(too_long, engine, record, sampling)
            self.served.worker.submit(
                request, sampling, self._events, engine=engine, logprobs=ask.logprobs, check=check
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        for id in self._open:
            self.served.worker.cancel(id)
        self._open = {}
        await self._lease.aclose()

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """What is new, as soon as something is, until all answers are over.

        Raises:
            Problem: an answer failed, or time is out.
        """
        while len(self.replies) < len(self._open):
            got = [await self._events.get()]
            while not self._events.empty():
                got.append(self._events.get_nowait())
            events = [event for event in got if event is not None]
            if len(events) < len(got):
                message = f"{self._timeout:g} 秒没有答完，已停下；调小 max_tokens，或请管理员调大 --timeout"
                raise Problem(504, message, code="timeout")
            self.first = self.first or time.monotonic()
            yield self._merged(events)

    def _merged(self, events: Sequence[Event]) -> list[Piece]:
        pieces: list[Piece] = []
        last: dict[int, Piece] = {}
        for event in events:
            index, thought = self._open[event.id], isinstance(event.piece, Thought)
            piece = last.get(index)
            if piece is None or (event.piece and piece.text and piece.thought != thought):
                piece = last[index] = Piece(index)
                pieces.append(piece)
            if event.piece:
                piece.text, piece.thought = piece.text + event.piece, thought
            piece.tokens += event.tokens
            self.tokens.setdefault(index, []).extend(event.tokens)
            if event.reply is not None:
                piece.reply = self.replies[index] = _accepted(event.reply)
        return pieces


def _accepted(reply: Reply) -> Reply:
    """
    Raises:
        Problem: it is an error.
    """
    if reply.finish_reason != "error":
        return reply
    status = {"prompt": 400, "service": 503, "account": 502}.get(reply.failure, 500)
    code = "context_length_exceeded" if reply.error.startswith(LONG) else ""
    raise Problem(status, reply.error or "没有生成回答", code=code)


LONG = "问题太长"


def too_long(engine: Any, record: Record, sampling: Any) -> str:
    """Why a conversation does not fit the model, or ''; counted only where it might not."""
    limit = engine.prompt_limit(sampling)
    if limit is None or sum(len(m.content) + len(m.reasoning) for m in record.messages) * 4 + 200 < limit:
        return ""
    length = engine.prompt_length(record)
    return (
        f"{LONG}：{length} 个词元，这个模型的提示最多 {limit} 个；缩短对话，或调小 max_tokens" if length > limit else ""
    )
