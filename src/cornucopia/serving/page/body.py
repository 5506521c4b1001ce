"""The body of a request by which the page changes something."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from cornucopia.serving.house import House
from cornucopia.serving.problems import Problem


async def page_body(house: House, request: Request) -> dict[str, Any]:
    """The JSON object that the page sent to change something.

    Raises:
        Problem: it is none, or a form of another site could have sent it.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "content-type 应是 application/json")
    return await house.body(request)
