"""Bytes of a text file -> text. Knows encodings, not formats.

Chinese data comes as UTF-8, as GB18030 (GBK, GB2312) and, from spreadsheets, as UTF-16. A byte that fits none becomes a
lone surrogate (surrogateescape), so that the row that holds it can be refused later and its neighbours kept.
"""

from __future__ import annotations

import codecs


def decode(data: bytes) -> tuple[str, str]:
    """The text and a Chinese note on a conversion ('' for plain UTF-8). Line ends become `\\n`."""
    text, note = _decode(data)
    text = text.replace("\r\n", "\n")
    return (text if "\n" in text else text.replace("\r", "\n")), note


def _decode(data: bytes) -> tuple[str, str]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and data.count(0) * 20 > len(data):
        return data.decode("utf-16", "replace"), "文件是 UTF-16 编码，已转换"
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        chinese_first = _looks_gb(data)
    decoded = [_line(line, chinese_first) for line in data.split(b"\n")]
    names = {name for _, name in decoded}
    notes = ["含 GB18030 编码的文字，已转换"] if "gb18030" in names else []
    notes += ["有几行的字节不是合格的 UTF-8 或 GB18030"] if "broken" in names else []
    return "\n".join(text for text, _ in decoded), "；".join(notes)


def _line(line: bytes, chinese_first: bool) -> tuple[str, str]:
    if line.isascii():
        return line.decode("ascii"), "ascii"
    names = ["gb18030", "utf-8"] if chinese_first else ["utf-8", *(["gb18030"] if _looks_gb(line) else [])]
    for name in names:
        try:
            return line.decode(name), name
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "surrogateescape"), "broken"


def _looks_gb(data: bytes) -> bool:
    """Whether most bytes beyond ASCII make no UTF-8.

    UTF-8 with a damaged byte usually decodes as GB18030 too, into nonsense; but its other characters remain sound
    UTF-8, while real GB18030 read as UTF-8 has hardly a sound character.
    """
    text = data.decode("utf-8", "surrogateescape")
    beyond = [char for char in text if char > "\x7f"]
    broken = sum("\udc80" <= char <= "\udcff" for char in beyond)
    return broken * 2 > len(beyond)
