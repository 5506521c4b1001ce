"""What every request passes before any route: who asks, how often, and one line in the log after it."""

from __future__ import annotations

import secrets
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cornucopia.core.jsonl import to_json
from cornucopia.serving.event_response import Gone
from cornucopia.serving.house import House
from cornucopia.serving.json_response import json_response
from cornucopia.serving.page.routes import is_counted, is_open
from cornucopia.serving.problems import Problem
from cornucopia.serving.settings import HERE

GONE = 499  # nginx' status for a caller who did not wait
Receive = Callable[[], Awaitable[Any]]
_SAID = {404: "没有这个路径", 405: "这个路径不收这种方法"}


class Door:
    """ASGI middleware round the application.

    Args:
        app: what is inside.
        house: the server's parts.
        log: gets a line for each request; standard error by default.
    """

    def __init__(self, app: Any, house: House, log: Callable[[str], None] | None = None) -> None:
        self._app, self._house = app, house
        self._log = log or (lambda line: print(line, file=sys.stderr, flush=True))

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        """Let a request through, or refuse it; never raises."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun, status = time.monotonic(), 0
        scope["cornucopia_id"], scope["cornucopia"] = secrets.token_hex(12), {}

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", scope["cornucopia_id"].encode())]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, counted)
        except Problem as problem:
            await _response(problem, scope)(scope, receive, counted)
        except Exception as error:  # the answer had begun: what is left is to close the connection
            scope["cornucopia"]["broken"] = f"{type(error).__name__}: {error}"[:200]
        finally:
            self._note(scope, status, time.monotonic() - begun)

    def _check(self, scope: Any) -> None:
        """
        Raises:
            Problem: the request may not come in.
        """
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        keys = self._house.keys
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        # Without keys a page of some site could speak to this machine's port by a name of its own (DNS rebinding).
        if not keys.wanted and host not in HERE:
            raise Problem(403, "没有设密钥的服务只回答本机：用 127.0.0.1 或 localhost 访问")
        origin = headers.get("origin", "")
        if origin and (urlsplit(origin).netloc or origin) != headers.get("host", ""):
            raise Problem(403, "不回答别的网站的页面")
        if scope["path"] == "/health" or is_open(scope["method"], scope["path"]):  # without a key
            return
        name = keys.name_of(headers.get("authorization", ""))
        if name is None:
            raise Problem(401, "没有密钥，或密钥不对：Authorization: Bearer 密钥", code="invalid_api_key")
        scope["cornucopia_key"] = name
        if is_counted(scope["path"]) and (wait := keys.wait(name)):
            rate = self._house.settings.requests_per_minute
            raise Problem(429, f"每分钟最多 {rate:g} 个请求", code="rate_limit_exceeded", wait=wait)

    def _note(self, scope: Any, status: int, seconds: float) -> None:
        facts = scope["cornucopia"]
        path = facts.pop("path", "other")  # a route's, never what a caller made up
        self._house.meters.request(path, status)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "id": scope["cornucopia_id"], "method": scope["method"],
            "path": path, "status": status, "seconds": round(seconds, 3), "key": scope.get("cornucopia_key", ""),
            **facts,
        }  # fmt: skip
        try:
            self._log(to_json(line))
        except OSError:  # a full disk, or a reader that is gone: the answer is worth more than its line
            self._house.meters.unwritten.inc()


async def told(request: Request, error: Exception) -> Response:
    """The response for what a route raised."""
    if isinstance(error, Gone | ClientDisconnect):
        return Response(status_code=GONE)
    if isinstance(error, HTTPException):
        error = Problem(error.status_code, _SAID.get(error.status_code, str(error.detail)))
    if not isinstance(error, Problem):
        traceback.print_exception(error)
        error = Problem(500, "服务器内部出错，原因在服务器的日志里")
    return _response(error, request.scope)


def _response(problem: Problem, scope: Any) -> Response:
    scope["cornucopia"]["error"] = problem.message
    return json_response(problem.body(), problem.status, problem.headers())
