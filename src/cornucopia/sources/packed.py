"""Compressed files (.gz .bz2 .xz .zst .zip) read as streams, within limits that a file made to unpack forever meets."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from cornucopia.core.errors import DataError, first_line

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
_MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst", b"PK\x03\x04": "zip"}
_RATIO = 250  # unpacked to packed bytes: text has 3 to 30
_FREE = 64 * 2**20  # unpacked bytes up to which the ratio does not matter
_MOST_MEMBERS = 20_000
_ENCRYPTED = 0x1  # flag of a zip's member
_UTF8 = 0x800


def packing(path: Path) -> str:
    """gz, bz2, xz, zst, zip or '': by the file's first bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(6)
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def bare_name(name: str) -> str:
    """The name without the suffix of its compression."""
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in SUFFIXES else name


@dataclass
class Packed:
    """A compressed file, or one member of a .zip, that is opened like a Path.

    Args:
        path: of the file.
        kind: as `packing` says.
        member: of a .zip: as the archive has it; '' for the others.
        name: of what is in it.
        problem: set while reading, in Chinese, where what follows could not be unpacked: the stream ends there.
    """

    path: Path
    kind: str
    member: str = ""
    name: str = ""
    problem: str = field(default="", compare=False)

    @property
    def suffix(self) -> str:
        """Of what is in it."""
        return Path(self.name).suffix

    def open(self, mode: str = "rb") -> BinaryIO:
        """The unpacked bytes.

        Raises:
            DataError: the library for this compression is not installed.
            OSError: the file cannot be read.
        """
        assert mode == "rb"
        return io.BufferedReader(_Guarded(self), 2**18)

    @cached_property
    def is_cut(self) -> bool:
        """Whether a .zst ends within a frame, at which its stream just stops; the other kinds say so themselves."""
        if self.kind != "zst":
            return False
        import zstandard

        unpacker = None
        with self.path.open("rb") as file:
            while data := file.read(2**10):  # so little, because it may unpack to much
                while data:
                    unpacker = unpacker or zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj()
                    unpacker.decompress(data)
                    data = unpacker.unused_data if unpacker.eof else b""
                    unpacker = None if unpacker.eof else unpacker
        return unpacker is not None

    def stream(self) -> tuple[Any, Any]:
        """(unpacked stream, what must be closed with it)."""
        if self.kind == "zip":
            archive = zipfile.ZipFile(self.path)
            return archive.open(self.member), archive
        if self.kind == "zst":
            try:
                import zstandard
            except ImportError:
                raise DataError("读 .zst 要先装 zstandard", fix='pip install "cornucopia-fin[data]"') from None
            file = self.path.open("rb")
            unpacker = zstandard.ZstdDecompressor(max_window_size=2**27)
            return unpacker.stream_reader(file, read_across_frames=True), file
        import bz2
        import gzip

        openers: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
        opened = openers[self.kind](self.path, "rb")
        return opened, opened


class _Guarded(io.RawIOBase):
    """The unpacked bytes up to the first damage, or to where there are far too many."""

    def __init__(self, packed: Packed) -> None:
        self._packed, self._size = packed, packed.path.stat().st_size
        self._given, self._ended = 0, False
        try:
            self._stream, self._held = packed.stream()
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise OSError(f"压缩文件打不开：{first_line(error, 80)}") from None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._ended:
            return 0
        try:
            data = self._stream.read1(len(buffer))  # one block: what stands before damage is given
        except Exception as error:  # each library has errors of its own for a damaged file
            if not isinstance(error, (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)) and (
                type(error).__name__ != "ZstdError"
            ):
                raise
            return self._ends(f"压缩文件从第 {self._given} 个字节（解压后）起损坏，后面没有读")
        if not data and self._packed.is_cut:
            return self._ends("压缩文件在末尾断了，最后一段没有")
        self._given += len(data)
        if self._given > _FREE and self._given > _RATIO * self._size:
            return self._ends(f"解压后是压缩文件的 {_RATIO} 倍以上，像是压缩炸弹，后面没有读")
        buffer[: len(data)] = data
        return len(data)

    def _ends(self, problem: str) -> int:
        self._packed.problem, self._ended = problem, True
        return 0

    def close(self) -> None:
        if not self.closed and hasattr(self, "_held"):
            self._stream.close()
            self._held.close()
        super().close()


def members(path: Path) -> Iterator[Packed]:
    """The files in a .zip by name, without those that systems and programs put there.

    Raises:
        DataError: it is broken, encrypted, or has far too many members.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = sorted((_name(info), info) for info in archive.infolist() if not info.is_dir())
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise DataError("zip 文件损坏，打不开", where=str(path), found=first_line(error, 80)) from None
    if len(held) > _MOST_MEMBERS:
        raise DataError(f"zip 里超过 {_MOST_MEMBERS} 个文件", where=str(path), fix="先解压")
    for name, info in held:
        if any(part.startswith((".", "__MACOSX", "~$")) and part != ".." for part in Path(name).parts):
            continue
        if info.flag_bits & _ENCRYPTED:
            raise DataError("zip 文件加了密", where=str(path), fix="先用密码解压")
        yield Packed(path, "zip", info.filename, name)


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name: Windows in China writes it in GBK without saying so, and zipfile reads that as cp437."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return info.filename
