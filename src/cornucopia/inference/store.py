"""Answers on disk: appended while they come, put in order when all are there, read again to go on.

A row is known by its key: what was asked, and with which settings. Where rows of several settings live in one file, a
history beside it keeps those that the current settings do not want. Knows nothing of models, questions or reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, Self

from cornucopia.core.errors import DataError, reason
from cornucopia.core.jsonl import Appender, mended, read_jsonl, to_json, write_json, write_jsonl

Row = dict[str, Any]
_ELSEWHERE = "换一个 --output-dir 或 --out"


class AnswerStore:
    """Rows of one JSON Lines file by key; one process writes at a time.

    Args:
        path: the file.
        settings_path: JSON file beside it: what the answers were made with.
        key_of: the key of a row.
        failed: whether a row holds an error, which is asked again and never replaces an answer.
        history: file for rows that a settled file has no place for; None drops them.
        anew: begin with nothing, whatever the files hold.

    Raises:
        DataError: the place cannot be written, a file was damaged by something else, or another process writes it.
    """

    def __init__(
        self,
        path: str | Path,
        settings_path: str | Path,
        *,
        key_of: Callable[[Row], Hashable],
        failed: Callable[[Row], bool],
        history: str | Path | None = None,
        anew: bool = False,
    ) -> None:
        self.path, self.settings_path = Path(path), Path(settings_path)
        self.history = Path(history) if history else None
        self._key_of, self._failed = key_of, failed
        self.settings: dict[str, Any] = {}
        self._rows: dict[Hashable, Row] = {}
        try:
            self._appender = Appender(self.path)
        except OSError as error:
            where = str(error.filename or path)
            raise DataError("结果写不到这里", where=where, found=reason(error), fix=_ELSEWHERE) from None
        try:
            self._open(anew)
        except BaseException:
            self._appender.close()
            raise

    def _open(self, anew: bool) -> None:
        if not self._appender.lock():
            fix = f"等它做完，或{_ELSEWHERE}"
            raise DataError("另一个进程正在写这个文件", where=str(self.path), fix=fix)
        if anew:
            self._appender.clear()
            return
        place: Path | None = self.settings_path
        try:
            text = self.settings_path.read_text(encoding="utf-8") if self.settings_path.exists() else "{}"
            self.settings = json.loads(text)
            if not isinstance(self.settings, dict):
                raise ValueError(f"应是对象，实际是 {type(self.settings).__name__}")
            for place in (self.history, self.path):
                for row in read_jsonl(place) if place else ():
                    self._keep(_mended(row))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            fix = "改回原样，或移走这个文件再运行（其中的回答会重算）"
            raise DataError("以前的结果读不出来", where=str(place), found=str(error)[:200], fix=fix) from None

    def __contains__(self, key: Hashable) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: Hashable) -> Row | None:
        """The row, or None when it was never computed; it may hold an error."""
        return self._rows.get(key)

    def done(self, key: Hashable) -> bool:
        """Whether the row holds an answer."""
        row = self._rows.get(key)
        return row is not None and not self._failed(row)

    def add(self, row: Row) -> None:
        """Append one row; it is on disk when this returns."""
        row = _mended(row)
        self._appender.write(row)
        self._keep(row)

    def note_settings(self, settings: dict[str, Any]) -> None:
        """Replace what the settings file says."""
        self.settings = settings
        write_json(self.settings_path, settings)

    def settle(self, rows: Iterable[Row]) -> None:
        """Replace the file by `rows`, in their order; other answers go to the history."""
        current = list(rows)
        keys = {self._key_of(row) for row in current}
        kept = [row for key, row in self._rows.items() if key not in keys and not self._failed(row)]
        if self.history and (kept or self.history.exists()):
            write_jsonl(self.history, kept)
        write_jsonl(self.path, current)
        self.close()

    def close(self) -> None:
        """Stop writing and let others; everything added is on disk."""
        self._appender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, row: Row) -> None:
        key = self._key_of(row)
        if not (self._failed(row) and self.done(key)):
            self._rows[key] = row


def _mended(row: Row) -> Row:
    """The row without halves of surrogate pairs, which no report or browser can show."""
    return json.loads(mended(to_json(row)))
