"""Runs that the board has started: each a process `cornucopia train` of its own, found again by its record on the disk.

The process outlives the server. Its record, its recipe and what it says are in a folder beside the run's, as training
takes no folder for its output in which others have written.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from cornucopia.core.jsonl import write_json, write_text
from cornucopia.models.local import read_json
from cornucopia.records.rejects import printable
from cornucopia.serving.board.runs import RECIPE
from cornucopia.serving.problems import Problem
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.save import as_yaml

BOARD = "board"  # the folder, among all runs, of those that are started here
PLANNING = 600.0  # seconds that a plan may take
_RECORD, _SAID = "start.json", "said.txt"
_TAIL = 24_000  # bytes of what a run said that are shown
_MINUTE = 60.0


@dataclass(frozen=True)
class Start:
    """One run that was started here.

    Args:
        id: its record's folder.
        run: its name among all runs.
        label: what the user calls it.
        command: the command line that does the same.
        began: when, in seconds since 1970.
        pid: its process.
        asked_to_stop: when, in seconds since 1970; 0 for not.
    """

    id: str
    run: str
    label: str
    command: str
    began: float
    pid: int
    asked_to_stop: float = 0


class Starts:
    """
    Args:
        home: folder of the records; made on first use.
        runs: folder of all runs.
        secret: name of the environment variable with the server's keys, which no run gets to see.
    """

    def __init__(self, home: Path, runs: Path, secret: str) -> None:
        self._home, self._runs, self._secret = home.absolute(), runs.absolute(), secret
        self._children: list[subprocess.Popen[bytes]] = []

    def table(self) -> dict[str, Start]:
        """Name of the run -> its start, the last one first."""
        folders = list(self._home.iterdir()) if self._home.is_dir() else []
        found = [start for folder in folders if (start := _read(folder))]
        return {start.run: start for start in sorted(found, key=lambda start: -start.began)}

    def new(self) -> tuple[str, Path]:
        """An id for a run and its folder, which is not there yet."""
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        return name, self._runs / BOARD / name

    def start(self, name: str, label: str, command: str, recipe: TrainRecipe) -> Start:
        """Begin a run.

        Args:
            name: of `new`.
            label, command: for people.
            recipe: its settings.

        Raises:
            OSError: the record cannot be written.
        """
        folder = self._home / name
        folder.mkdir(parents=True, mode=0o700)
        write_text(folder / RECIPE, as_yaml(recipe))
        pid = self._run([str(folder / RECIPE)], folder)
        return self._kept(Start(name, f"{BOARD}/{name}", label, command, time.time(), pid))

    def resume(self, run: str, folder: Path, recipe: str) -> Start:
        """Go on with a run, whoever has started it.

        Args:
            run, folder: its name and folder.
            recipe: its recipe as YAML, if the board has none of its own.
        """
        start = self.table().get(run)
        if start is None:
            name = self.new()[0]
            (self._home / name).mkdir(parents=True, mode=0o700)
            write_text(self._home / name / RECIPE, recipe)
            command = f"cornucopia train {folder / RECIPE} --resume"
            start = Start(name, run, "", command, time.time(), 0)
        home = self._home / start.id
        pid = self._run([str(home / RECIPE), "--output-dir", str(folder), "--resume"], home)
        return self._kept(replace(start, pid=pid, asked_to_stop=0))

    def stop(self, start: Start) -> Start:
        """Ask a run to save and end; asked again, to end at once."""
        process = _process(start, self._home)
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
        return self._kept(replace(start, asked_to_stop=time.time()))

    def alive(self, start: Start) -> bool:
        """Whether its process is there."""
        for child in self._children:  # so that those that ended are let go
            child.poll()
        return _process(start, self._home) is not None

    def recipe(self, start: Start) -> Path:
        """The file with the recipe that it was started with."""
        return self._home / start.id / RECIPE

    def said(self, start: Start) -> str:
        """The end of what the run has said."""
        try:
            with (self._home / start.id / _SAID).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(printable(line) for line in text.splitlines())

    def plan(self, recipe: TrainRecipe) -> str:
        """What `cornucopia train --dry-run` says of a recipe: data, memory, disk.

        Raises:
            Problem: it found an error, or took too long.
        """
        name = f".plan-{secrets.token_hex(4)}.yaml"
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            write_text(self._home / name, as_yaml(recipe))
            done = subprocess.run(
                _command([str(self._home / name), "--dry-run"]), capture_output=True, stdin=subprocess.DEVNULL,
                env=self._environment(), timeout=PLANNING, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Problem(504, f"{PLANNING / _MINUTE:g} 分钟还没有看完计划：数据太大，请在终端里用 --dry-run") from None
        finally:
            (self._home / name).unlink(missing_ok=True)
        said = [text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)]
        if done.returncode:
            raise Problem(400, error_in(said[1]) or said[1].strip()[-500:] or "没有看成计划")
        return "\n".join(said)

    def _run(self, words: list[str], folder: Path) -> int:
        """Begin a process that neither Ctrl-C of the server nor the end of its terminal reaches; its id."""
        alone: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with (folder / _SAID).open("ab") as said:
            child = subprocess.Popen(
                _command(words), stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self._environment(), **alone
            )
        self._children.append(child)
        return child.pid

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name != self._secret}
        return own | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}

    def _kept(self, start: Start) -> Start:
        write_json(self._home / start.id / _RECORD, asdict(start))
        return start


def error_in(said: str) -> str:
    """What a run has ended with, where that was an error."""
    return said.rpartition("错误：")[2].strip()


def tables(said: str) -> dict[str, Any]:
    """What a run said, for a page to lay out: its tables (title -> rows, as last told) and all other lines."""
    found: dict[str, list[list[str]]] = {}
    lines: list[str] = []
    rows: list[list[str]] = []
    for line in said.splitlines():
        if line.startswith("┏"):
            rows = found[lines.pop() if lines else ""] = []
        elif line.startswith("│"):
            _add(rows, [cell.strip() for cell in line.strip("│").split("│")])
        elif line.strip() and line[0] not in "┃┡└":
            lines.append(line.rstrip())
    return {"tables": found, "lines": lines}


def _add(rows: list[list[str]], cells: list[str]) -> None:
    """A row, or what of the last one was broken over a line."""
    if cells[0] or not rows:
        rows.append(cells)
    else:
        rows[-1] = [a + b for a, b in zip(rows[-1], cells, strict=False)]


def _command(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "cornucopia", "train", *words]


def _process(start: Start, home: Path) -> psutil.Process | None:
    """The run's process, if it is there: one that has its recipe among its words, as ids are given again."""
    try:
        process = psutil.Process(start.pid)
        words = process.cmdline()  # none for an instant after it was begun
        gone = process.status() == psutil.STATUS_ZOMBIE or (words and str(home / start.id / RECIPE) not in words)
    except (psutil.Error, ValueError):
        return None
    return None if gone else process


def _read(folder: Path) -> Start | None:
    record = read_json(folder / _RECORD)
    try:
        start = Start(**record)
        known = all(isinstance(getattr(start, name), str) for name in ("id", "run", "label", "command"))
        numbers = all(isinstance(value, (int, float)) for value in (start.began, start.pid, start.asked_to_stop))
    except TypeError:
        return None
    return start if known and numbers and start.id == folder.name and start.pid >= 0 else None
