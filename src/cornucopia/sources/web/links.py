"""What a page says to a crawler: its links, the address it wants to be known by, its licence, what it forbids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cornucopia.sources.web.address import normalise
from cornucopia.sources.web.fetch import ROBOT

_CREATIVE_COMMONS = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/([0-9.]+)", re.IGNORECASE)
_REFRESH = re.compile(r"""^\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?["']?(.+?)["']?\s*$""", re.IGNORECASE)
_RESERVED = ("noai", "noindex", "noarchive")


@dataclass(frozen=True)
class PageLinks:
    """What was found.

    Args:
        links: normalised, each once, in the page's order; empty where the page forbids following.
        canonical: the address that the page wants to be known by, or ''.
        licence: such as CC BY 4.0, or the address that rel=license names, or ''.
        reserved: what is forbidden: noai, noindex, noarchive, tdm-reservation.
    """

    links: tuple[str, ...] = ()
    canonical: str = ""
    licence: str = ""
    reserved: tuple[str, ...] = ()


def read_links(
    root: Any, address: str, encoding: str, headers: Mapping[str, str], *, obey_nofollow: bool = True
) -> PageLinks:
    """Look through a page.

    Args:
        root: its tree, or None.
        address: its own.
        encoding: its own.
        headers: of the answer, names in lower case.
        obey_nofollow: False follows links marked nofollow too.
    """
    words = _directives(headers.get("x-robots-tag", ""), prefixed=True)
    if root is None:
        return PageLinks(reserved=_reserved(words, headers.get("tdm-reservation", "")))
    metas: dict[str, str] = {}
    for meta in root.iter("meta"):
        name = (meta.get("name") or meta.get("http-equiv") or "").strip().lower()
        metas[name] = f"{metas[name]},{meta.get('content') or ''}" if name in metas else meta.get("content") or ""
    words |= _directives(metas.get("robots", "")) | _directives(metas.get(ROBOT.lower(), ""))
    follow = not (obey_nofollow and words & {"nofollow", "none"})
    base = _base(root, address)
    return PageLinks(
        links=tuple(_links(root, base, encoding, metas.get("refresh", ""), obey_nofollow)) if follow else (),
        canonical=_canonical(root, base, encoding),
        licence=_licence(root, base),
        reserved=_reserved(words, headers.get("tdm-reservation", "") or metas.get("tdm-reservation", "")),
    )


def _directives(text: str, prefixed: bool = False) -> set[str]:
    """`noindex, nofollow`; in a header also `otherbot: nofollow`, which is not meant for us."""
    found: set[str] = set()
    meant = True
    for part in text.lower().split(","):
        name, colon, rest = part.partition(":")
        if prefixed and colon and name.strip() not in ("unavailable_after", "max-snippet", "max-image-preview"):
            meant, part = name.strip() == ROBOT.lower(), rest
        if meant:
            found.add(part.strip())
    return found


def _reserved(words: set[str], mining: str) -> tuple[str, ...]:
    named = [word for word in _RESERVED if word in words or (word == "noindex" and "none" in words)]
    return tuple([*named, "tdm-reservation"] if mining.strip() == "1" else named)


def _base(root: Any, address: str) -> str:
    element = next(iter(root.iter("base")), None)
    href = element.get("href") if element is not None else None
    return (normalise(href, address) if href else "") or address


def _links(root: Any, base: str, encoding: str, refresh: str, obey_nofollow: bool) -> list[str]:
    found: dict[str, None] = {}
    moved = _REFRESH.match(refresh)
    hrefs = [moved[1]] if moved else []
    for element in root.iter("a", "area", "iframe", "frame", "link"):
        rel = set((element.get("rel") or "").lower().split())
        if (obey_nofollow and "nofollow" in rel) or (element.tag == "link" and not rel & {"next", "prev"}):
            continue
        href = element.get("src") if element.tag in ("iframe", "frame") else element.get("href")
        hrefs += [href] if href else []
    for href in hrefs:
        link = normalise(href, base, encoding)
        if link:
            found[link] = None
    return list(found)


def _canonical(root: Any, base: str, encoding: str) -> str:
    for element in root.iter("link"):
        if "canonical" in (element.get("rel") or "").lower().split() and element.get("href"):
            return normalise(element.get("href"), base, encoding)
    return ""


def _licence(root: Any, base: str) -> str:
    for element in root.iter("link", "a", "area"):
        if "license" in (element.get("rel") or "").lower().split() and element.get("href"):
            return licence_name(element.get("href"), base)
    return ""


def licence_name(href: str, base: str = "") -> str:
    """A Creative Commons licence by its name, another one by its address."""
    found = _CREATIVE_COMMONS.search(href)
    if not found:
        return normalise(href, base) or href.strip()[:200]
    if found[1].lower() == "licenses":
        return f"CC {found[2].upper()} {found[3]}"
    return f"CC0 {found[3]}" if found[2].lower() == "zero" else f"Public Domain Mark {found[3]}"
