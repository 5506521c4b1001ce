"""A page's text as a tree of elements, however broken the markup is."""

from __future__ import annotations

import re
from typing import Any

from cornucopia.core.errors import CornucopiaError

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>", re.IGNORECASE)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


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
