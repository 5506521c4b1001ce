"""Bytes of a text file -> text, a piece at a time, however large the file is. Knows encodings, not formats.

Chinese data comes as UTF-8, as GB18030 (GBK, GB2312) and, from spreadsheets, as UTF-16. A byte that fits none becomes a
lone surrogate (surrogateescape), so that the row that holds it can be refused later and its neighbours kept.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK = 2**20  # bytes read at a time
_GB, _BROKEN = "gb18030", "broken"


class TextFile:
    """A text file whose encoding has been found out; its text can be gone through again and again.

    Line ends become `\\n`: `\\r\\n` always, a lone `\\r` where the file has no other line end.

    Raises:
        OSError: here and while reading, if the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._met: set[str] = set()  # encodings of lines beyond UTF-8
        with path.open("rb") as file:
            head = file.read(3)
        self._start = 3 if head == codecs.BOM_UTF8 else 0
        self._utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and self._is_wide()
        self._utf8 = not self._utf16 and _is_utf8(self._bytes())
        self._chinese_first = not (self._utf16 or self._utf8) and _looks_gb(self._bytes())
        self._returns = not any("\n" in part for part in self._decoded())

    @property
    def note(self) -> str:
        """What was converted, in Chinese ('' for plain UTF-8); complete once the text has been gone through."""
        notes = ["文件是 UTF-16 编码，已转换"] if self._utf16 else []
        notes += ["含 GB18030 编码的文字，已转换"] if _GB in self._met else []
        notes += ["有几行的字节不是合格的 UTF-8 或 GB18030"] if _BROKEN in self._met else []
        return "；".join(notes)

    def chunks(self) -> Iterator[str]:
        """The text in pieces of any length."""
        held = ""
        for part in self._decoded():
            if self._returns:
                yield part.replace("\r", "\n")
                continue
            part = held + part
            held = "\r" if part.endswith("\r") else ""  # its \n may follow
            yield part[: len(part) - len(held)].replace("\r\n", "\n")
        yield held

    def lines(self) -> Iterator[str]:
        """What `text.split("\\n")` would give: after a line end at the very end, an empty line."""
        rest: list[str] = []
        for part in self.chunks():
            *whole, last = part.split("\n")
            for line in whole:
                rest.append(line)
                yield "".join(rest)
                rest.clear()
            rest.append(last)
        yield "".join(rest)

    def _bytes(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            while data := file.read(CHUNK):
                yield data

    def _is_wide(self) -> bool:
        """Whether enough zero bytes stand beside letters, digits and line ends."""
        zeros = size = 0
        for data in self._bytes():
            zeros, size = zeros + data.count(0), size + len(data)
        return zeros * 20 > size

    def _decoded(self) -> Iterator[str]:
        if self._utf16:
            return _decode(self._bytes(), "utf-16", "replace")
        return _decode(self._bytes(), "utf-8", "strict") if self._utf8 else self._by_line()

    def _by_line(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            for line in file:
                bare = line.removesuffix(b"\n")
                text, name = _line(bare, self._chinese_first)
                self._met.add(name)
                yield text + "\n" * (len(line) - len(bare))


def _decode(parts: Iterable[bytes], encoding: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for data in parts:
        yield decoder.decode(data)
    yield decoder.decode(b"", True)


def _is_utf8(parts: Iterable[bytes]) -> bool:
    try:
        for _ in _decode(parts, "utf-8", "strict"):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _line(line: bytes, chinese_first: bool) -> tuple[str, str]:
    if line.isascii():
        return line.decode("ascii"), "ascii"
    names = [_GB, "utf-8"] if chinese_first else ["utf-8", *([_GB] if _looks_gb([line]) else [])]
    for name in names:
        try:
            return line.decode(name), name
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "surrogateescape"), _BROKEN


def _looks_gb(parts: Iterable[bytes]) -> bool:
    """Whether most bytes beyond ASCII make no UTF-8.

    UTF-8 with a damaged byte usually decodes as GB18030 too, into nonsense; but its other characters remain sound
    UTF-8, while real GB18030 read as UTF-8 has hardly a sound character.
    """
    beyond = broken = 0
    for text in _decode(parts, "utf-8", "surrogateescape"):
        beyond += len(text) - len(text.encode("ascii", "ignore"))
        broken += len(text) - len(text.encode("utf-8", "ignore").decode("utf-8"))
    return broken * 2 > beyond
