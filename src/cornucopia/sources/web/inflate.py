"""Compressed bodies opened a little at a time, so that a few bytes that would become gigabytes stop at the limit."""

from __future__ import annotations

import zlib

_STEP = 2**16  # bytes made at a time


class TooLarge(Exception):
    """More bytes than the limit."""


class Broken(Exception):
    """Not the compressed stream it says it is, or one that breaks off."""


class Inflater:
    """Adds up a body under a limit on its opened size.

    Args:
        coding: identity, gzip or deflate (Content-Encoding).
        limit: bytes.

    Raises:
        Broken: another coding.
    """

    def __init__(self, coding: str, limit: int) -> None:
        self._coding, self._limit = coding.strip().lower() or "identity", limit
        if self._coding not in ("identity", "gzip", "x-gzip", "deflate"):
            raise Broken(f"没有要过的压缩方式 {coding[:40]}")
        self._parts: list[bytes] = []
        self._size = 0
        self._opener = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in self._coding else None
        self._first = self._coding == "deflate"

    def feed(self, data: bytes) -> None:
        """The next bytes as they came.

        Raises:
            TooLarge: the opened body is above the limit.
            Broken: they cannot be opened.
        """
        if self._coding == "identity":
            return self._add(data)
        if self._first and data:  # deflate is zlib's format (RFC 9110); some servers send it without its header
            zlib_header = data[0] & 0x0F == 8 and (len(data) < 2 or int.from_bytes(data[:2], "big") % 31 == 0)
            self._opener, self._first = zlib.decompressobj(zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS), False
        while data and self._opener:
            if self._opener.eof:
                if "gzip" not in self._coding or not data.startswith(b"\x1f\x8b"):
                    return None  # what follows the end is padding
                self._opener = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                self._add(self._opener.decompress(data, _STEP))
            except zlib.error as error:
                raise Broken("压缩的内容打不开") from error
            data = self._opener.unused_data if self._opener.eof else self._opener.unconsumed_tail
        return None

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise TooLarge
        self._parts.append(part)

    def body(self) -> bytes:
        """All of it.

        Raises:
            Broken: the compressed stream breaks off.
        """
        if self._opener and not self._opener.eof and self._size:
            self._drain()
        return b"".join(self._parts)

    def _drain(self) -> None:
        assert self._opener
        self._add(self._opener.flush())
        if not self._opener.eof:
            raise Broken("压缩的内容在中间断了")


def gunzip(data: bytes, limit: int) -> bytes:
    """A .gz file's contents.

    Raises:
        TooLarge: above `limit` bytes.
        Broken: it is no gzip file, or breaks off.
    """
    inflater = Inflater("gzip", limit)
    inflater.feed(data)
    return inflater.body()
