"""A crawl's folder: which addresses are known, what became of each, and the bodies. SQLite, one process at a time.

What one answer changes (its row, its body, the links found in it) is one transaction: after a kill either all of it is
there or none. Knows nothing of HTTP.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, reason
from cornucopia.core.jsonl import Appender

_TABLES = """
CREATE TABLE IF NOT EXISTS addresses (
    number INTEGER PRIMARY KEY, address TEXT UNIQUE NOT NULL, depth INTEGER NOT NULL, kind TEXT NOT NULL,
    chain TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_state ON addresses (state, depth, number);
CREATE TABLE IF NOT EXISTS pages (
    address TEXT PRIMARY KEY, fetched_at TEXT NOT NULL, sha256 TEXT NOT NULL, media TEXT NOT NULL,
    size INTEGER NOT NULL, about TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bodies (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL);
"""


GONE = ("404", "410", "redirect", "loop", "type")  # the page that was there once is there no longer


@dataclass(frozen=True)
class Known:
    """An address that has been met.

    Args:
        address: normalised.
        depth: links away from a start.
        kind: page or sitemap.
        chain: addresses that redirected here, the first first.
        state: waiting, done or refused.
        reason: of a refusal or of a page that could not be had: outside, robots, depth, timeout, 404 ...; '' for a page
            that is there.
        detail: the same for people, in Chinese.
    """

    address: str
    depth: int = 0
    kind: str = "page"
    chain: tuple[str, ...] = ()
    state: str = "waiting"
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Stored:
    """A page that was fetched.

    Args:
        address: normalised.
        fetched_at: UTC, to the second.
        sha256: of the body, hex.
        media: html, pdf, docx, xlsx, md or txt.
        size: of the body in bytes.
        about: what the headers and the page say: content_type, etag, last_modified, licence, canonical, reserved ...
    """

    address: str
    fetched_at: str
    sha256: str
    media: str
    size: int
    about: dict[str, Any] = field(default_factory=dict)


class Store:
    """Opens the folder, making it where it is not there.

    Args:
        folder: holds crawl.sqlite, and files/ with the documents that are no HTML.
        write: False reads only, beside whoever writes.

    Raises:
        DataError: another process crawls into it, or it cannot be written or read.
    """

    def __init__(self, folder: str | Path, *, write: bool = True) -> None:
        self.folder = Path(folder)
        self._lock: Appender | None = None
        try:
            if write:
                self._lock = Appender(self.folder / "crawl.lock")
                if not self._lock.lock():
                    self._lock.close()
                    raise DataError("另一个进程正在往这个文件夹里抓", where=str(folder), fix="等它做完，或换一个文件夹")
            self._base = sqlite3.connect(self.folder / "crawl.sqlite", isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_TABLES)
        except OSError as error:
            raise DataError(
                "抓到的网页写不到这里", where=str(folder), found=reason(error), fix="换一个 --out"
            ) from None
        except sqlite3.Error as error:
            fix = "移走这个文件夹再抓一次，或换一个 --out"
            raise DataError(
                "以前抓的打不开", where=str(self.folder / "crawl.sqlite"), found=str(error), fix=fix
            ) from None

    def close(self) -> None:
        self._base.close()
        if self._lock:
            self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, met: Iterable[Known]) -> list[Known]:
        """Keep the addresses that are new; one that is known stays as it is, but comes nearer to the start.

        Returns:
            Those that wait to be asked for because of this.
        """
        fresh = []
        with self._base:
            self._base.execute("BEGIN")
            fresh = self._add(met)
        return fresh

    def _add(self, met: Iterable[Known]) -> list[Known]:
        sql = (
            "INSERT INTO addresses (address, depth, kind, chain, state, reason, detail) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (address) DO UPDATE SET depth = excluded.depth, state = excluded.state, "
            "reason = excluded.reason, detail = excluded.detail "
            "WHERE excluded.depth < depth AND state <> 'done' AND reason IN ('', 'depth')"
        )
        fresh = []
        for one in met:
            row = (one.address, one.depth, one.kind, json.dumps(one.chain), one.state, one.reason, one.detail)
            if self._base.execute(sql, row).rowcount and one.state == "waiting":
                fresh.append(one)
        return fresh

    def finish(
        self, one: Known, page: Stored | None = None, body: bytes | None = None, found: Iterable[Known] = ()
    ) -> list[Known]:
        """What became of an address (its state, reason and detail), its page, and the addresses it led to.

        Args:
            one: the address.
            page: what was fetched; None where nothing was.
            body: None where the body is the one that is there already.
            found: addresses met in it.

        Returns:
            Those of `found` that wait to be asked for because of this.
        """
        if page and body is not None and page.media != "html":
            self._keep_file(page, body)
        with self._base:
            self._base.execute("BEGIN")
            self._base.execute(
                "UPDATE addresses SET state = ?, reason = ?, detail = ? WHERE address = ?",
                (one.state, one.reason, one.detail, one.address),
            )
            if one.reason in GONE:
                self._base.execute("DELETE FROM pages WHERE address = ?", (one.address,))
            if page and body is not None and page.media == "html":
                packed = zlib.compress(body, 6)
                self._base.execute("INSERT OR IGNORE INTO bodies VALUES (?, ?)", (page.sha256, packed))
            if page:
                row = (page.address, page.fetched_at, page.sha256, page.media, page.size)
                about = json.dumps(page.about, ensure_ascii=False, sort_keys=True)
                self._base.execute("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?)", (*row, about))
            return self._add(found)

    def _keep_file(self, page: Stored, body: bytes) -> None:
        """Documents lie as files, for the readers of PDF, Word and Excel; whole or not at all."""
        path = self.file_of(page)
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            temporary = path.with_suffix(".part")
            temporary.write_bytes(body)
            temporary.replace(path)

    def file_of(self, page: Stored) -> Path:
        """Where the body of a page that is no HTML lies."""
        return self.folder / "files" / f"{page.sha256[:24]}.{page.media}"

    def reopen(self, robots: bool) -> None:
        """Let refused addresses be judged again: by the settings of this run, or by robots.txt as it is by now."""
        which = "=" if robots else "<>"
        sql = "UPDATE addresses SET state = 'waiting', reason = '', detail = '' WHERE state = 'refused'"
        self._base.execute(f"{sql} AND reason {which} 'robots'")

    def refuse(self, many: Iterable[Known]) -> None:
        """Keep why these are not asked for."""
        rows = [(one.reason, one.detail, one.address) for one in many]
        sql = "UPDATE addresses SET state = 'refused', reason = ?, detail = ? WHERE address = ?"
        with self._base:
            self._base.execute("BEGIN")
            self._base.executemany(sql, rows)

    def again(self, failed_only: bool) -> None:
        """Put addresses that are done back: those that gave no page, or all."""
        only = " AND reason <> '' AND reason <> 'redirect'" if failed_only else ""
        self._base.execute(f"UPDATE addresses SET state = 'waiting', chain = '[]' WHERE state = 'done'{only}")

    def waiting(self) -> list[Known]:
        """Addresses still to be asked for, the nearest to the start first."""
        return list(self._known("state = 'waiting' ORDER BY depth, number"))

    def known(self, state: str) -> Iterator[Known]:
        """Addresses of this state, by address."""
        return self._known("state = ? ORDER BY address", state)

    def _known(self, where: str, *values: str) -> Iterator[Known]:
        sql = f"SELECT address, depth, kind, chain, state, reason, detail FROM addresses WHERE {where}"
        for address, depth, kind, chain, state, why, detail in self._base.execute(sql, values):
            yield Known(address, depth, kind, tuple(json.loads(chain)), state, why, detail)

    def counts(self) -> dict[tuple[str, str], int]:
        """(state, reason) -> addresses."""
        sql = "SELECT state, reason, count(*) FROM addresses GROUP BY state, reason ORDER BY state, reason"
        return {(state, why): number for state, why, number in self._base.execute(sql)}

    def taken(self) -> int:
        """Addresses that count as pages: those that were asked for, but for redirects and sitemaps."""
        sql = "SELECT count(*) FROM addresses WHERE state = 'done' AND reason <> 'redirect' AND kind = 'page'"
        return int(self._base.execute(sql).fetchone()[0])

    def examples(self, state: str, why: str, most: int = 3) -> list[Known]:
        """A few addresses of this state and reason."""
        return list(self._known(f"state = ? AND reason = ? ORDER BY number LIMIT {int(most)}", state, why))

    def page(self, address: str) -> Stored | None:
        """The page at this address, where one was fetched."""
        return next(self._pages("WHERE address = ?", address), None)

    def pages(self) -> Iterator[Stored]:
        """All pages, by address."""
        return self._pages("ORDER BY address")

    def _pages(self, where: str, *values: str) -> Iterator[Stored]:
        sql = f"SELECT address, fetched_at, sha256, media, size, about FROM pages {where}"
        for address, fetched_at, sha256, media, size, about in self._base.execute(sql, values):
            yield Stored(address, fetched_at, sha256, media, size, json.loads(about))

    def body(self, page: Stored) -> bytes:
        """The bytes of a page.

        Raises:
            DataError: they are gone or are not those that were kept.
        """
        if page.media == "html":
            row = self._base.execute("SELECT body FROM bodies WHERE sha256 = ?", (page.sha256,)).fetchone()
            body = zlib.decompress(row[0]) if row else b""
        else:
            path = self.file_of(page)
            body = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(body).hexdigest() != page.sha256:
            fix = "用 --refresh all 再抓一次"
            raise DataError("抓到的网页内容不见了或改动过", where=page.address, fix=fix)
        return body
