"""Where jobs are done: in this process, in one process a core, or on Ray. Knows nothing of what a job is.

A job may be done twice or half, as when a worker is killed: it is for the job to leave the same files each time.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from cornucopia.core.console import warn
from cornucopia.core.errors import CornucopiaError

Work = Callable[[Any], Any]
_TRIES = 3  # times that a pool is started again after a worker was killed


class Engine(Protocol):
    """Does jobs; closed when the run is over, at once when it was interrupted."""

    def run(self, work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        """`work(job)` of each, in any order; jobs are taken from the iterable as there is room."""
        ...

    def close(self, *, now: bool = False) -> None:
        """Give processes back; with `now` unfinished jobs are given up."""
        ...


class InProcess:
    """One job after another, here."""

    def run(self, work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        return map(work, jobs)

    def close(self, *, now: bool = False) -> None:
        """Nothing is held."""


class Processes:
    """A pool of processes on this machine.

    Args:
        workers: their number.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._others = set(multiprocessing.active_children())  # somebody else's

    def run(self, work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        """
        Raises:
            CornucopiaError: workers were killed again and again.
        """
        left = iter(jobs)
        held: list[Any] = []
        for _ in range(_TRIES):
            lost = []
            for job, result in self._once(work, _chain(held, left)):
                if result is _LOST:
                    lost.append(job)
                else:
                    yield result
            if not lost:
                return
            held = lost
            self.close(now=True)
            warn(f"一个工作进程被杀（多半是内存不够），重做它手上的 {len(lost)} 片")
        fix = "减少 workers 或 shard_records，再运行同一条命令：做完的不会重做"
        raise CornucopiaError("工作进程接连被杀", found=f"试了 {_TRIES} 次，多半是内存不够", fix=fix)

    def _once(self, work: Work, jobs: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        """(job, result or _LOST) until the pool breaks; then what was under way is lost and no more is taken."""
        self._pool = self._pool or ProcessPoolExecutor(
            self._workers, multiprocessing.get_context("spawn"), initializer=_settle
        )
        running: dict[Future[Any], Any] = {}
        broken = False
        while True:
            while not broken and len(running) < 2 * self._workers and (job := next(jobs, _LOST)) is not _LOST:
                try:
                    running[self._pool.submit(work, job)] = job
                except BrokenProcessPool:
                    broken = True
                    yield job, _LOST
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                try:
                    yield job, future.result()
                except BrokenProcessPool:
                    broken = True
                    yield job, _LOST

    def close(self, *, now: bool = False) -> None:
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        if now:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - self._others:
                child.terminate()
        pool.shutdown(wait=True)


_LOST = object()


def _chain(first: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from first
    yield from rest


def _settle() -> None:
    """A worker leaves Ctrl-C to the main process and ends when that does, even when it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # as many workers as cores: threads of their own would only wait
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
