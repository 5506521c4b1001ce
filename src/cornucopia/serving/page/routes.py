"""The page's files and its API's routes. The files are those of this package, read once: no path of HTTP is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.serving.house import House
from cornucopia.serving.json_response import json_response
from cornucopia.serving.page.talk_routes import TalkRoutes
from cornucopia.serving.problems import Problem

Answer = Callable[[Request], Awaitable[Response]]
Add = Callable[[str, str, Answer], None]  # path, method, what answers

_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# Nothing but the page's own files runs or is fetched, whatever a model writes.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again each time, and answered 304
}
REPORTS = "/page/report/"  # what follows is a ticket


def is_counted(path: str) -> bool:
    """Whether a request counts towards a key's rate: keeping an answer that was counted, or watching, does not."""
    return not path.startswith(("/page/api/talks", "/page/api/board/"))


def is_open(method: str, path: str) -> bool:
    """Whether it is one of the page's files, which are shown before a key is entered, or is asked for by a ticket."""
    own = path == "/" or (path.startswith("/page/") and path[6:] in _FILES) or path.startswith(REPORTS)
    return own and method in ("GET", "HEAD")


def add_page(add: Add, house: House) -> None:
    """Add the page's routes.

    Args:
        add: adds one to the application.
        house: the server's parts; `house.settings.state` is the folder for what the page keeps.
    """
    add("/", "GET", lambda request: _file(request, "page.html"))
    add("/page/api/models", "GET", lambda _: _models(house))
    talks = TalkRoutes(house)
    add("/page/api/talks", "GET", talks.list)
    add("/page/api/talks/{id}", "GET", talks.read)
    add("/page/api/talks/{id}", "POST", talks.change)
    add("/page/api/talks/{id}", "DELETE", talks.delete)
    add("/page/{name}", "GET", lambda request: _file(request, request.path_params["name"]))


def _read() -> dict[str, Response]:
    """Name -> the response with a file of this package."""
    found = {}
    for path in Path(__file__).parent.iterdir():
        if path.suffix in _MEDIA:
            data = path.read_bytes()
            headers = {**_HEADERS, "ETag": f'"{hashlib.sha256(data).hexdigest()[:20]}"'}
            found[path.name] = Response(data, 200, headers, media_type=_MEDIA[path.suffix])
    return found


_FILES = _read()


async def _models(house: House) -> Response:
    """The models as the page offers them: an engine tells what it can once it is loaded; an endpoint may see images."""
    found = []
    for name, model in house.shelf.table.items():
        served = house.shelf.served(name)
        images = served.engine.limits().images if served else bool(model.address[0])
        found.append({"id": name, "loaded": served is not None, "images": images})
    return json_response({"models": found})


async def _file(request: Request, name: str) -> Response:
    response = _FILES.get(name)
    if response is None:
        raise Problem(404, "没有这个路径")
    if request.headers.get("if-none-match") == response.headers["etag"]:
        return Response(status_code=304, headers={**_HEADERS, "ETag": response.headers["etag"]})
    return response
