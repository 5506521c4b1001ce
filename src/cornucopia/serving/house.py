"""What all routes of a server share, and the steps that all of them take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from cornucopia.core.jsonl import mended
from cornucopia.serving.answering import Answering
from cornucopia.serving.ask import read_json
from cornucopia.serving.keys import Keys
from cornucopia.serving.meters import Meters
from cornucopia.serving.problems import Problem
from cornucopia.serving.settings import ServeSettings
from cornucopia.serving.shelf import Served, Shelf

MB = 1_000_000


@dataclass
class House:
    """A server's parts.

    Args:
        settings: what it was told.
        shelf: its models.
        keys: who may ask.
        meters: what it counts.
        closing: called when the server stops.
    """

    settings: ServeSettings
    shelf: Shelf
    keys: Keys
    meters: Meters
    closing: list[Callable[[], None]] = field(default_factory=list)

    async def body(self, request: Request) -> dict[str, Any]:
        """The request's JSON object.

        Raises:
            Problem: it is too large, or none.
        """
        data = bytearray()
        try:
            async with asyncio.timeout(self.settings.timeout):
                async for part in request.stream():
                    data += part
                    if len(data) > self.settings.max_body_mb * MB:
                        raise Problem(413, f"正文超过 {self.settings.max_body_mb:g} MB")
        except TimeoutError:
            raise Problem(408, f"正文在 {self.settings.timeout:g} 秒里没有传完") from None
        body = read_json(bytes(data))
        if self.settings.log_contents:
            note(request, body=body)
        return body

    async def lease(self, name: Any, request: Request) -> tuple[Served, AsyncExitStack]:
        """The model of this id and what gives it back.

        Raises:
            Problem: there is none, or too many wait for it.
        """
        if name is None:
            name = next(iter(self.shelf.table))
        if not isinstance(name, str):
            raise Problem(400, "model 应是文字", param="model")
        self.shelf.find(name)
        note(request, model=name)
        if self.shelf.waiting(name) >= self.settings.max_queue:
            raise Problem(429, f"正在排队的请求已有 {self.settings.max_queue} 个，稍后再试", code="queue_full", wait=5)
        stack = AsyncExitStack()
        return await stack.enter_async_context(self.shelf.lease(name)), stack

    def over(self, request: Request, answering: Answering) -> None:
        """Count and note answers that are over."""
        replies = [answering.replies[index] for index in sorted(answering.replies)]
        self.meters.answered(answering, time.monotonic())
        note(
            request,
            prompt_tokens=max((reply.prompt_tokens for reply in replies), default=0),
            completion_tokens=sum(reply.completion_tokens for reply in replies),
            finish=",".join(sorted({reply.finish_reason for reply in replies})),
        )
        if self.settings.log_contents:
            note(request, answers=[mended(reply.answer) for reply in replies])


def note(request: Request, **facts: Any) -> None:
    """Facts for the request's line in the log."""
    request.scope.setdefault("cornucopia", {}).update(facts)


def id_of(request: Request) -> str:
    """The request's id."""
    return str(request.scope.get("cornucopia_id", ""))
