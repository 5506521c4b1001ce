"""Waiting for a service: how fast to ask, how long until the next try, and telling what is waited for."""

from __future__ import annotations

import random
import threading
import time
from email.utils import parsedate_to_datetime

from cornucopia.core.console import say

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds: back-off
TELL_AFTER, TELL_AGAIN = 10.0, 30.0  # seconds of silence before the user is told what is waited for, and told again


class Pace:
    """Spreads the starts of requests evenly, over all threads."""

    def __init__(self, per_minute: float) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next, self._lock = 0.0, threading.Lock()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for this thread's turn; True when `stop` was set meanwhile."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        return stop.wait(turn - now) if turn > now else stop.is_set()


class Patience:
    """Tells the user on standard error what is waited for, when nothing has come for a while.

    As a context it watches by a thread of its own; `seen()` says that something came.
    """

    def __init__(self, what: str) -> None:
        self.what, self.problem, self.tries = what, "", 0
        self._seen, self._over = time.monotonic(), threading.Event()

    def seen(self) -> None:
        """Something came: the silence begins anew."""
        self._seen = time.monotonic()

    def __enter__(self) -> Patience:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        told = 0.0
        while not self._over.wait(min(TELL_AFTER / 4, 1.0)):
            now = time.monotonic()
            if now - self._seen >= TELL_AFTER and now - max(told, self._seen) >= (
                TELL_AGAIN if told > self._seen else 0
            ):
                told = now
                last = f"；上一次：{self.problem}" if self.problem else ""
                say(f"还在等 {self.what} 的回答，已 {now - self._seen:.0f} 秒{last}（Ctrl-C 可停，已有的回答都在）")


def wait_seconds(attempt: int, asked: str | None) -> float:
    """Seconds before the next try: what the server asks for (seconds or an HTTP date), else exponential with jitter."""
    wanted = retry_after(asked)
    if wanted is not None:
        return wanted + random.uniform(0, FIRST_WAIT)
    return min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 30)) * random.uniform(0.5, 1.0)


def retry_after(value: str | None) -> float | None:
    """A Retry-After header (RFC 9110, 10.2.3) in seconds from now; None when it is absent or cannot be read."""
    if not value:
        return None
    try:
        seconds = float(value)
        return seconds if 0 <= seconds < float("inf") else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None
