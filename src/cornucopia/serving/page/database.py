"""The SQLite files in the server's state folder: work on them in a thread, and what fails as a Problem."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cornucopia.core import database
from cornucopia.core.console import warn
from cornucopia.core.errors import DataError
from cornucopia.serving.house import House
from cornucopia.serving.problems import Problem

T = TypeVar("T")


async def kept(work: Callable[..., T], *given: Any) -> T:
    """What `work` on a file of the server's gives, done in a thread.

    Raises:
        Problem: 507: the file cannot be read or written, such as on a full disk; `work`'s own.
    """
    try:
        return await asyncio.to_thread(work, *given)
    except DataError as error:
        warn(str(error))
        raise Problem(507, f"服务器读写记录没有成功：{error.found or error.what}", code="state") from None


class Database:
    """One file; closed with the server.

    Args:
        house: the server's parts; `settings.state` is the folder.
        name: of the file, such as 'history.sqlite3'.
        tables: SQL that makes what is missing: `CREATE TABLE IF NOT EXISTS …;`.
    """

    def __init__(self, house: House, name: str, tables: str) -> None:
        self._base = database.Database(Path(house.settings.state) / name, tables)
        house.closing.append(self._base.close)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """See `core.database.Database.read` and `kept`."""
        return await kept(self._base.read, work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """See `core.database.Database.write` and `kept`."""
        return await kept(self._base.write, work)
