"""Functions run in a process of their own: a file made to crash, hang or fill the memory costs that process only.

One line of JSON each way. The process is started at the first call, kept for the next ones, and started again after it
had to be ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cornucopia.core.errors import CornucopiaError, first_line

MEMORY = 4 * 2**30  # bytes of address space the process may take (where the system can limit it)
_START = 60.0  # seconds for the process to start and import its libraries


class ApartError(Exception):
    """The call did not give a result; its message says why, in Chinese."""


class Apart:
    """Calls functions by "module:name" with JSON arguments and a limit of time; to be used in a `with`.

    Args:
        memory: bytes of address space that a call may take.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()

    def call(self, target: str, *arguments: Any, seconds: float) -> Any:
        """The function's result.

        Args:
            target: "module:function"; its arguments and result can be written as JSON.
            arguments: handed to it.
            seconds: after which the process is ended.

        Raises:
            ApartError: it took too long, crashed, ran out of memory, or raised.
        """
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([target, arguments]).encode() + b"\n")
            process.stdin.flush()
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self.close()
            raise ApartError(f"超过 {seconds:g} 秒还没有读完") from None
        except OSError:
            line = b""
        if not line:
            self.close()
            raise ApartError("读的时候程序崩溃了（文件损坏，或内存超出上限）")
        ok, value = json.loads(line)
        if not ok:
            raise ApartError(value)
        return value

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            source = str(Path(__file__).resolve().parents[2])
            path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cornucopia.sources.apart", str(self._memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
            self._lines = queue.Queue()
            threading.Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True).start()
            with contextlib.suppress(queue.Empty):
                if not self._lines.get(timeout=_START):
                    self.close()
                    raise ApartError("读文件的进程没有起来")
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Apart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pump(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Every line, and an empty one at the end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _serve(memory: int) -> None:
    """The other side: answer calls until standard input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    _answer(answers, True, "")
    for line in sys.stdin.buffer:
        target, arguments = json.loads(line)
        module, _, name = target.partition(":")
        try:
            _answer(answers, True, getattr(importlib.import_module(module), name)(*arguments))
        except CornucopiaError as error:
            _answer(answers, False, "；".join(part for part in (error.what, error.found, error.fix) if part))
        except MemoryError:
            _answer(answers, False, "内存超出上限")
        except RecursionError:
            _answer(answers, False, "嵌套太深")
        except Exception as error:  # whatever a library makes of a broken file is told as the reason
            _answer(answers, False, f"文件损坏，读不出：{type(error).__name__} {first_line(error, 120)}")


def _answer(stream: IO[bytes], ok: bool, value: Any) -> None:
    stream.write(json.dumps([ok, value]).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
