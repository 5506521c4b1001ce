"""Kill -9 a command again and again, resume it, and compare what it leaves with an uninterrupted run.

The trials kill_train.py, kill_infer.py and kill_compare.py say what to start and what to look at; the rest is here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

State = dict[Any, Any]


def read_options(doc: str | None, required: tuple[str, ...], **defaults: int | float) -> argparse.Namespace:
    """The command line of a trial.

    Args:
        doc: the script's docstring. required: names of text options.
        defaults: further options with their default values, which set their types.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in required:
        parser.add_argument(f"--{name}", required=True)
    for name, value in {"kills": 20, "seed": 0, **defaults}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--fork", action="store_true", help="kill forked children: no start to pay for each time")
    return parser.parse_args()


class Trial(ABC):
    """One command to be killed. `total` and `seconds` are those of the uninterrupted run."""

    unit = "rows"

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.chance = random.Random(options.seed)
        self.total, self.seconds = 0, 0.0

    @abstractmethod
    def start(self, out: Path) -> int:
        """Begin, or go on with, the work whose result is at `out`; the process id."""

    @abstractmethod
    def state(self, out: Path) -> State:
        """What has been done so far, by key; Broken when something is there twice."""

    @abstractmethod
    def same(self, whole: Path, cut: Path) -> bool:
        """Whether the resumed result is the uninterrupted one."""

    def rows_file(self, out: Path) -> Path:
        """The JSON Lines file that grows while the command works."""
        return out

    def finished(self, out: Path) -> bool:
        """Whether nothing is left to do, so that a kill would hit nothing."""
        return len(self.state(out)) >= self.total

    def wait_to_die(self, out: Path, pid: int) -> None:
        """Until some number of rows between what is there and the end, and a moment more."""
        goal = self.chance.randrange(len(self.state(out)), self.total)
        while running(pid) and count_lines(self.rows_file(out)) <= goal:
            time.sleep(0.002)
        sleep_while(pid, self.chance.random() * 0.01)

    def run(self) -> int:
        """The whole trial; 0 when nothing was lost, doubled or changed."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                hits = self._compare(Path(folder) / "whole", Path(folder) / "cut")
        except Broken as error:
            print(f"FAILED: {error}", flush=True)
            return 1
        print(f"ok: {hits} kills, {self.total} {self.unit}, identical", flush=True)
        return 0

    def _compare(self, whole: Path, cut: Path) -> int:
        began = time.monotonic()
        self._finish(whole, "uninterrupted")
        self.seconds, self.total = time.monotonic() - began, len(self.state(whole))
        hits = self._kill_often(cut)
        self._finish(cut, "last")
        if not self.same(whole, cut):
            raise Broken("the resumed result differs from the uninterrupted one")
        return hits

    def _finish(self, out: Path, name: str) -> None:
        code = collect(self.start(out))
        if code:
            said = _said(out).read_text(encoding="utf-8", errors="replace")[-2000:]
            raise Broken(f"the {name} run ended with {code}: {said}")

    def _kill_often(self, out: Path) -> int:
        """Kill and resume until enough kills have hit a running process; how many did."""
        hits, before = 0, State()
        for _ in range(self.options.kills * 4):
            if hits == self.options.kills:
                break
            pid = self.start(out)
            self.wait_to_die(out, pid)
            os.kill(pid, signal.SIGKILL)
            hits += collect(pid) == -signal.SIGKILL
            after = self.state(out)
            if any(key not in after or after[key] != value for key, value in before.items()):
                raise Broken(f"kill {hits} lost or changed what was there")
            print(f"kill {hits}: {len(after)}/{self.total} {self.unit}", flush=True)
            before = after
            if self.finished(out):  # begin anew, to be killed again
                shutil.rmtree(out) if out.is_dir() else out.unlink()
                before = {}
        return hits


class Broken(Exception):
    """The trial failed: something was lost, doubled or changed."""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a JSON Lines file; a last line cut in half is no row."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def by_key(rows: list[dict[str, Any]], key: Callable[[dict[str, Any]], Any]) -> State:
    """Rows by key.

    Raises:
        Broken: when two rows have the same one.
    """
    found = {key(row): row for row in rows}
    if len(found) != len(rows):
        raise Broken(f"{len(rows) - len(found)} doubled rows")
    return found


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _said(out: Path) -> Path:
    """What the last run at `out` said; beside it, so that it never counts as a result."""
    return out.parent / "said.txt"


def spawn(words: list[str], out: Path) -> int:
    """Start `cornucopia` with these arguments."""
    with _said(out).open("wb") as said:
        return subprocess.Popen([sys.executable, "-m", "cornucopia", *words], stdout=said, stderr=said).pid


def fork(work: Callable[[], object], out: Path) -> int:
    """Do the work in a forked child, which ends with what the work returns if that is a number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        said = os.open(_said(out), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        result = work()
        code = result if isinstance(result, int) else 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def running(pid: int) -> bool:
    """Whether the child has not ended; it stays to be collected."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def collect(pid: int) -> int:
    """Exit code of the child once it has ended; minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sleep_while(pid: int, seconds: float) -> None:
    """Sleep, but no longer than the child runs."""
    until = time.monotonic() + seconds
    while running(pid) and time.monotonic() < until:
        time.sleep(0.002)
