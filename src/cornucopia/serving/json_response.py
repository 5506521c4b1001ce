"""JSON as it is sent: UTF-8, no NaN."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from cornucopia.core.jsonl import to_json


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with `value` in it."""
    return Response(to_json(value), status, headers, media_type="application/json")
