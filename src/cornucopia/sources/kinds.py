"""What a file is, by its content: a PDF named .txt is a PDF."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cornucopia.sources.packed import packing

REFUSED = {
    "doc": "旧 Word 文件（.doc）：用 Word、WPS 或 LibreOffice 另存为 .docx",
    "xls": "旧 Excel 文件（.xls）：用 Excel、WPS 或 LibreOffice 另存为 .xlsx",
    "ppt": "旧 PowerPoint 文件（.ppt）：另存为 PDF",
    "pptx": "PowerPoint 文件：另存为 PDF",
    "xlsb": "Excel 二进制文件（.xlsb）：另存为 .xlsx",
    "odf": "OpenDocument 文件：另存为 .docx 或 .xlsx",
    "epub": "EPUB 电子书：转成 .html 或 .docx",
    "ofd": "OFD 文件：用 OFD 阅读器导出为 PDF",
    "rtf": "RTF 文件：另存为 .docx",
    "encrypted": "文件加了密：先去掉密码另存一份",
    "mhtml": "MHTML 网页：另存为「网页，仅 HTML」",
    "data": "是数据（JSON、Parquet），不是文档：用 cornucopia data check，或配方里 kind: records",
    "rar": "rar、7z 压缩文件：解压后再读，或改用 .zip",
    "binary": "不是认得的文档",
}
_HEADS = (
    (b"%PDF", "pdf"), (b"{\\rtf", "rtf"), (b"\x89PNG", "image"), (b"\xff\xd8\xff", "image"), (b"GIF8", "image"),
    (b"II*\0", "image"), (b"MM\0*", "image"), (b"PAR1", "data"), (b"Rar!", "rar"),
    (b"7z\xbc\xaf", "rar"), (b"MIME-Version:", "mhtml"),
)  # fmt: skip
_PARTS = (
    ("word/document.xml", "docx"), ("xl/workbook.xml", "xlsx"), ("xl/workbook.bin", "xlsb"),
    ("ppt/presentation.xml", "pptx"), ("OFD.xml", "ofd"), ("META-INF/container.xml", "epub"),
    ("content.xml", "odf"),
)  # fmt: skip
_NAMED = {
    ".md": "md", ".markdown": "md", ".csv": "csv", ".tsv": "csv", ".html": "html", ".htm": "html", ".xhtml": "html",
    ".shtml": "html", ".json": "data", ".jsonl": "data", ".ndjson": "data", ".doc": "doc", ".xls": "xls",
    ".ppt": "ppt", ".mht": "mhtml", ".mhtml": "mhtml",
}  # fmt: skip


def sniff(path: Path, name: str) -> str:
    """What a file is: a key of `read.READERS` or REFUSED, pdf, zip, gz, bz2, xz, zst.

    Args:
        path: of the file.
        name: of it, whose suffix decides between kinds of text.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    suffix = Path(name).suffix.lower()
    packed = packing(path)
    if packed == "zip":
        return _zip_kind(path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return _ole_kind(path, suffix)
    found = next((kind for start, kind in _HEADS if head.startswith(start)), "")
    if (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"):
        found = "image"
    if b"%PDF-" in head[:1024]:
        found = "pdf"
    if packed or found:
        return packed or found
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if suffix not in (".md", ".markdown", ".csv", ".tsv") and start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "html"
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    control = sum(byte < 9 or 13 < byte < 27 for byte in head)
    if control * 20 > len(head) and not wide:
        return _NAMED.get(suffix, "binary") if suffix in (".doc", ".xls", ".ppt") else "binary"
    kind = _NAMED.get(suffix, "txt")
    return "txt" if kind in ("doc", "xls", "ppt") else kind


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "zip"
    return next((kind for part, kind in _PARTS if part in names), "zip")


def _ole_kind(path: Path, suffix: str) -> str:
    with path.open("rb") as file:
        head = file.read(2**22)
    if "EncryptedPackage".encode("utf-16-le") in head:
        return "encrypted"
    streams = {"doc": "WordDocument", "xls": "Workbook", "ppt": "PowerPoint Document"}
    told = next((kind for kind, name in streams.items() if name.encode("utf-16-le") in head), "")
    return told or (suffix[1:] if suffix[1:] in streams else "binary")
