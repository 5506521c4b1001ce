"""One host of a crawl: its queue, its pace, its robots.txt. Every request to it waits for its turn here."""

from __future__ import annotations

import asyncio
import email.utils
import heapq
import random
import time
from collections.abc import Mapping

from cornucopia.sources.web.robots import Robots
from cornucopia.sources.web.store import Known

GIVE_UP = 8  # addresses in a row without an answer, after which a host is left alone for this run


class Host:
    """State of one host during one run.

    Args:
        rate: requests a second at most.
    """

    def __init__(self, rate: float) -> None:
        self.interval = 1 / rate
        self.asked_delay = 0.0  # seconds, by robots.txt
        self.closed = ""  # why it is left alone for this run, in Chinese
        self.failures = 0
        self.workers = 0
        self.robots: dict[str, Robots] = {}
        self.robots_lock = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._next = 0.0
        self._queue: list[tuple[int, int, Known]] = []
        self._met = 0

    def push(self, one: Known) -> None:
        self._met += 1
        heapq.heappush(self._queue, (one.depth, self._met, one))

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def pop(self) -> Known | None:
        """The waiting address nearest to a start."""
        return heapq.heappop(self._queue)[2] if self._queue and not self.closed else None

    async def turn(self) -> None:
        """Wait until the next request may be sent: the interval with up to half of it more or less, and never less
        than robots.txt asks for."""
        async with self._turn:
            while (wait := self._next - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            pause = max(self.interval * random.uniform(0.5, 1.5), self.asked_delay)
            self._next = time.monotonic() + pause

    def rest(self, seconds: float) -> None:
        """No request before so many seconds have passed."""
        self._next = max(self._next, time.monotonic() + seconds)

    def heard(self, answered: bool) -> None:
        """Count answers that did not come; after some in a row the host is closed."""
        self.failures = 0 if answered else self.failures + 1
        if self.failures >= GIVE_UP:
            self.closed = f"连续 {self.failures} 个网址没有回答，这次先停下"


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a Retry-After header asks to wait (a number or a date); 0 where it says nothing readable."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError, OSError):
        return 0.0
