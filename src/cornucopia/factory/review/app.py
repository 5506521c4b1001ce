"""The review page's local server: the page, its records and its verdicts, for this machine's browser alone."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from cornucopia.core.errors import ConfigError, CornucopiaError
from cornucopia.factory.review.decisions import Decision
from cornucopia.factory.review.session import Session

if TYPE_CHECKING:
    from fastapi import FastAPI

_HERE = Path(__file__).parent
_LOCAL = {"127.0.0.1", "localhost", "::1"}


class Verdict(BaseModel):
    """The body of a decision."""

    number: int
    verdict: str
    turns: dict[str, str] = {}
    note: str = ""


def make_app(session: Session, token: str = "") -> FastAPI:
    """The server's application.

    A page of another site can neither read nor decide: the host's name must be this machine's, a request must carry the
    token that only the page served here knows, and the policy lets the page speak to nobody else.

    Args:
        session: what is reviewed.
        token: of this run; drawn by chance when not given.

    Raises:
        ConfigError: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI
        from fastapi.responses import HTMLResponse, JSONResponse
    except ImportError:
        fix = 'pip install "cornucopia-fin[page]"（在项目里：pip install -e ".[page]"）'
        raise ConfigError("审阅页需要 FastAPI 和 uvicorn", fix=fix) from None
    token = token or secrets.token_urlsafe(16)
    page, policy = _page(token)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def told(_: Any, error: Any) -> JSONResponse:
        return JSONResponse({"error": error.what if isinstance(error, CornucopiaError) else "磁盘写不进去了"}, 400)

    app.middleware("http")(_guard(token))
    app.add_exception_handler(CornucopiaError, told)
    app.add_exception_handler(OSError, told)
    app.get("/")(lambda: HTMLResponse(page, headers={"Content-Security-Policy": policy}))
    app.get("/api/summary")(session.summary)
    app.get("/api/queue")(session.queue)
    app.get("/api/records/{number}")(session.record)

    @app.post("/api/decisions")
    async def decide(verdict: Verdict) -> dict[str, Any]:
        session.decide(verdict.number, Decision(verdict.verdict, verdict.turns, verdict.note))
        return session.summary()

    @app.post("/api/undo")
    async def undo() -> dict[str, Any]:
        return {"number": session.undo(), **session.summary()}

    return app


def _guard(token: str) -> Any:
    """What every request passes: this machine's name, and for data the token of this run."""
    from fastapi.responses import JSONResponse

    async def guard(request: Any, call_next: Any) -> Any:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if host not in _LOCAL:
            return JSONResponse({"error": "只服务本机"}, 403)
        if request.url.path.startswith("/api/") and request.headers.get("x-token") != token:
            return JSONResponse({"error": "不是这一次审阅的页面，请刷新"}, 403)
        response = await call_next(request)
        response.headers.update({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
        return response

    return guard


def _page(token: str) -> tuple[str, str]:
    """The page with its style and script inside, and a policy that allows these two and no other."""
    style, script = _source("review.css"), _source("review.js")
    html = _source("review.html").replace("{{style}}", style).replace("{{script}}", script).replace("{{token}}", token)
    policy = (
        f"default-src 'none'; connect-src 'self'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:"
    )
    return html, policy


def _source(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
