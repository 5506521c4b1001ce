"""Terminal output in whatever encoding it has: messages to standard error, results to standard output, and progress.

When standard error is not a terminal (CI, a log file) progress becomes a plain line now and then.
"""

from __future__ import annotations

import codecs
import os
import sys
import time
import unicodedata
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

ESCAPE = "cornucopia-escape"  # the error handler below, for str.encode and streams


def escape(error: UnicodeError) -> tuple[str, int]:
    r"""What an encoding lacks as \uXXXX, in two halves above U+FFFF, so that JSON stays JSON: a codec error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


codecs.register_error(ESCAPE, escape)


def settle_streams() -> None:
    """No character stops output or input: a GBK or ASCII console gets escapes for what it lacks, bad input a mark."""
    for stream, refusing, errors in (
        (sys.stdout, ("strict", "surrogateescape"), ESCAPE),
        (sys.stderr, ("strict", "backslashreplace"), ESCAPE),
        (sys.stdin, ("strict", "surrogateescape"), "replace"),
    ):
        if getattr(stream, "errors", None) in refusing and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)


def typed_text(word: str) -> str:
    """A text typed on the command line of a system whose encoding could not read it, as UTF-8."""
    halves = any("\ud800" <= char <= "\udfff" for char in word)
    return os.fsencode(word).decode("utf-8", "replace") if halves else word


def plain(text: str) -> str:
    """Text without control characters, so that what a model wrote cannot drive the terminal."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(char for char in whole if char in "\n\t" or unicodedata.category(char) != "Cc")


_state = {"quiet": False}


def quiet(on: bool) -> None:
    """Whether this process shows nothing: one of several that do the same work, but not the first of them."""
    _state["quiet"] = on


def say(message: str) -> None:
    """A message for the user, on standard error."""
    if _state["quiet"]:
        return
    print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """A message that the user should act on."""
    say(f"注意：{message}")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, whole: int = 0) -> None:
    """A table on standard output.

    Args:
        title, columns, rows: its texts.
        whole: 0 breaks long cells over lines. Otherwise no cell is broken: on a terminal too narrow for the table each
            row becomes a block, headed by its first `whole` cells (an empty one there repeats the row above).
    """
    if _state["quiet"]:
        return
    from rich.console import Console
    from rich.measure import measure_renderables
    from rich.table import Table
    from rich.text import Text  # plain text: a "[/x]" in the data is no markup

    rows = [[str(cell) for cell in row] for row in rows]
    table = Table(title=Text(title), title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(Text(column), overflow="fold", justify="left" if index == 0 else "right", no_wrap=bool(whole))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console() if sys.stdout.isatty() else Console(width=1000 if whole else 120)
    wide = measure_renderables(console, console.options.update(max_width=10_000), [table]).maximum
    if whole and wide > console.width:
        print("\n".join([title, *_blocks(columns, rows, whole)]))
    else:
        console.print(table)


def _blocks(columns: Sequence[str], rows: Iterable[Sequence[str]], heads: int) -> list[str]:
    """Each row as a heading and a line a column."""
    from rich.cells import cell_len

    wide = max((cell_len(column) for column in columns[heads:]), default=0)
    lines: list[str] = []
    above: Sequence[str] = [""] * heads
    for row in rows:
        above = [cell or old for cell, old in zip(row[:heads], above, strict=True)]
        lines += ["", " · ".join(above)]
        lines += [
            f"  {column}{' ' * (wide - cell_len(column))}  {cell}"
            for column, cell in zip(columns[heads:], row[heads:], strict=True) if cell
        ]  # fmt: skip
    return lines


class Progress:
    """A progress bar with time left: `with Progress("训练", total) as bar: bar.advance(1, "loss 2.1")`.

    Args:
        label: short Chinese name of the work.
        total: number of units; the bar shows done/total, speed and time left.
        done: units already done (a resumed run).
    """

    plain_every = 10.0  # seconds between two plain lines
    burst = 1.0  # seconds after the first units within which others come with them: no pace can be told yet

    def __init__(self, label: str, total: int, done: int = 0) -> None:
        self.label, self.total, self.done, self.note = label, max(total, 0), done, ""
        self._first, self._start, self._last = done, time.monotonic(), 0.0
        self._came: float | None = None  # when the first units were done
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and not _state["quiet"]:
            from rich import progress as rp
            from rich.console import Console

            self._bar = rp.Progress(
                rp.TextColumn("{task.description}", markup=False),
                rp.BarColumn(),
                rp.MofNCompleteColumn(),
                rp.TimeElapsedColumn(),
                rp.TextColumn("剩余"),
                rp.TimeRemainingColumn(),
                rp.TextColumn("{task.fields[note]}", markup=False),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(self.label, total=self.total, completed=self.done, note="")
            self._bar.start()
        return self

    def advance(self, units: int = 1, note: str | None = None) -> None:
        """Count `units` more as done; `note` is shown after the bar."""
        self.update(self.done + units, note)

    def update(self, done: int, note: str | None = None, total: int | None = None) -> None:
        """Set the number of units done, and how many there are by what is known by now."""
        self.done = done
        if self._came is None and done > self._first:
            self._came = time.monotonic()
        self.total = self.total if total is None else max(total, 0)
        self.note = self.note if note is None else note
        if self._bar:
            self._bar.update(self._task, completed=done, total=self.total, note=self.note)
        elif time.monotonic() - self._last >= self.plain_every or done >= self.total:
            self._last = time.monotonic()
            say(f"{self.label} {done}/{self.total} 剩余 {self._left()} {self.note}".rstrip())

    def _left(self) -> str:
        now = time.monotonic()
        if self._came is None or (now - self._came < self.burst and self.done < self.total):
            return "--:--"
        pace = (now - self._start) / (self.done - self._first)
        seconds = int(pace * max(self.total - self.done, 0))
        return f"{seconds // 60:02d}:{seconds % 60:02d}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
