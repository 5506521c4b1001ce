"""The server's application: which path is answered by what."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from cornucopia.core.errors import ConfigError
from cornucopia.inference.grammar import INSTALL
from cornucopia.serving.settings import ServeSettings


def make_app(settings: ServeSettings, log: Callable[[str], None] | None = None) -> Any:
    """The ASGI application.

    Args:
        settings: what it is told.
        log: gets a line of JSON for each request; standard error by default.

    Raises:
        ConfigError: the models' table or the keys are wrong, it is open to others without a key, or FastAPI is not
            installed. DataError: the comparison for the arena cannot be read.
    """
    try:
        import prometheus_client  # noqa: F401
        from fastapi import FastAPI
    except ImportError:
        raise ConfigError("cornucopia serve 要用 FastAPI、uvicorn 和 prometheus-client", fix=INSTALL) from None
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

    from cornucopia.serving.door import Door, told
    from cornucopia.serving.event_response import Gone
    from cornucopia.serving.house import House
    from cornucopia.serving.keys import Keys, read_keys
    from cornucopia.serving.meters import Meters
    from cornucopia.serving.problems import Problem
    from cornucopia.serving.shelf import Shelf

    table, keys = settings.table(), read_keys(settings.keys_file, settings.keys_env)
    if settings.open_to_others and not keys:
        fix = f"--keys-file 密钥.txt，或 export {settings.keys_env}=密钥"
        raise ConfigError("让别的机器访问必须有密钥", where=f"--host {settings.host}", fix=fix)
    shelf = Shelf(table, settings.memory_gb, settings.timeout)
    house = House(settings, shelf, Keys(keys, settings.requests_per_minute), Meters(shelf))

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await shelf.close()
        for close in house.closing:
            close()

    app = FastAPI(title="Cornucopia", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    _add_routes(app, house)
    for kind in (Problem, Gone, ClientDisconnect, HTTPException, Exception):
        app.add_exception_handler(kind, told)
    return Door(app, house, log)


def _add_routes(app: Any, house: Any) -> None:
    from starlette.requests import Request
    from starlette.responses import Response

    from cornucopia.serving.chat import chat
    from cornucopia.serving.completions import complete
    from cornucopia.serving.embeddings import embed
    from cornucopia.serving.house import note
    from cornucopia.serving.older import Talks, older
    from cornucopia.serving.page.arena import add_arena
    from cornucopia.serving.page.routes import add_page
    from cornucopia.serving.responses import Responses, one_response, respond

    talks, held = Talks(), Responses()

    def add(path: str, method: str, answer: Callable[[Request], Awaitable[Response]]) -> None:
        async def endpoint(request: Request) -> Response:
            note(request, path=path)
            return await answer(request)

        app.add_route(path, endpoint, methods=[method])

    add("/v1/chat/completions", "POST", lambda request: chat(house, request))
    add("/v1/completions", "POST", lambda request: complete(house, request))
    add("/v1/responses", "POST", lambda request: respond(house, held, request))
    for method in ("GET", "DELETE"):
        add("/v1/responses/{id}", method, lambda request: one_response(held, request))
    add("/v1/embeddings", "POST", lambda request: embed(house, request))
    add("/", "POST", lambda request: older(house, talks, request))
    _add_tellings(add, house)
    add_page(add, house)
    add_arena(add, house)
    if house.settings.board:
        from cornucopia.serving.board.routes import add_board

        add_board(add, house)


def _add_tellings(add: Callable[..., None], house: Any) -> None:
    """What the server tells of itself: its models, its health, its figures."""
    from starlette.requests import Request
    from starlette.responses import Response

    from cornucopia.serving.json_response import json_response

    begun = int(time.time())

    def described(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": begun, "owned_by": "cornucopia"}

    async def models(_: Request) -> Response:
        return json_response({"object": "list", "data": [described(name) for name in house.shelf.table]})

    async def model(request: Request) -> Response:
        name = request.path_params["name"]
        house.shelf.find(name)
        return json_response(described(name))

    async def health(_: Request) -> Response:
        return json_response({"status": "ok", "models": len(house.shelf.table), "loaded": len(house.shelf.loaded)})

    async def metrics(_: Request) -> Response:
        return Response(house.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    add("/v1/models", "GET", models)
    add("/v1/models/{name:path}", "GET", model)
    add("/health", "GET", health)
    add("/metrics", "GET", metrics)
