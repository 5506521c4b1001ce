"""Bytes of a text in an unknown encoding -> text. Chinese pages and files come as UTF-8, GB18030, Big5 and UTF-16."""

from __future__ import annotations

import codecs
import re

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding=["']([\w.:-]+)|<meta[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_OF_PAGES = re.compile(
    r"utf-8|utf-16(?:-[lb]e)?|gb18030|big5(?:hkscs)?|euc_(?:jp|kr)|shift_jis|cp(?:125\d|932|949|950)|iso8859-\d+|koi8-[ru]"
)
_HEAD = 4096  # bytes of a page within which its declaration stands (the HTML standard looks at 1024)
_SAMPLE = 2**17  # bytes by which an undeclared encoding is told
# What pages call GBK or Big5 is in fact its superset: the WHATWG encoding standard reads them so.
_SUPERSETS = {
    "gb2312": "gb18030", "gbk": "gb18030", "gb_2312-80": "gb18030", "x-gbk": "gb18030", "big5": "big5hkscs",
    "x-x-big5": "big5hkscs", "iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "utf8": "utf-8",
}  # fmt: skip


def decode(data: bytes, declared: str = "", *, page: bool = False) -> tuple[str, str]:
    """(text, name of the encoding); what does not decode becomes U+FFFD.

    A declaration is believed only if the bytes decode by it: many pages declare one encoding and are in another.

    Args:
        data: the bytes.
        declared: encoding that a header names, or ''.
        page: whether the bytes may declare it themselves, as HTML and XML do.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data[len(bom) if name == "utf-8" else 0 :].decode(name, "replace"), name
    found = _DECLARED.search(data[:_HEAD]) if page else None
    inner = (found.group(1) or found.group(2)).decode("ascii", "replace") if found else ""
    for name in dict.fromkeys(["utf-8", *(_known(name) for name in (declared, inner)), _told(data), "gb18030"]):
        if name:
            try:
                return data.decode(name), name
            except UnicodeDecodeError:
                continue
    name = _known(declared) or _known(inner) or _told(data) or "utf-8"
    return data.decode(name, "replace"), name


def _known(name: str) -> str:
    """Python's name of an encoding that pages are in, or ''."""
    name = _SUPERSETS.get(name.strip().lower(), name.strip().lower())
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return found if _OF_PAGES.fullmatch(found) else ""


def _told(data: bytes) -> str:
    """What charset-normalizer takes the bytes for, among the encodings Chinese text has; '' if it cannot tell."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return ""
    best = from_bytes(data[:_SAMPLE], cp_isolation=["gb18030", "big5hkscs", "utf_16_le", "utf_16_be"]).best()
    return best.encoding if best else ""
