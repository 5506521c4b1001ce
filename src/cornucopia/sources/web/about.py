"""What a page says of itself: title, publisher, date. A date it does not name is '', never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cornucopia.sources.web.blocks import blocks_of, one_line
from cornucopia.sources.web.faq.json_ld import json_ld_nodes, plain_text

_CHANGED = ("article:modified_time", "og:updated_time", "last-modified", "datemodified", "dcterms.modified")
_MADE = (
    *("article:published_time", "pubdate", "publishdate", "publish-date", "date", "dc.date", "dcterms.created"),
    *("datepublished", "article:published", "og:published_time", "weibo:article:create_at"),
)
_DAY = re.compile(r"((?:19|20)\d\d)\s*[-年/.]\s*(\d{1,2})\s*[-月/.]\s*(\d{1,2})")
_COMPACT = re.compile(r"^((?:19|20)\d\d)(\d\d)(\d\d)(?:\D|\d{6}|$)")
_STAMP = r"((?:19|20)\d\d\s*[-年/.]\s*\d{1,2}\s*[-月/.]\s*\d{1,2})"
_LABELLED = re.compile(  # 发布时间：…, 日期：…, … 来源：…, … 10:20
    rf"(?:发布|更新|发文|发稿|成文|修改|修订|印发|公布)(?:日期|时间|于)?\s*[:：]?\s*{_STAMP}|^(?:日期|时间)\s*[:：]\s*{_STAMP}|"
    rf"^{_STAMP}日?(?:\s+\d\d?:\d\d(?::\d\d)?\s*(?:来源|作者|$)|\s*(?:来源|作者))|来源\s*[:：].{{0,30}}?{_STAMP}"
)
_TAIL = re.compile(r"\s*[-_|–—·]+\s*[^-_|–—·]{1,30}$")


@dataclass(frozen=True)
class About:
    """Of a page: its title, who publishes it, the day it was last changed or published; each '' where it is silent."""

    title: str = ""
    publisher: str = ""
    date: str = ""


def about_page(root: Any) -> About:
    """Read them, from markup before text.

    Args:
        root: the page's tree, or None.
    """
    if root is None:
        return About()
    metas: dict[str, str] = {}
    for meta in root.iter("meta"):
        name = meta.get("property") or meta.get("name") or meta.get("itemprop") or meta.get("http-equiv") or ""
        metas.setdefault(name.strip().lower(), " ".join((meta.get("content") or "").split()))
    nodes = json_ld_nodes(root)
    return About(_title(root, metas), _publisher(nodes, metas), _date(root, metas, nodes))


def _title(root: Any, metas: dict[str, str]) -> str:
    heads = [text for text in map(one_line, root.iter("h1")) if text]
    named = " ".join((root.findtext(".//title") or "").split())
    if len(heads) == 1 and len(heads[0]) <= 120:
        return heads[0]
    return metas.get("og:title") or _TAIL.sub("", named) or (heads[0][:120] if heads else "")


def _publisher(nodes: list[dict[str, Any]], metas: dict[str, str]) -> str:
    for node in nodes:
        publisher = node.get("publisher")
        name = publisher.get("name") if isinstance(publisher, dict) else publisher
        if isinstance(name, str) and name.strip():
            return plain_text(name)[:80]
    named = (
        metas.get(name, "") for name in ("og:site_name", "sitename", "contentsource", "publisher", "application-name")
    )
    return next(filter(None, named), "")[:80]


def _date(root: Any, metas: dict[str, str], nodes: list[dict[str, Any]]) -> str:
    for key, names in (("dateModified", _CHANGED), ("datePublished", _MADE)):
        told = [node[key] for node in nodes if isinstance(node.get(key), str)]
        for text in [*told, *(metas.get(name, "") for name in names)]:
            if found := day_of(text):
                return found
    for text in _in_text(root):
        if found := day_of(text):
            return found
    return ""


def _in_text(root: Any) -> Iterator[str]:
    for element in root.iter("time"):
        if element.get("pubdate") is not None or element.get("itemprop") in ("datePublished", "dateModified"):
            yield element.get("datetime") or one_line(element)
    for block in blocks_of(root):
        found = _LABELLED.search(block.text) if len(block.text) < 150 else None
        if found:
            yield next(filter(None, found.groups()))


def day_of(text: str) -> str:
    """YYYY-MM-DD of a text that begins with or holds a day; '' where it holds none that exists."""
    import datetime

    found = _COMPACT.match(text.strip()) or _DAY.search(text)
    try:
        return datetime.date(*map(int, found.groups())).isoformat() if found else ""
    except ValueError:
        return ""
