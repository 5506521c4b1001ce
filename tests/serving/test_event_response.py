"""A stream that nobody reads ends."""

import asyncio

import pytest

from cornucopia.serving.event_response import EventResponse


async def silent():
    await asyncio.sleep(60)


def test_a_caller_who_stops_reading_is_given_up_and_the_pieces_are_closed():
    closed = []

    async def pieces():
        try:
            while True:
                yield "data: {}\n\n"
        finally:
            closed.append(True)

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def respond():
        await asyncio.wait_for(EventResponse(pieces(), idle=0.05)({}, silent, send), 10)

    with pytest.raises(TimeoutError, match="没有读"):
        asyncio.run(respond())
    assert closed


def test_an_answer_may_take_longer_than_the_reading_of_a_piece():
    async def pieces():
        for number in range(4):
            await asyncio.sleep(0.03)
            yield str(number)

    sent = []

    async def send(message):
        sent.append(message.get("body", b""))

    asyncio.run(EventResponse(pieces(), idle=0.05)({}, silent, send))
    assert b"".join(sent) == b"0123"
