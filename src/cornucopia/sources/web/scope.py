"""Which addresses a crawl may ask for: hosts, path prefixes, patterns. Knows normalised addresses only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from cornucopia.core.errors import ConfigError
from cornucopia.sources.web.address import normalise

_FILES = re.compile(  # nothing there for a reader of text
    r"\.(jpe?g|png|gif|webp|svg|ico|bmp|tiff?|avif|mp[34]|m4[av]|avi|mov|wmv|flv|webm|wav|ogg|css|js|mjs|map|json|woff2?|ttf|"
    r"eot|otf|zip|rar|7z|gz|tgz|bz2|xz|tar|exe|msi|dmg|apk|ipa|iso|bin|rss|atom)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Place:
    """One entry of the allow-list.

    Args:
        host: in ASCII.
        below: True where hosts under it (`a.host`) belong to it too.
        scheme: '' for both.
        port: None for the scheme's own.
        prefix: of the path, on a segment's border; '' for all.
    """

    host: str
    below: bool
    scheme: str
    port: int | None
    prefix: str

    def serves(self, host: str) -> bool:
        return host == self.host or (self.below and host.endswith(f".{self.host}"))

    def holds(self, address: str) -> bool:
        parts = urlsplit(address)
        if not self.serves(parts.hostname or "") or parts.port != self.port or self.scheme not in ("", parts.scheme):
            return False
        return not self.prefix or _under(parts.path, self.prefix)


def _under(path: str, prefix: str) -> bool:
    """Whether the path is the prefix or below it, in whatever way a server undoes its escapes."""
    if prefix.endswith("/"):
        inside = path.startswith(prefix)
    else:
        inside = path == prefix or path.startswith(f"{prefix}/")
    return inside and ".." not in re.split(r"[/\\]", unquote(unquote(path)))


def place_of(entry: str) -> Place:
    """Read `host`, `*.host`, `host:8080`, `host/help/` or `https://host/help/`.

    Raises:
        ConfigError: it is none of these.
    """
    scheme, _, rest = entry.strip().rpartition("://")
    below = rest.startswith("*.")
    address = normalise(f"{scheme or 'http'}://{rest.removeprefix('*.')}")
    if not address:
        fix = "写 www.example.com、*.example.com 或 https://www.example.com/help/"
        raise ConfigError("允许范围里这一项读不懂", where="allow", found=entry, fix=fix)
    parts = urlsplit(address)
    port = parts.port
    if not scheme and re.match(r"[^/]*:443(/|$)", rest):  # a port that is https' own
        scheme, port = "https", None
    path = "" if parts.path == "/" else parts.path
    return Place(parts.hostname or "", below, scheme.lower(), port, path)


class Scope:
    """The allow-list with its patterns.

    Args:
        allow: entries as `place_of` reads them; an address in none of them is never asked for.
        include: regular expressions; where there are any, an address must hold one.
        exclude: regular expressions; an address that holds one is left out.

    Raises:
        ConfigError: an entry or a pattern cannot be read.
    """

    def __init__(self, allow: Sequence[str], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self.places = [place_of(entry) for entry in allow]
        self._include = [_pattern(text, "include") for text in include]
        self._exclude = [_pattern(text, "exclude") for text in exclude]

    def refusal(self, address: str, *, start: bool = False) -> str:
        """Why a normalised address is not asked for: outside, pattern, file or trap; '' where it may be.

        Args:
            address: the address.
            start: whether the crawl begins there: then it need not hold one of `include`.
        """
        if not any(place.holds(address) for place in self.places):
            return "outside"
        if any(pattern.search(address) for pattern in self._exclude):
            return "pattern"
        if self._include and not start and not any(pattern.search(address) for pattern in self._include):
            return "pattern"
        path = urlsplit(address).path
        if _FILES.fullmatch(path, max(path.rfind("."), 0)):
            return "file"
        segments = [segment for segment in path.split("/") if segment]
        return "trap" if any(segments.count(segment) > 3 for segment in set(segments)) else ""

    def serves(self, host: str, port: int) -> bool:
        """Whether some allowed address is on this host and port: the last check before a connection."""
        for place in self.places:
            ports = {place.port} if place.port else {"http": {80}, "https": {443}}.get(place.scheme, {80, 443})
            if place.serves(host.strip("[]")) and port in ports:
                return True
        return False

    def serves_origin(self, address: str) -> bool:
        """Whether robots.txt or a sitemap at this address belongs to an allowed host, whatever its path."""
        parts = urlsplit(address)
        return self.serves(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def _pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError("正则表达式写错了", where=where, found=f"{text}：{error}") from None
