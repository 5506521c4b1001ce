"""One thread that works on one base: it alone touches the Live batch, others speak to it through a queue.

Events go back to the asyncio loop in one call a step. A reader that is slow holds up nobody: its events wait for it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from cornucopia.core.console import warn
from cornucopia.core.errors import CornucopiaError
from cornucopia.inference.engine import Engine
from cornucopia.inference.live import Live
from cornucopia.inference.request import Event, Reply, Request, Sampling

Command = Callable[[], None]


class Worker:
    """A thread over an engine's Live; a broken one is replaced.

    Args:
        engine: the first that is served here.
        loop: where events are delivered.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._loop = engine, loop
        self._live: Live = engine.live()
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._sinks: dict[str, asyncio.Queue[Event | None]] = {}  # touched by the loop's thread alone
        self._thread = threading.Thread(target=self._run, name="cornucopia-worker", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests in work or waiting."""
        return len(self._sinks)

    def serves(self, engine: Any) -> bool:
        """Whether this engine's requests may come here."""
        return self._live.serves(engine)

    def submit(
        self,
        request: Request,
        sampling: Sampling,
        sink: asyncio.Queue[Event | None],
        *,
        engine: Engine,
        logprobs: int | None = None,
        check: Callable[[], str] = lambda: "",
    ) -> None:
        """Ask (called on the loop).

        Args:
            request, sampling, engine, logprobs: see Live.
            sink: gets the request's events, the last with a reply.
            check: why it cannot be answered, or ''; called in the thread.
        """
        self._sinks[request.id] = sink
        other = None if engine is self._engine else engine

        def command() -> None:
            try:
                why = check()
                if not why:
                    return self._live.submit(request, sampling, engine=other, logprobs=logprobs)
            except CornucopiaError as error:
                why = "：".join(part for part in (error.what, error.found) if part)
            self._post([Event(request.id, reply=Reply(request.id, "", "error", error=why, failure="prompt"))])

        self._commands.put(command)

    def cancel(self, id: str) -> None:
        """Forget a request, finished or not (called on the loop)."""
        if self._sinks.pop(id, None) is not None:
            self._commands.put(lambda: self._live.cancel(id))

    async def call(self, work: Callable[[], Any]) -> Any:
        """What `work` returns, done in the thread between two steps."""
        future: Future[Any] = Future()

        def command() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)

        self._commands.put(command)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread; what is in work is forgotten."""
        self._commands.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while True:
            try:
                command = self._commands.get(block=not self._live.busy)
            except queue.Empty:
                command = self._step
            if command is None:
                return self._live.close()
            try:
                command()
            except Exception:  # a fault of ours: those in work are told, and the next ones get a new batch
                traceback.print_exc()
                self._renew()

    def _step(self) -> None:
        if events := self._live.step():
            self._post(events)

    def _renew(self) -> None:
        warn("一批请求意外中断，已重新开始；正在回答的请求得到错误")
        broken, self._live = self._live, self._engine.live()
        broken.close()
        self._loop.call_soon_threadsafe(self._fail_all)

    def _fail_all(self) -> None:
        for id in self._sinks:
            self._deliver(
                [Event(id, reply=Reply(id, "", "error", error="服务器内部出错，请再试一次", failure="service"))]
            )

    def _post(self, events: list[Event]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, events)

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            if sink := self._sinks.get(event.id):
                sink.put_nowait(event)
