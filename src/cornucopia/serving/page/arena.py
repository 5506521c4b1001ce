"""The arena's routes: two models answer blind, side by side; votes; the table; pairs to tune with.

Until a vote is cast no reply of these routes holds a model's name, nor what would tell it: errors are told in general
words, token counts are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.comparison.standings import preference_records, standings
from cornucopia.comparison.votes import FILE, Side, Vote, Votes
from cornucopia.comparison.voting import read_answers
from cornucopia.core.console import warn
from cornucopia.core.jsonl import to_json
from cornucopia.inference.request import Limits, Sampling
from cornucopia.records.write import row_of
from cornucopia.serving.answering import Answering, Piece
from cornucopia.serving.ask import read_chat
from cornucopia.serving.chat import ChatWritten
from cornucopia.serving.event_response import while_there
from cornucopia.serving.house import House, id_of
from cornucopia.serving.json_response import json_response
from cornucopia.serving.page.battles import SIDES, SOURCE, Battles, Fight
from cornucopia.serving.page.body import page_body
from cornucopia.serving.page.database import kept
from cornucopia.serving.page.routes import Add
from cornucopia.serving.problems import Problem
from cornucopia.serving.sending import send

_HERE = "/page/api/arena"
_LONGEST = 64  # characters of the name that a browser gives itself


def add_arena(add: Add, house: House) -> None:
    """Add the arena's routes.

    Raises:
        DataError: the comparison's folder that the settings name holds none.
    """
    votes = Votes(Path(house.settings.state) / FILE)
    house.closing.append(votes.close)
    folder = house.settings.arena
    compared = read_answers(folder) if folder else None
    arena = Arena(house, votes, Battles(list(house.shelf.table), votes, compared), str(folder or ""))
    add(_HERE, "GET", arena.about)
    add(f"{_HERE}/standings", "GET", arena.standings)
    add(f"{_HERE}/pairs", "GET", arena.pairs)
    add(f"{_HERE}/battles", "POST", arena.draw)
    add(f"{_HERE}/compared", "POST", arena.draw_compared)
    add(f"{_HERE}/battles/{{id}}/vote", "POST", arena.vote)
    for side in SIDES:
        add(f"{_HERE}/battles/{{id}}/{side}", "POST", partial(arena.answer, side))


class Arena:
    """The routes.

    Args:
        house: the server's parts.
        votes, battles: kept, and under way.
        source: what the votes on the comparison's answers are marked with.
    """

    def __init__(self, house: House, votes: Votes, battles: Battles, source: str) -> None:
        self._house, self._votes, self._battles, self._source = house, votes, battles, source

    async def about(self, _: Request) -> Response:
        """What can be voted on."""
        compared = self._battles.compared
        return json_response({"models": self._battles.enough, "compared": len(compared.battles) if compared else 0})

    async def draw(self, request: Request) -> Response:
        """A battle for {"messages", "voter", …settings of /v1/chat/completions}."""
        body = await page_body(self._house, request)
        voter = _voter(request, body.pop("voter", ""))
        for name in ("model", "n", "stream", "stream_options"):
            body.pop(name, None)
        ask = read_chat(body, Sampling(), Limits(images=True))
        fight = await kept(self._battles.draw, voter, ask.record, body)
        return json_response({"id": fight.id})

    async def draw_compared(self, request: Request) -> Response:
        """A battle of the comparison for {"voter"}: the question and both answers; {} when none is left."""
        body = await page_body(self._house, request)
        fight = await kept(self._battles.draw_compared, _voter(request, body.get("voter", "")))
        if fight is None or fight.offer is None:
            return json_response({})
        asked = [{"role": turn.role, "content": turn.content, "material": text} for turn, text in fight.prompt.turns()]
        return json_response({"id": fight.id, "asked": asked, "answers": fight.offer.answers})

    async def answer(self, side: str, request: Request) -> Response:
        """The answer of one side, as chunks of /v1/chat/completions that name no model."""
        await page_body(self._house, request)
        fight = self._battles.find(request.path_params["id"])
        name = self._battles.ask(fight, side)
        try:
            served, lease = await while_there(request, self._house.lease(name, request))
        except Problem as problem:
            raise _masked(problem) from None
        try:
            ask = read_chat({**fight.body, "stream": True}, served.model.own_sampling(), served.engine.limits())
        except BaseException as error:
            await lease.aclose()
            raise _masked(error) if isinstance(error, Problem) else error from None
        timeout = self._house.settings.timeout
        blind = Blind(id_of(request), served, ask, timeout=timeout, lease=lease, fight=fight, side=side)
        return await send(self._house, request, blind, ChatWritten(blind, model=""))

    async def vote(self, request: Request) -> Response:
        """Keep {"vote": left, right, tie or bad}; who answered, by side."""
        body = await page_body(self._house, request)
        fight = self._battles.find(request.path_params["id"])
        return json_response(await kept(self._battles.cast, fight, str(body.get("vote"))))

    async def standings(self, request: Request) -> Response:
        """The table, of the answers made here or, with ?of=compared, of the comparison's."""
        counted = await asyncio.to_thread(standings, await self._standing(request))
        return json_response(asdict(counted))

    async def pairs(self, request: Request) -> Response:
        """The votes as preference pairs, JSON Lines."""
        records, _ = await asyncio.to_thread(preference_records, await self._standing(request))
        lines = "".join(to_json(row_of(record, "preference")) + "\n" for record in records)
        headers = {"Content-Disposition": 'attachment; filename="pairs.jsonl"'}
        return Response(lines, headers=headers, media_type="application/x-ndjson")

    async def _standing(self, request: Request) -> list[Vote]:
        source = self._source if request.query_params.get("of") == "compared" else SOURCE
        return await kept(partial(self._votes.standing, source=source))


class Blind(Answering):
    """An answer whose failures do not tell whose it is; once whole, it is kept with its battle."""

    def __init__(self, *given: Any, fight: Fight, side: str, **named: Any) -> None:
        super().__init__(*given, **named)
        self._fight, self._side = fight, side

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """See `Answering.pieces`; a problem is told in general words."""
        try:
            async with aclosing(super().pieces()) as pieces:  # type: ignore[type-var]
                async for new in pieces:
                    if self.replies:
                        self._fight.answered(self._side, await self._made())
                    yield new
        except Problem as problem:
            warn(f"竞技场里 {self.served.name} 没有答上来：{problem.message}")
            raise _masked(problem) from None

    async def _made(self) -> Side:
        settings = await asyncio.to_thread(self.served.engine.describe, self.ask.sampling)
        return Side(self.served.name, self.replies[0].answer, settings)


def _masked(problem: Problem) -> Problem:
    said = "问题太长，这一边放不下" if problem.code == "context_length_exceeded" else "这一边没有答上来"
    return Problem(problem.status, f"{said}，再开一局吧", code="no_answer", wait=problem.wait)


def _voter(request: Request, name: Any) -> str:
    """Who votes: the key's name, and what the browser calls itself."""
    if not isinstance(name, str) or len(name) > _LONGEST:
        raise Problem(400, f"voter 应是至多 {_LONGEST} 个字符的文字", param="voter")
    return "/".join(part for part in (request.scope.get("cornucopia_key", ""), name) if part) or "匿名"
