"""A file or folder -> Documents, and for each file that is none the reason; one file never stops the rest.

What a file is, its content says: a PDF named .txt is a PDF.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.sources.apart import Apart, ApartError
from cornucopia.sources.document import Document, document_of
from cornucopia.sources.kinds import REFUSED, sniff
from cornucopia.sources.packed import Packed, bare_name, members
from cornucopia.sources.pdf import MOST_PAGES, read_pdf

Ocr = Literal["auto", "always", "never"]
# kind of file -> (function that reads it apart, its further arguments)
READERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "docx": ("cornucopia.sources.docx:read_docx", ()),
    "xlsx": ("cornucopia.sources.sheet:read_xlsx", ()),
    "csv": ("cornucopia.sources.sheet:read_csv", ()),
    "html": ("cornucopia.sources.html:read_html", ()),
    "md": ("cornucopia.sources.markdown:read_text", ("md",)),
    "txt": ("cornucopia.sources.markdown:read_text", ("txt",)),
    "image": ("cornucopia.sources.picture:read_picture", ()),
}
_SECONDS, _OCR_SECONDS = 120.0, 180.0  # of one file that is no PDF
_MOST_BYTES = 2**30  # of one file
_DEEPEST = 2  # archives within each other


@dataclass(frozen=True)
class Unread:
    """A file that gave no document: its path within the folder, and why, in Chinese."""

    id: str
    reason: str


def read_documents(path: str | Path, *, ocr: Ocr = "auto", most_pages: int = MOST_PAGES) -> Iterator[Document | Unread]:
    """Read a file, or every file of a folder by name, archives too.

    Args:
        path: the file or folder.
        ocr: auto reads scanned pages by OCR, always reads every page and picture so, never leaves them out.
        most_pages: pages of one PDF after which its rest is left out.

    Raises:
        DataError: no such path, an empty folder, or `ocr` is none of these.
    """
    if ocr not in get_args(Ocr):
        raise DataError("ocr 应为 auto、always 或 never", found=str(ocr))
    files = document_files(Path(path))
    with Apart() as apart:
        for name, file in files:
            yield from _Reader(apart, ocr, most_pages).read(name, file, 0)


def document_files(path: Path) -> list[tuple[str, Path]]:
    """(id, path) of what `read_documents` would open, by name.

    Raises:
        DataError: no such path, or an empty folder.
    """
    if path.is_file():
        return [(path.name, path)]
    if not path.is_dir():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        fix = f"最接近的是 {path.parent / close}" if close else "检查路径"
        raise DataError("找不到文档", where=str(path), fix=fix)
    found = sorted(p for p in path.rglob("*") if p.is_file())
    named = [(p.relative_to(path).as_posix(), p) for p in found]
    files = [(name, p) for name, p in named if not any(x.startswith((".", "~$")) for x in name.split("/"))]
    if not files:
        raise DataError("文件夹里没有文件", where=str(path))
    return files


class _Reader:
    """Reads one file, and what is packed in it."""

    def __init__(self, apart: Apart, ocr: Ocr, most_pages: int) -> None:
        self._apart, self._ocr, self._most_pages = apart, ocr, most_pages

    def read(self, name: str, path: Path, depth: int) -> Iterator[Document | Unread]:
        """Documents of the file, or why there are none."""
        try:
            size = path.stat().st_size
            kind = sniff(path, name) if size else ""
            if not kind:
                yield Unread(name, "空文件")
            elif size > _MOST_BYTES:
                yield Unread(name, f"文件有 {size / 2**30:.1f} GB，超过 1 GB：先拆小")
            elif kind == "zip":
                held = list(members(path))
                yield from [] if held else [Unread(name, "压缩文件里没有文件")]
                for member in held:
                    yield from self._unpacked(f"{name}/{member.name}", member, depth)
            elif kind in ("gz", "bz2", "xz", "zst"):
                yield from self._unpacked(bare_name(name), Packed(path, kind), depth)
            else:
                yield self._one(name, path, kind)
        except OSError as error:
            yield Unread(name, reason(error))
        except DataError as error:
            yield Unread(name, "；".join(part for part in (error.what, error.found, error.fix) if part))

    def _unpacked(self, name: str, packed: Packed, depth: int) -> Iterator[Document | Unread]:
        if depth >= _DEEPEST:
            yield Unread(name, f"压缩文件套了 {_DEEPEST} 层以上：先解压")
            return
        with tempfile.TemporaryDirectory(prefix="cornucopia-") as folder:
            path = Path(folder) / "file"
            size = 0
            with packed.open() as source, path.open("wb") as target:
                while data := source.read(2**20):
                    size += len(data)
                    if size > _MOST_BYTES:
                        yield Unread(name, "解压后超过 1 GB：先拆小")
                        return
                    target.write(data)
            if packed.problem:
                yield Unread(name, packed.problem)
            else:
                yield from self.read(name, path, depth + 1)

    def _one(self, name: str, path: Path, kind: str) -> Document | Unread:
        if kind in REFUSED:
            return Unread(name, REFUSED[kind])
        if kind == "image" and self._ocr != "always":
            return Unread(name, "图片：要读出上面的字，用 ocr: always（--ocr always）")
        try:
            if kind == "pdf":
                document = read_pdf(path, self._apart, ocr=self._ocr, most_pages=self._most_pages)
            else:
                target, further = READERS[kind]
                seconds = _OCR_SECONDS if kind == "image" else _SECONDS
                document = document_of(self._apart.call(target, str(path), *further, seconds=seconds))
        except ApartError as error:
            return Unread(name, str(error))
        if not document.text.strip():
            return Unread(name, "；".join(["没有读出文字", *document.notes]))
        values = document.to_dict() | {"id": name, "sha256": _sha256(path)}
        values["source"] = document.source or document.title or Path(name).stem
        return document_of(values)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
