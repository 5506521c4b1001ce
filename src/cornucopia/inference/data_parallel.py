"""One local model in several processes, each with a copy: what is asked is dealt out among them.

The groups that a batch is made of (`TransformersEngine.plan`) are dealt whole, so that answers are those of one
process; scores differ in the last bits at most, as between batches of other sizes. With several GPUs each process sees
one of them; on a CPU the cores are shared out.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from cornucopia.core import console
from cornucopia.core.errors import CornucopiaError, ModelError
from cornucopia.inference.engine import Engine, Limits, Reply, Request, Sampling, Score, TokenSpan
from cornucopia.records.schema import Record

if TYPE_CHECKING:
    from cornucopia.inference.transformers_engine import TransformersEngine

Open = Callable[[], Engine]
PIECES = 4  # scored pieces for each process, so that none waits long for another
LEAST = 32  # texts of a piece: fewer share too little of what they begin with


def open_parallel(open_one: Open, processes: int) -> Engine:
    """The engine that `open_one` opens, in as many processes; engines behind an address or with a server stay one.

    Args:
        open_one: opens the engine; picklable, since every process calls it.
        processes: how many, this one among them.

    Raises:
        CornucopiaError: the model cannot be opened, here or in another process.
    """
    from cornucopia.inference.transformers_engine import TransformersEngine

    first = open_one()
    if processes == 1:
        return first
    if not isinstance(first, TransformersEngine):
        console.warn(f"--processes 只管直接加载的本地模型；{type(first).__name__} 自己并行，仍是一个进程")
        return first
    return DataParallel(first, open_one, processes)


class DataParallel(Engine):
    """See `open_parallel`; `close` ends the other processes."""

    def __init__(self, first: TransformersEngine, open_one: Open, processes: int) -> None:
        import torch

        self.first, self.tokenizer, self.template = first, first.tokenizer, first.template
        cards = torch.cuda.device_count() if first.shared.device.type == "cuda" else 0
        threads = max((os.cpu_count() or 1) // processes, 1)
        if not cards:
            torch.set_num_threads(min(threads, torch.get_num_threads()))
        context = multiprocessing.get_context("spawn")
        self.helpers = [
            _Helper(context, open_one, _environment(place, cards, threads)) for place in range(1, processes)
        ]
        for helper in self.helpers:
            self._guarded(helper.opened)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """See Engine; replies of all processes as they finish."""
        groups = self.first.plan(requests, sampling)
        for _, reply in self._dealt([(group, sampling) for group in groups], "generate"):
            yield reply

    def score(self, items: Sequence[Record | TokenSpan]) -> list[Score]:
        """See Engine; neighbours stay together, since they share what they begin with."""
        size = max(-(-len(items) // (PIECES * (len(self.helpers) + 1))), LEAST)
        pieces = [items[start : start + size] for start in range(0, len(items), size)]
        found: dict[int, list[Score]] = {}
        for place, score in self._dealt([(piece,) for piece in pieces], "score"):
            found.setdefault(place, []).append(score)
        return [score for place in range(len(pieces)) for score in found[place]]

    def _dealt(self, work: Sequence[tuple[Any, ...]], method: str) -> Iterator[tuple[int, Any]]:
        """(place of the work, what came of it) of all the work, each taken by the process that is free."""
        left, came = deque(enumerate(work)), SimpleQueue[Any]()
        threads = [Thread(target=helper.work, args=(method, left, came), daemon=True) for helper in self.helpers]
        for thread in threads:
            thread.start()
        try:
            while (job := _next(left)) is not None:
                place, arguments = job
                for one in getattr(self.first, method)(*arguments):
                    yield place, one
            ended = 0
            while ended < len(threads):
                result = came.get()
                if isinstance(result, CornucopiaError):
                    raise result
                ended += result is None
                if result is not None:
                    yield result
        except BaseException:
            self.close()
            raise

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """See Engine; how many processes decides no answer."""
        return self.first.describe(sampling)

    def limits(self) -> Limits:
        """See Engine."""
        return self.first.limits()

    def settings(self, sampling: Sampling) -> Sampling:
        """See Engine."""
        return self.first.settings(sampling)

    def close(self) -> None:
        """End the other processes."""
        for helper in self.helpers:
            helper.close()

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException:
            self.close()
            raise


class _Helper:
    """Another process with the model."""

    def __init__(self, context: Any, open_one: Open, environment: dict[str, str]) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, open_one, environment), daemon=True)
        self.process.start()
        theirs.close()

    def opened(self) -> None:
        """Wait until the model is there."""
        self._received()

    def work(self, method: str, left: deque[tuple[int, Any]], came: SimpleQueue[Any]) -> None:
        """Take work until there is none; results go to `came`, then None, or the error that ended it."""
        try:
            while (job := _next(left)) is not None:
                place, arguments = job
                self._send((method, arguments))
                while (result := self._received()) is not None:
                    came.put((place, result))
            came.put(None)
        except CornucopiaError as error:
            came.put(error)

    def _send(self, what: Any) -> None:
        try:
            self.pipe.send(what)
        except OSError:
            raise self._gone() from None

    def _received(self) -> Any:
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if kind == "error":
            raise ModelError("另一个进程出错", where=f"进程 {self.process.pid}", found=value)
        return value

    def _gone(self) -> ModelError:
        fix = "多半是内存不够：减小 --processes"
        return ModelError("另一个进程停了", where=f"进程 {self.process.pid}", fix=fix)

    def close(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _next(left: deque[tuple[int, Any]]) -> tuple[int, Any] | None:
    try:
        return left.popleft()
    except IndexError:
        return None


def _environment(place: int, cards: int, threads: int) -> dict[str, str]:
    """What a process is to see: its own GPU of those that this one sees, or its share of the cores."""
    if not cards:
        return {"OMP_NUM_THREADS": str(min(threads, int(os.environ.get("OMP_NUM_THREADS") or threads)))}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(cards)))
    return {"CUDA_VISIBLE_DEVICES": seen.split(",")[place % cards]}


def _serve(pipe: Connection, open_one: Open, environment: dict[str, str]) -> None:
    """What another process does: open the model, then work off what is sent, until the pipe is closed."""
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to handle
    console.quiet(True)
    try:
        engine = open_one()
        pipe.send(("done", None))
        while True:
            method, arguments = pipe.recv()
            for result in getattr(engine, method)(*arguments):
                pipe.send(("result", result))
            pipe.send(("done", None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:  # told in the first process
        pipe.send(("error", " ".join(str(error).split()) or type(error).__name__))
