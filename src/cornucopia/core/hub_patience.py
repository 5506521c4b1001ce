"""How long a download waits for a server that gives nothing: every wait is bounded, whatever the fault.

A try fails when next to nothing arrives, or when what arrives is not what was asked for; a few failed tries without
progress end the work. Above the tries a crew of threads is watched, for whatever hangs below them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from cornucopia.core.console import say
from cornucopia.core.errors import HubError

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 3  # tries without progress before giving up
UNFIT_ATTEMPTS = 2  # the same where an answer came at once and was wrong: a log-in page does not go away by asking
FIRST_WAIT = 2.0  # seconds before the second try; doubled each time
LONGEST_WAIT = 60  # seconds that a server may ask us to wait
STALL = 20.0  # seconds in which at least LEAST bytes must come
LEAST = 16_000  # bytes; less than that counts as no progress
HANG = 90.0  # seconds without any news from the threads, longer than the longest wait and a try's time-outs together
T = TypeVar("T")


class Refused(Exception):
    """The server asked to come back later.

    Args:
        after: its Retry-After header.
    """

    def __init__(self, reason: str, after: str = "") -> None:
        super().__init__(reason)
        self.after = int(after) if re.fullmatch(r"\d{1,9}", after) else 0


class Unfit(Exception):
    """An answer came, but not what was asked for; the message says what."""


class Stopped(Exception):
    """Another thread failed, or the user pressed Ctrl-C; what has arrived stays for the next run."""


class Pace:
    """Whether bytes come fast enough: `add` each block as it arrives.

    Raises:
        Unfit: from `add`, after STALL seconds with fewer than LEAST bytes.
    """

    def __init__(self) -> None:
        self._since, self._bytes = time.monotonic(), 0

    def add(self, size: int) -> None:
        """`size` more bytes have come."""
        self._bytes += size
        now = time.monotonic()
        if now - self._since < STALL:
            return
        if self._bytes < LEAST:
            raise Unfit(f"{now - self._since:.0f} 秒只来了 {self._bytes:,} 字节")
        self._since, self._bytes = now, 0


def read(reply: httpx.Response, limit: int) -> bytes:
    """The whole body of a streamed reply.

    Raises:
        Unfit: when it is longer than `limit` bytes or comes too slowly.
    """
    pace, body = Pace(), bytearray()
    for block in reply.iter_bytes():
        body += block
        if len(body) > limit:
            raise Unfit(f"回答超过 {limit:,} 字节，还没有完")
        pace.add(len(block))
    return bytes(body)


def first_bytes(reply: httpx.Response, limit: int = 65_536, seconds: float = 5.0) -> bytes:
    """The beginning of a streamed body, as much as comes easily."""
    import httpx

    body, start = bytearray(), time.monotonic()
    try:
        for block in reply.iter_bytes():
            body += block
            if len(body) >= limit or time.monotonic() - start > seconds:
                break
    except httpx.HTTPError:
        pass
    return bytes(body[:limit])


def retrying(
    work: Callable[[], T],
    name: str,
    address: str,
    elsewhere: str,
    progress: Callable[[], int] = lambda: 0,
    total: int = -1,
    pause: Callable[[float], object] | None = None,
) -> T:
    """`work()`, again after a network failure or an unfit answer, waiting longer each time.

    Args:
        work: what to do; raises httpx.RequestError, Refused or Unfit when it is worth another try.
        name, address: what is fetched, and from where; for the error.
        elsewhere: what else to try; for the error.
        progress: bytes that `work` has gained so far; when it grows by LEAST, failed tries are forgotten.
        total: bytes expected in all, for the error; negative where nobody knows.
        pause: waits that many seconds (time.sleep unless given).

    Raises:
        HubError: after ATTEMPTS (UNFIT_ATTEMPTS) tries without progress, or at once where no other try can help.
    """
    import httpx

    tries, best = 0, progress()
    while True:
        try:
            return work()
        except (httpx.RequestError, Refused, Unfit) as error:
            gained = progress() - best >= LEAST
            tries, best = (1, progress()) if gained else (tries + 1, best)
            after = error.after if isinstance(error, Refused) else 0
            if tries >= (UNFIT_ATTEMPTS if isinstance(error, Unfit) else ATTEMPTS) or _hopeless(error, after):
                have = f"；已有 {progress():,} 字节，应为 {total:,} 字节" if total >= 0 else ""
                raise _given_up(error, name, address, elsewhere, have) from None
            wait = max(FIRST_WAIT * 2 ** (tries - 1), after)
            if wait > 10:
                say(f"{name}：{_reason(error)}，{wait:.0f} 秒后再试")
            (pause or time.sleep)(wait)


def _hopeless(error: Exception, after: int) -> bool:
    import httpx

    return after > LONGEST_WAIT or isinstance(error, (httpx.TooManyRedirects, httpx.UnsupportedProtocol))


def _given_up(error: Exception, name: str, address: str, elsewhere: str, have: str) -> HubError:
    where, kept = f"{name}（{address}）", "已下载的部分会保留，再运行同一条命令即可续传"
    if isinstance(error, Unfit):
        fix = f"先确认网络不用登录、代理没有拦截；{elsewhere}；{kept}"
        return HubError("没有收到要的文件，已停下", where=where, found=f"{error}{have}", fix=fix)
    what = "模型站忙，或出了错" if isinstance(error, Refused) else "连不上模型站"
    return HubError(what, where=where, found=_reason(error) + have, fix=f"{elsewhere}；{kept}")


def _reason(error: Exception) -> str:
    import httpx

    if isinstance(error, httpx.TooManyRedirects):
        return "地址转来转去，绕成了圈"
    if isinstance(error, httpx.TimeoutException):
        return "等了很久没有回音（超时）"
    if isinstance(error, Refused) and error.after:
        return f"{error}，要求等 {error.after} 秒"
    return str(error) or type(error).__name__


class Crew:
    """Jobs in a few daemon threads, watched from the caller's: it ends by itself when nothing moves any more.

    Daemon threads, because one that hangs in the network must not keep the program from ending.
    """

    def __init__(self, hands: int) -> None:
        self.hands, self.stop = hands, threading.Event()
        self._lock, self._moved = threading.Lock(), time.monotonic()

    def beat(self) -> None:
        """Something moved."""
        self._moved = time.monotonic()

    def run(self, jobs: Sequence[Callable[[], T]], hung: HubError) -> list[T]:
        """The jobs' results, in order.

        Args:
            hung: raised when no `beat` came for HANG seconds.

        Raises:
            The first real failure of a job, not the Stopped that it caused in the others.
        """
        results: dict[int, T] = {}
        failures: list[BaseException] = []
        todo = iter(list(enumerate(jobs)))

        def work() -> None:
            while not self.stop.is_set():
                with self._lock:
                    index, job = next(todo, (-1, None))
                if job is None:
                    return
                try:
                    results[index] = job()
                except BaseException as error:
                    failures.append(error)
                    self.stop.set()

        self.beat()
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(self.hands, len(jobs)))]
        try:
            for thread in threads:
                thread.start()
            self._watch(threads, hung)
        finally:
            self.stop.set()
        for failure in sorted(failures, key=lambda error: isinstance(error, Stopped)):
            raise failure
        return [results[index] for index in range(len(jobs))]

    def _watch(self, threads: list[threading.Thread], hung: HubError) -> None:
        for thread in threads:
            while thread.is_alive():
                if time.monotonic() - self._moved > HANG:
                    raise hung
                thread.join(0.1)
