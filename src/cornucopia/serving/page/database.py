"""A SQLite file in the server's state folder: made on first use, one transaction a call, whole after a kill."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cornucopia.core.console import warn
from cornucopia.core.errors import reason
from cornucopia.serving.house import House
from cornucopia.serving.problems import Problem

T = TypeVar("T")


class Database:
    """One file; closed with the server.

    Args:
        house: the server's parts; `settings.state` is the folder.
        name: of the file, such as 'votes.sqlite3'.
        tables: SQL that makes what is missing: `CREATE TABLE IF NOT EXISTS …;`.
    """

    def __init__(self, house: House, name: str, tables: str) -> None:
        self._path, self._tables = Path(house.settings.state) / name, tables
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        house.closing.append(self.close)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives, in a thread; what it wrote is there as a whole or, when it raises, not at all.

        Raises:
            Problem: 507: the file cannot be read or written, such as on a full disk; `work`'s own.
        """
        return await asyncio.to_thread(self._run, work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                connection = self._connection = self._connection or self._opened()
                with connection:
                    return work(connection)
            except (sqlite3.Error, OSError) as error:
                found = reason(error) if isinstance(error, OSError) else str(error)
                warn(f"写不了 {self._path}：{found}")
                full = "磁盘满了" if "full" in found or getattr(error, "errno", 0) == 28 else "原因在服务器的日志里"
                raise Problem(507, f"服务器存不下记录：{full}", code="state") from None

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds what people asked
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(self._tables)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
