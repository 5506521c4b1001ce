"""A SQLite file that several processes and threads use at once: made on first use, whole after a kill."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cornucopia.core.errors import DataError, reason

T = TypeVar("T")

PATIENCE = 10.0  # seconds to wait for another process that writes
_SAID = {
    "full": ("磁盘满了", "腾出空间再来，存过的都在"),
    "locked": ("别的进程一直占着它", "等那边写完再来"),
    "readonly": ("没有写的权限", "换一个写得进去的位置"),
    "unable to open": ("打不开", "检查路径和权限"),
    "not a database": ("不是 SQLite 文件", "换一个文件名，或移走它"),
    "malformed": ("文件坏了", "移走它，从备份恢复"),
    "disk i/o": ("磁盘读写出错", "检查磁盘"),
}


class Database:
    """One file.

    Args:
        path: where; its folder is made too.
        tables: SQL that makes what is missing: `CREATE TABLE IF NOT EXISTS …;`.
    """

    def __init__(self, path: str | Path, tables: str) -> None:
        self.path, self._tables = Path(path), tables
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` finds, all of it as of one moment; writers are not held up.

        Raises:
            DataError: the file cannot be read.
        """
        return self._run("BEGIN", work)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives. When this returns, what it wrote is on the disk; when anything is raised, none of it is.

        Raises:
            DataError: the file cannot be written: a full disk, no permission, another process that does not end.
        """
        return self._run("BEGIN IMMEDIATE", work)

    def _run(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                connection = self._connection = self._connection or self._opened()
                connection.execute(begin)
                try:
                    found = work(connection)
                    connection.execute("COMMIT")
                    return found
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError) as error:
                raise _told(error, self.path) from None

    def _opened(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # it holds what people asked
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute("PRAGMA synchronous = FULL")  # a power cut loses nothing that was told as kept
            connection.execute("PRAGMA foreign_keys = ON")
            _patiently(lambda: connection.executescript(f"BEGIN IMMEDIATE; {self._tables} COMMIT;"))
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


def _patiently(work: Callable[[], object]) -> None:
    """Do it once the other processes that open the file are done: here SQLite itself does not wait."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            work()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.02)


def _told(error: sqlite3.Error | OSError, path: Path) -> DataError:
    found = reason(error) if isinstance(error, OSError) else str(error)
    said, fix = next((words for key, words in _SAID.items() if key in found.lower()), (found, ""))
    return DataError("数据库读写没有成功", where=str(path), found=said, fix=fix)
