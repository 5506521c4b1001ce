"""Bytes of a web page -> text: byte order mark, header, <meta>, and where these are wrong, what the bytes say."""

from __future__ import annotations

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_WIDER = {  # what browsers take each name for: the larger set that pages really use
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz": "gb18030",
    "big5": "big5hkscs",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "utf-16": "utf-8",  # a page that says so in ASCII is not
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}
_MOST_WRONG = 0.002  # share of bytes that do not fit, up to which a declared encoding is believed


def decode_page(body: bytes, content_type: str = "") -> tuple[str, str]:
    """A page's text and the name of its encoding; bytes that do not fit become U+FFFD.

    Args:
        body: the page.
        content_type: the header of that name.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace"), name
    header, meta = _HEADER.search(content_type), _META.search(body[:4096])
    declared = [header[1]] if header else []
    declared += [meta[1].decode("ascii", "replace")] if meta else []
    for name in filter(None, map(_known, declared)):
        if name == "cp1252" and not body.isascii():  # what old servers say of every page
            continue
        text = body.decode(name, "replace")
        if text.count("\ufffd") <= _MOST_WRONG * len(body):
            return text, name
    return _told_by_bytes(body)


def _known(name: str) -> str:
    try:
        name = codecs.lookup(name).name
    except LookupError:
        return ""
    name = _WIDER.get(name, name)
    try:  # rot13 and the like turn no bytes into text
        return name if isinstance(codecs.decode(b"a", name), str) else ""
    except Exception:
        return ""


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(body) - 4  # cut in the middle of a character
    return True


def _told_by_bytes(body: bytes) -> tuple[str, str]:
    if _is_utf8(body):
        return body.decode("utf-8", "replace"), "utf-8"
    name = "gb18030"
    try:
        from charset_normalizer import from_bytes

        tags = re.sub(rb"<[^>]*>", b" ", body)[:100_000]  # markup is ASCII in every encoding and tells nothing
        best = from_bytes(
            tags, cp_isolation=["gb18030", "big5", "utf-8", "shift_jis", "euc_jp", "euc_kr", "cp1252"]
        ).best()
        name = _known(best.encoding) or name if best else name
    except ImportError:
        pass
    return body.decode(name, "replace"), name
