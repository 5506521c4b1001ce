"""robots.txt of one origin (RFC 9309): what may be asked for, how often, and where the sitemaps are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cornucopia.core.errors import CornucopiaError
from cornucopia.sources.web.address import normalise
from cornucopia.sources.web.fetch import PASSING, ROBOT, Answer

_MOST = 512_000  # characters that are read: RFC 9309 2.5 wants 500 KiB at least
_HOPS = 5  # redirects that are followed: RFC 9309 2.3.1.2


@dataclass(frozen=True)
class Robots:
    """The rules of an origin.

    Args:
        problem: why nothing may be asked for, in Chinese, or ''.
        rules: Protego's, or None where everything may be.
    """

    problem: str = ""
    rules: Any = None

    def allows(self, address: str) -> bool:
        return not self.problem and (self.rules is None or self.rules.can_fetch(address, ROBOT))

    @property
    def delay(self) -> float:
        """Seconds between two requests that the site asks for (Crawl-delay, Request-rate); 0 where it says nothing."""
        if self.rules is None:
            return 0.0
        rate = self.rules.request_rate(ROBOT)
        slow = rate.seconds / rate.requests if rate and rate.requests else 0.0
        return max(float(self.rules.crawl_delay(ROBOT) or 0), slow, 0.0)

    @property
    def sitemaps(self) -> list[str]:
        return list(self.rules.sitemaps) if self.rules is not None else []


def read_robots(text: str) -> Robots:
    """The rules in a file's text; what is no rule is passed over."""
    try:
        from protego import Protego
    except ImportError:
        fix = '运行 pip install "cornucopia-fin[data]"（在源码目录里：pip install -e ".[data]"）'
        raise CornucopiaError("读 robots.txt 需要 protego", fix=fix) from None
    return Robots(rules=Protego.parse(text[:_MOST]))


async def ask_robots(
    origin: str, get: Callable[[str], Awaitable[Answer]], serves_origin: Callable[[str], bool]
) -> Robots:
    """Fetch and read robots.txt.

    A missing one (4xx) allows everything. While it cannot be had (5xx, 429, no answer) nothing is allowed, nor where it
    has moved to a host outside the crawl.

    Args:
        origin: scheme, host and port.
        get: fetches, with its retries.
        serves_origin: whether an address is on a host of the crawl.
    """
    address = f"{origin}/robots.txt"
    for _ in range(_HOPS + 1):
        answer = await get(address)
        if answer.problem or answer.status in PASSING or answer.status >= 500:
            return Robots(f"robots.txt 拿不到（{answer.detail or answer.status}）")
        if answer.status == 200:
            return read_robots(answer.body.decode("utf-8-sig", "replace"))
        if not (300 <= answer.status < 400 and answer.headers.get("location")):
            return Robots()
        address = normalise(answer.headers["location"], address)
        if not address or not serves_origin(address):
            return Robots("robots.txt 转到了允许范围之外")
    return Robots()
