"""How answers are sent, whichever path asked for them: whole, or as a stream while they are made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.serving.answering import Answering, Piece
from cornucopia.serving.event_response import EventResponse, event, while_there
from cornucopia.serving.house import House
from cornucopia.serving.json_response import json_response
from cornucopia.serving.problems import Problem


class Written(Protocol):
    """The shape that a path gives its answers."""

    def whole(self) -> dict[str, Any]:
        """The body, once all is there."""
        ...

    def begin(self) -> str:
        """Events that stand before the first piece."""
        ...

    def feed(self, pieces: Sequence[Piece]) -> str:
        """Events of what is new."""
        ...

    def end(self) -> str:
        """Events that stand behind the last piece."""
        ...


async def send(house: House, request: Request, answering: Answering, written: Written) -> Response:
    """Answer as it was asked for.

    Raises:
        Problem: an answer failed before anything was sent.
    """
    if answering.ask.stream:
        return await _streamed(house, request, answering, written)
    await finish(house, request, answering)
    return json_response(written.whole())


async def finish(house: House, request: Request, answering: Answering) -> None:
    """Wait for all answers; they stand in `answering` then.

    Raises:
        Problem: an answer failed.
    """
    async with answering:
        await while_there(request, _all(answering))
        house.over(request, answering)


async def _all(answering: Answering) -> None:
    async for _ in answering.pieces():
        pass


async def _streamed(house: House, request: Request, answering: Answering, written: Written) -> Response:
    """The stream, once its first piece is there: what fails before has a status of its own."""
    await answering.__aenter__()
    pieces = answering.pieces()
    try:
        first = await while_there(request, anext(pieces))
    except BaseException:
        await answering.__aexit__()
        raise
    return EventResponse(_events(house, request, answering, written, first, pieces), house.settings.timeout)


async def _events(
    house: House, request: Request, answering: Answering, written: Written, first: list[Piece],
    pieces: AsyncIterator[list[Piece]],
) -> AsyncIterator[str]:  # fmt: skip
    try:
        async with aclosing(pieces):  # type: ignore[type-var]
            yield written.begin() + written.feed(first)
            async for new in pieces:
                yield written.feed(new)
            yield written.end()
            house.over(request, answering)
    except Problem as problem:
        yield event(problem.body())
    finally:
        await answering.__aexit__()
