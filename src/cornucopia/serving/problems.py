"""What goes wrong in a request, in the shape that OpenAI's clients read. Knows no web framework."""

from __future__ import annotations

from typing import Any

from cornucopia.core.errors import CornucopiaError

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    405: "invalid_request_error", 413: "invalid_request_error", 429: "rate_limit_error", 503: "server_error",
    504: "timeout_error",
}  # fmt: skip


class Problem(Exception):
    """A request that gets no answer.

    Args:
        status: HTTP status.
        message: for the caller, in Chinese; no path of this machine.
        param: the field it is about, or ''.
        code: a word for programs, or ''.
        wait: seconds after which trying again may help.
    """

    def __init__(self, status: int, message: str, *, param: str = "", code: str = "", wait: float = 0) -> None:
        self.status, self.message, self.param, self.code, self.wait = status, message, param, code, wait
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """The JSON of the response."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        error = {"message": self.message, "type": kind, "param": self.param or None, "code": self.code or None}
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        return {"Retry-After": str(max(1, round(self.wait)))} if self.wait else {}


def refused(error: CornucopiaError, param: str = "") -> Problem:
    """A request whose content we cannot work on."""
    message = "：".join(part for part in (error.what, error.found) if part)
    return Problem(400, f"{message}；{error.fix}" if error.fix else message, param=param or error.where[:60])
