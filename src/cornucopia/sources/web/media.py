"""What kind of document an answer is: by its header, its address, and its first bytes where these say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_TYPES = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    _WORD: "docx",
    _EXCEL: "xlsx",
    "text/plain": "txt",
    "text/markdown": "md",
}
_VAGUE = ("", "application/octet-stream", "application/zip", "binary/octet-stream", "application/force-download")
_ENDINGS = {
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".xlsx": "xlsx",
    ".md": "md",
    ".txt": "txt",
}


def wants(address: str, headers: Mapping[str, str]) -> bool:
    """Whether the body may be a document that is kept, as far as its head tells."""
    kind = _kind(headers)
    return kind in _TYPES or kind in _VAGUE


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def media_of(address: str, headers: Mapping[str, str], body: bytes) -> str:
    """html, pdf, docx, xlsx, md or txt; '' for what is none of these."""
    media = _TYPES.get(_kind(headers), "")
    path = urlsplit(address).path.lower()
    named = next((media for ending, media in _ENDINGS.items() if path.endswith(ending)), "")
    start = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    looks_html = start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
    if body.startswith(b"%PDF"):
        return "pdf"
    if body.startswith(b"PK\x03\x04"):
        return media if media in ("docx", "xlsx") else named if named in ("docx", "xlsx") else ""
    if media in ("pdf", "docx", "xlsx") or (not media and named in ("pdf", "docx", "xlsx")):
        return "html" if looks_html else ""  # an error page in a document's name
    if looks_html or media == "html":
        return "html"
    return (named if named in ("md", "txt") else media) if b"\x00" not in body[:1024] else ""
