"""The same text, character for character, with every digit and sign of a number in ASCII.

Numbers are looked for in this one: １３８, 一三八 and 138 are the same, and what is found stands at the same place.
"""

from __future__ import annotations

import re

_WIDE = {
    0xFF00 + ord(char) - 0x20: char for char in map(chr, range(0x21, 0x7F)) if char.isalnum() or char in "+-.()@:#_"
}
_WIDE |= dict.fromkeys(map(ord, "—–‐‑−―﹣·•"), "-") | dict.fromkeys(map(ord, "\u3000\xa0"), " ")
_HAS_WIDE = re.compile("[" + re.escape("".join(map(chr, _WIDE))) + "]+")
_CHINESE = "零〇一二三四五六七八九幺壹贰叁肆伍陆柒捌玖两"
_VALUES = {ord(char): ord(value) for char, value in zip(_CHINESE, "0012345678911234567892", strict=True)}
# Eleven digits in a row, some of them written out: a number that somebody says or hides. Amounts have 十百千万 in them.
_SPOKEN = re.compile(rf"[{_CHINESE}0-9](?:[ -]?[{_CHINESE}0-9]){{9,}}[Xx]?")
_WRITTEN = re.compile(rf"[{_CHINESE}]")


def plain(text: str) -> str:
    """The text to search in; as long as the one given."""
    text = _HAS_WIDE.sub(lambda found: found.group().translate(_WIDE), text)
    return _SPOKEN.sub(_spelled, text) if _WRITTEN.search(text) else text


def _spelled(found: re.Match[str]) -> str:
    run = found.group()
    return run.translate(_VALUES) if len(_WRITTEN.findall(run)) >= 3 else run
