"""/page/api/talks: what the chat tab keeps. The key tells whose it is; without keys all is one owner's."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.core.errors import CornucopiaError
from cornucopia.serving.house import House
from cornucopia.serving.json_response import json_response
from cornucopia.serving.page.body import page_body
from cornucopia.serving.page.database import Database
from cornucopia.serving.page.talks import (
    TABLES,
    Change,
    change_talk,
    check_talk,
    delete_talk,
    list_talks,
    read_talk,
)
from cornucopia.serving.problems import refused


class TalkRoutes:
    """The answers to the routes.

    Args:
        house: the server's parts.
    """

    def __init__(self, house: House) -> None:
        self._house, self._database = house, Database(house, "history.sqlite3", TABLES)

    async def list(self, request: Request) -> Response:
        """GET: the talks; `?words=` those in which they stand, `?whole=1` all of each, to be exported."""
        owner, query = _owner(request), request.query_params
        found: Any = await self._database.read(lambda base: list_talks(base, owner, query.get("words", "")))
        if query.get("whole"):
            found = await self._database.read(lambda base: [read_talk(base, owner, talk["id"]) for talk in found])
        return json_response({"talks": found})

    async def read(self, request: Request) -> Response:
        """GET: one talk."""
        owner, id = _owner(request), check_talk(request.path_params["id"])
        return json_response(await self._database.read(lambda base: read_talk(base, owner, id)))

    async def change(self, request: Request) -> Response:
        """POST: see `Change`."""
        owner, id, body = _owner(request), check_talk(request.path_params["id"]), await page_body(self._house, request)
        try:
            change = Change.build(body, where="对话")
        except CornucopiaError as error:
            raise refused(error) from None
        return json_response(await self._database.write(lambda base: change_talk(base, owner, id, change)))

    async def delete(self, request: Request) -> Response:
        """DELETE: forget one."""
        owner, id = _owner(request), check_talk(request.path_params["id"])
        await self._database.write(lambda base: delete_talk(base, owner, id))
        return json_response({"id": id})


def _owner(request: Request) -> str:
    return str(request.scope.get("cornucopia_key", ""))
