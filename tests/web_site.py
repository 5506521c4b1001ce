"""A local web site for the crawler: pages by path, scripted misbehaviour, and every request that came."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What the site serves and what it was asked.

    Args:
        pages: path with query -> text or bytes (HTML in UTF-8), (status, headers, body), or a function of the handler
            that answers by itself or returns one of these.
    """

    pages: dict[str, Any] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    headers: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    url: str = ""
    host: str = ""
    lock: Any = field(default_factory=threading.Lock)

    @property
    def paths(self) -> list[str]:
        """Requests but for robots.txt and sitemap.xml, sorted."""
        return sorted(path for path in self.hits if path not in ("/robots.txt", "/sitemap.xml"))


@contextmanager
def web_site() -> Iterator[Site]:
    """Run a site on a free port of 127.0.0.1."""
    site = Site()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    site.host = f"127.0.0.1:{server.server_port}"
    site.url = f"http://{site.host}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def page(*links: str, text: str = "正文", head: str = "") -> str:
    """A page of HTML with links."""
    anchors = "".join(f'<a href="{link}">链接</a>' for link in links)
    return f"<!doctype html><html><head><title>{text}</title>{head}</head><body><p>{text}</p>{anchors}</body></html>"


def drip(seconds: float, times: int = 200) -> Callable[[Any], None]:
    """A body that comes a byte at a time."""

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        for _ in range(times):
            handler.wfile.write(b"x")
            time.sleep(seconds)

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet where a client went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.site
        with site.lock:
            site.hits.append(self.path)
            site.times.setdefault(self.path, []).append(time.monotonic())
            site.headers.setdefault(self.path, []).append({k.lower(): v for k, v in self.headers.items()})
        made = site.pages.get(self.path) or (site.pages.get("*") if self.path in site.paths else None)
        with suppress(BrokenPipeError, ConnectionResetError):
            if callable(made):
                self.close_connection = True
                made = made(self)
                if made is None:
                    return
            self._send(*(made if isinstance(made, tuple) else (200, {}, made) if made else (404, {}, "没有")))

    def _send(self, status: int, headers: dict[str, str], body: str | bytes) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        sent = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(data))} | headers
        for name, value in sent.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
