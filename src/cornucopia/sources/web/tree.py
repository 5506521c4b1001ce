"""A page's bytes as text, and its text as a tree of elements, however broken both are."""

from __future__ import annotations

import re
from typing import Any

from cornucopia.core.errors import CornucopiaError
from cornucopia.sources.charset import decode

_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_DEFAULTS = ("iso-8859-1", "latin1", "us-ascii", "windows-1252")  # what old servers say of every page
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>", re.IGNORECASE)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def decode_page(body: bytes, content_type: str = "") -> tuple[str, str]:
    """A page's text and the name of its encoding; bytes that do not fit become U+FFFD.

    Args:
        body: the page.
        content_type: the header of that name.
    """
    header = _CHARSET.search(content_type)
    declared = header[1] if header and header[1].lower() not in _DEFAULTS else ""
    return decode(body, declared, page=True)


def parse_html(text: str) -> Any:
    """The root element (lxml), or None where there is none.

    Raises:
        CornucopiaError: lxml is not installed.
    """
    try:
        from lxml import etree, html
    except ImportError:
        fix = '运行 pip install "cornucopia-fin[data]"（在源码目录里：pip install -e ".[data]"）'
        raise CornucopiaError("读网页需要 lxml（随 trafilatura 安装）", fix=fix) from None
    text = _NOT_XML.sub("", _DECLARATION.sub("", text)).encode("utf-8", "replace").decode("utf-8")
    if not text.strip():
        return None
    parser = html.HTMLParser(remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None
    return root
