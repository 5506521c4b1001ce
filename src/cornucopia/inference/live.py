"""A running batch that requests enter and leave one by one, and the one for engines that only stream."""

from __future__ import annotations

import queue
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, Protocol

from cornucopia.core.errors import CornucopiaError, DataError, UsageError
from cornucopia.inference.request import Event, Reply, Request, Sampling
from cornucopia.records.schema import Record

WAIT = 0.05  # seconds that a step waits for others' pieces


class Live(Protocol):
    """Requests in work, each with its own sampling settings. All methods are called from one thread.

    Nothing is worked on but in `step`, so whoever holds it decides when: a server between its connections, a trainer
    between its updates. A request that fails ends with an error reply and harms no other.
    """

    @abstractmethod
    def submit(self, request: Request, sampling: Sampling, *, engine: Any = None, logprobs: int | None = None) -> None:
        """Take a request in; it enters the batch as soon as there is room.

        Args:
            request: its id must not be that of another in work.
            sampling: of this request alone.
            engine: answer it as this engine, one that `serves` takes, would; by default as the one this was made by.
            logprobs: with each token tell its log-probability and so many of the likeliest; None for neither.

        Raises:
            UsageError: the id is in work, or something is asked for that `limits` does not offer.
        """
        ...

    @abstractmethod
    def cancel(self, id: str) -> None:
        """Forget a request: no event of it follows, and its place is free at the next step. Unknown ids do no harm."""
        ...

    @abstractmethod
    def step(self) -> list[Event]:
        """Work a little on all that is in (one token for each, or a piece of a prompt) and tell what came of it.

        Returns soon, with or without events; at once with none when nothing is in work.
        """
        ...

    @property
    @abstractmethod
    def busy(self) -> int:
        """How many requests are in work or wait."""
        ...

    def serves(self, engine: Any) -> bool:
        """Whether requests of this other engine may be submitted: another adapter on the same base in memory."""
        return False

    def close(self) -> None:
        """Forget all requests and give memory back."""


class ThreadedLive(Live):
    """A thread for each request over an engine's `stream`.

    Args:
        stream: see Engine.
        concurrency: most streams at a time.
    """

    def __init__(self, stream: Callable[[Record, Sampling], Generator[str, None, Reply]], concurrency: int) -> None:
        self._stream, self._free = stream, max(1, concurrency)
        self._waiting: deque[tuple[Request, Sampling]] = deque()
        self._stops: dict[str, threading.Event] = {}  # of the requests in work, the waiting ones included
        self._events: queue.SimpleQueue[tuple[threading.Event, Event | None]] = queue.SimpleQueue()

    def submit(self, request: Request, sampling: Sampling, *, engine: Any = None, logprobs: int | None = None) -> None:
        """See Live."""
        if request.id in self._stops:
            raise UsageError("这个请求已经在回答", found=request.id, fix="每个请求用不同的 id")
        if request.ids or logprobs is not None or engine is not None:
            raise UsageError("这个引擎不能按词元接着写，也不给对数概率", found=request.id, fix="用本地模型")
        self._stops[request.id] = threading.Event()
        self._waiting.append((request, sampling))

    def cancel(self, id: str) -> None:
        """See Live; the thread ends with the next piece it gets."""
        if stop := self._stops.pop(id, None):
            stop.set()
            self._waiting = deque(item for item in self._waiting if item[0].id != id)

    def step(self) -> list[Event]:
        """See Live; waits a moment for the first event."""
        while self._waiting and self._free:
            request, sampling = self._waiting.popleft()
            self._free -= 1
            # Daemon threads: the end of the program must not wait for a server that hangs.
            threading.Thread(target=self._work, args=(request, sampling, self._stops[request.id]), daemon=True).start()
        events: list[Event] = []
        try:
            events += self._take(self._events.get(timeout=WAIT)) if self._stops else []
            while True:
                events += self._take(self._events.get_nowait())
        except queue.Empty:
            return events

    def _take(self, item: tuple[threading.Event, Event | None]) -> list[Event]:
        stop, event = item
        if event is None:  # the thread is over
            self._free += 1
        if event is None or stop.is_set():
            return []
        if event.reply is not None:
            del self._stops[event.id]
        return [event]

    @property
    def busy(self) -> int:
        """See Live."""
        return len(self._stops)

    def close(self) -> None:
        """See Live."""
        for id in list(self._stops):
            self.cancel(id)

    def _work(self, request: Request, sampling: Sampling, stop: threading.Event) -> None:
        try:
            self._events.put((stop, Event(request.id, reply=self._answer(request, sampling, stop))))
        finally:
            self._events.put((stop, None))

    def _answer(self, request: Request, sampling: Sampling, stop: threading.Event) -> Reply:
        try:
            with closing(self._stream(request.record, sampling)) as pieces:
                while not stop.is_set():
                    self._events.put((stop, Event(request.id, next(pieces))))
        except StopIteration as end:
            return Reply(**{**vars(end.value), "id": request.id})
        except CornucopiaError as error:
            asked = isinstance(error, UsageError | DataError)
            told = " ".join(str(error).split())
            return Reply(request.id, "", "error", error=told, failure="prompt" if asked else "")
        except Exception as error:  # whatever a library raises must end this request alone
            return Reply(request.id, "", "error", error=f"生成失败：{type(error).__name__}: {str(error)[:200]}")
        return Reply(request.id, "", "error", error="已取消")
