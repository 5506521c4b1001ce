"""One spelling for every address: what is fetched, compared and kept is the same string.

Follows the WHATWG URL standard where browsers do (backslashes, control characters, international names), RFC 3986 6.2.2
for percent-escapes and dot segments; drops what names a visitor rather than a page.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urljoin, urlsplit

LONGEST = 2000  # characters: what servers and proxies commonly take
_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"(utm_\w+|spm|scm|hm(sr|pl|cu|kw|ci)|bd_vid|gclid|gclsrc|dclid|gbraid|wbraid|fbclid|msclkid|yclid|igshid|mc_[ce]id|"
    r"_ga|_gl|_hs(enc|mi)|share_(token|source|medium)|vd_source|"
    r"phpsessid|jsessionid|aspsessionid\w*|cfid|cftoken|session_?id|zenid|oscsid)",
    re.IGNORECASE,
)
_LONG_SID = re.compile(r"sid=[0-9a-z]{20,}", re.IGNORECASE)  # a short sid may name a product
_PATH_SESSION = re.compile(r";(jsessionid|phpsessid|sid)=[^/;]*|/\((?:[A-Z]\([0-9A-Za-z]+\))+\)(?=/)", re.IGNORECASE)
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE = "/:@!$&'()*+,;=-._~%"
_QUERY_SAFE = _PATH_SAFE + "?"
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def normalise(link: str, base: str = "", encoding: str = "utf-8") -> str:
    """The one spelling of a web address.

    Args:
        link: as the page has it; relative ones are read from `base`.
        base: the page's address, or its <base href>.
        encoding: of the page; browsers escape a query in it.

    Returns:
        The address without fragment, session and campaign parameters; '' for what is never fetched: another scheme,
        a user or password in it, a number that hides an IP address, a name no resolver would take, more than 2,000
        characters.
    """
    try:
        parts = urlsplit(urljoin(base, _as_browsers_read(link)))
        port = parts.port
    except ValueError:
        return ""
    host = _host(parts.hostname or "")
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or port == 0:
        return ""
    place = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    path = _PATH_SESSION.sub("", _without_dots(_escaped(parts.path, _PATH_SAFE, "utf-8")))
    query = _query(_escaped(parts.query, _QUERY_SAFE, encoding))
    address = f"{parts.scheme}://{place}{path}{'?' + query if query else ''}"
    return address if len(address) <= LONGEST else ""


def host_of(address: str) -> str:
    """The host of a normalised address: what the rate limit is kept for."""
    return urlsplit(address).hostname or ""


def origin_of(address: str) -> str:
    """Scheme, host and port of a normalised address: what one robots.txt speaks for."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _as_browsers_read(link: str) -> str:
    link = re.sub("[\t\n\r]", "", link.strip("".join(map(chr, range(33)))))
    head, mark, tail = re.match(r"([^?#]*)([?#]?)(.*)", link, re.DOTALL).groups()  # type: ignore[union-attr]
    return head.replace("\\", "/") + mark + tail


def _host(name: str) -> str:
    """In lower case and ASCII; '' for what is no name or hides a number."""
    if ":" in name:
        try:
            return f"[{ipaddress.IPv6Address(name).compressed}]"
        except ValueError:
            return ""
    import idna  # comes with httpx

    try:
        name = idna.encode(name, uts46=True).decode() if not name.isascii() else name.lower()
    except (idna.IDNAError, UnicodeError):
        return ""
    name = name.rstrip(".")
    if not _NAME.fullmatch(name) or ".." in name or len(name) > 253:
        return ""
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]):  # 127.1, 0x7f.1, 2130706433: resolvers take them
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            return ""
    return name


def _escaped(text: str, safe: str, encoding: str) -> str:
    """Each escape in capitals, or undone where it need not be; everything else that must be is escaped."""
    try:
        text = quote(text, safe=safe, encoding=encoding, errors="xmlcharrefreplace")
    except LookupError:
        text = quote(text, safe=safe, errors="replace")
    text = re.sub("%(?![0-9A-Fa-f]{2})", "%25", text)
    return _ESCAPE.sub(_one_escape, text)


def _one_escape(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4; escapes of dots have been undone."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    kept = [
        part
        for part in query.split("&")
        if part and not _TRACKING.fullmatch(part.partition("=")[0]) and not _LONG_SID.fullmatch(part)
    ]
    return "&".join(kept)
