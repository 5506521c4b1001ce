"""A server that we start on a free port of 127.0.0.1 and that ends with us, however we end.

Run as a module it starts the command that it is given and ends that command's whole process group when its own input
ends: a process that was killed outright closes its pipes all the same.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from cornucopia.core.console import say
from cornucopia.core.errors import ModelError, first_line

WAIT = 1800  # seconds until it answers: a large model is read from disk, compiled and warmed up
GRACE = 20  # seconds to end by itself
_TELL = 15  # seconds between two lines while it starts
_CAUSE = re.compile(r"\b\w*(Error|Exception): .")
_TELLING = ("error", "no such", "insufficient", "out of memory")


class ChildServer:
    """A running server.

    Args:
        name: as users know it.
        command: the command for a port.
        environment: variables set for it besides our own.
        key_variable: the one in which it finds the key that it must ask for: others use this machine too.
        wait: seconds until its /health must answer.

    Attributes:
        client: an httpx client on its address, with its key.

    Raises:
        ModelError: it cannot be started, ends, or does not answer in time; with its own last words.
    """

    def __init__(
        self, name: str, command: Callable[[int], Sequence[str]], environment: dict[str, str], key_variable: str,
        wait: float = WAIT,
    ) -> None:  # fmt: skip
        import httpx

        self.name = name
        self._key, port = secrets.token_hex(16), _free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - read again until `close`
        words = [sys.executable, "-m", "cornucopia.inference.child_server", *command(port)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, start_new_session=True,
            env={**os.environ, **environment, key_variable: self._key},
        )  # fmt: skip
        # Dropped without `close`: its input ends, and with it the server.
        self._dropped = weakref.finalize(self, _shut, self._process.stdin)
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=httpx.Timeout(600, connect=10),
            headers={"Authorization": f"Bearer {self._key}"}, limits=httpx.Limits(max_connections=None),
        )  # fmt: skip
        try:
            self._await_health(wait)
        except BaseException:
            self.close()
            raise

    def _await_health(self, wait: float) -> None:
        import httpx

        begun = told = time.monotonic()
        while True:
            if self._process.poll() is not None:
                raise self.ended()
            with suppress(httpx.HTTPError):
                if self.client.get("/health", timeout=5).is_success:
                    return
            if time.monotonic() - begun > wait:
                raise ModelError(f"{self.name} 没有在 {wait:.0f} 秒里起来", found=self.last_words())
            if time.monotonic() - told > _TELL:
                told = time.monotonic()
                say(f"{self.name} 正在载入，{told - begun:.0f} 秒……")
            time.sleep(0.2)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around a request: a connection that breaks is told as what became of the server.

        Raises:
            ModelError: it has ended, or does not answer.
        """
        import httpx

        try:
            yield
        except (httpx.HTTPError, RuntimeError) as error:
            with suppress(subprocess.TimeoutExpired):  # a process that dies closes its connections first
                self._process.wait(1)
                raise self.ended() from None
            raise ModelError(f"{self.name} 没有回答", found=first_line(error), fix="再试一次") from None

    def ended(self) -> ModelError:
        """That it has ended, and why as far as it said."""
        return ModelError(f"{self.name} 结束了", found=self.last_words(), fix="照它说的改；它的选项写在 --engine-args")

    def last_words(self) -> str:
        """The line of its log that says most likely what went wrong; the last one where none does."""
        self._log.flush()
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 2**16))
        lines = [line.strip() for line in self._log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        causes = [line[found.start() :] for line in lines if (found := _CAUSE.search(line))]
        telling = [line for line in lines if any(word in line.lower() for word in _TELLING)]
        words = causes[0] if causes else (telling or lines or ["没有说明"])[-1]  # what follows a cause comes of it
        return words.replace(self._key, "***")[:400]

    def close(self) -> None:
        """End it; nothing happens where it has ended."""
        self.client.close()
        self._dropped()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE + 5)
        self._log.close()


def _shut(stream: Any) -> None:
    with suppress(OSError):
        stream.close()


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def main(words: Sequence[str]) -> int:
    """Run a command until it ends or our input does; its exit code."""
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"error: {words[0]}: {error.strerror}", flush=True)
        return 127
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _end(child))
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    return child.wait()


def _end_with_input(child: Any) -> None:
    while os.read(0, 1024):  # unbuffered: a reader that waits in a buffer's lock makes the interpreter's end fatal
        pass
    _end(child)


def _end(child: Any) -> None:
    """Ask the whole group to end, and end what is left of it after a while."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
