"""Sitemaps (sitemaps.org 0.9): XML, an index of others, plain text, each also gzipped."""

from __future__ import annotations

import io

from cornucopia.sources.web.address import normalise
from cornucopia.sources.web.inflate import Broken, TooLarge, gunzip

_MOST = 50_000  # addresses in one sitemap: the protocol's own limit
_MOST_BYTES = 52_428_800  # of one sitemap, opened: the protocol's own limit


def read_sitemap(body: bytes, address: str) -> tuple[list[str], list[str]]:
    """The pages and the further sitemaps that a sitemap names, normalised; what can be read of a broken one.

    Args:
        body: as fetched.
        address: its own.
    """
    try:
        body = gunzip(body, _MOST_BYTES) if body.startswith(b"\x1f\x8b") else body
    except (TooLarge, Broken):
        return [], []
    if not body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        lines = body[:_MOST_BYTES].decode("utf-8", "replace").splitlines()[:_MOST]
        return _addresses([line for line in lines if line.startswith(("http://", "https://"))], address), []
    pages, maps = _locations(body)
    return _addresses(pages, address), _addresses(maps, address)


def _locations(body: bytes) -> tuple[list[str], list[str]]:
    """The <loc> of each <url> and <sitemap>. No entity is expanded and nothing is loaded."""
    from lxml import etree

    pages: list[str] = []
    maps: list[str] = []
    walk = etree.iterparse(
        io.BytesIO(body), events=("end",), resolve_entities=False, no_network=True, load_dtd=False, recover=True
    )
    try:
        for _, element in walk:
            kind = etree.QName(element).localname if isinstance(element.tag, str) else ""
            if kind not in ("url", "sitemap"):
                continue
            inner = (child for child in element if isinstance(child.tag, str))
            loc = next((child.text for child in inner if etree.QName(child).localname == "loc"), "")
            (pages if kind == "url" else maps).append(loc or "")
            element.clear()
            if len(pages) + len(maps) >= _MOST:
                break
    except etree.XMLSyntaxError:
        pass
    return pages, maps


def _addresses(found: list[str], base: str) -> list[str]:
    return list(dict.fromkeys(filter(None, (normalise(text, base) for text in found if text.strip()))))
