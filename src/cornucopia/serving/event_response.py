"""Responses that end when the caller goes: a stream of server-sent events, and a wait for a whole answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.core.jsonl import to_json

T = TypeVar("T")
DONE = "data: [DONE]\n\n"


class Gone(Exception):
    """The caller has closed the connection."""


def event(value: Any) -> str:
    """One server-sent event."""
    return f"data: {to_json(value)}\n\n"


async def while_there(request: Request, work: Awaitable[T]) -> T:
    """What `work` gives, stopped when the caller goes.

    Raises:
        Gone: the caller went.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone
    finally:
        await _stopped(task, gone)


class EventResponse(Response):
    """Text of `text/event-stream`, sent as it comes.

    Args:
        pieces: the text; closed whatever happens, so that it can give back what it holds.
        idle: seconds that the caller may take to read one piece; looked at as often.
    """

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[str], idle: float) -> None:
        super().__init__()
        self._pieces, self._idle = pieces, idle
        self._since = math.inf  # when the piece was sent that the caller has not taken
        del self.headers["content-length"]
        self.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send everything; return early when the caller has gone.

        Raises:
            TimeoutError: the caller does not read.
        """
        tasks = [asyncio.ensure_future(self._feed(send)), asyncio.ensure_future(_gone(receive))]
        try:
            while not any(task.done() for task in tasks):
                await asyncio.wait(tasks, timeout=self._idle, return_when=asyncio.FIRST_COMPLETED)
                if time.monotonic() - self._since > self._idle:
                    raise TimeoutError(f"{self._idle:g} 秒没有读")
            if tasks[0].done():
                tasks[0].result()
        finally:
            await _stopped(*tasks)
            await self._pieces.aclose()  # type: ignore[attr-defined]

    async def _feed(self, send: Callable[[Any], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for piece in self._pieces:
            self._since = time.monotonic()
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
            self._since = math.inf
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stopped(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
