"""When two questions are the same: letters, digits and the symbols that carry a value decide; width, case, white space
and other punctuation do not.
"""

from __future__ import annotations

import re
import unicodedata

from cornucopia.records.schema import Record

_RAISED = str.maketrans({raised: f"^{digit}" for digit, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
_MINUS = str.maketrans("−‐‑‒–﹣⁻⁄∕", "-------//")  # minus signs, dashes and slashes of one meaning
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_DASH = re.compile(r"(?<=[\d%‰])\s*[—―]+\s*(?=\d)")  # a range
# Always kept: signs of mathematics (what compares, adds, points, joins) and currencies. Beside a digit also what signs,
# ranges, divides or multiplies; brackets around a number with a unit are an accountant's minus.
_KEPT = "%‰‱" + "".join(
    re.escape(sign)
    for sign in map(chr, range(0x10000))
    if unicodedata.category(sign) in ("Sc", "Sm") and sign not in "~|^-"
)
_POINT = r"[.,、/:](?=\d)(?<=\d.)|(?<!\w)\.(?=\d)"
_SIGN = r"[-~*^](?=[\d<>≤≥±+¥$€£.])|[-~](?=[a-z])(?<=[a-z\d].)|(?<=[\d%‰])[-~]"
_SIGN += r"|\((?=[\d.]+\)(?:[万亿千百元%]))|(?<=[a-z])#"
_DROPPED = re.compile(rf"(?!{_POINT}|{_SIGN})[^\w{_KEPT}]|_")
_SPACE = re.compile(r"\s+")


def normalized(text: str) -> str:
    """The text as it is compared; one of nothing but punctuation stays as it is."""
    folded = unified(text)
    folded = _THOUSANDS.sub(lambda found: found.group().replace(",", ""), _DASH.sub("-", folded))
    return _DROPPED.sub("", _SPACE.sub("", folded)) or text.strip()


def unified(text: str) -> str:
    """Characters of one meaning made one: width, case, signs of minus. What `normalized` begins with."""
    return unicodedata.normalize("NFKC", text.translate(_RAISED)).translate(_MINUS).casefold()


def is_kept(char: str) -> bool:
    """Whether `normalized` keeps this character, however it is surrounded."""
    return not _DROPPED.match(char)


def said(record: Record) -> list[str]:
    """What is said before the answer, turn by turn with its material and without the system's; or the document."""
    if not record.messages:
        return [record.text]
    turns = record.messages[:-1] if record.answer else record.messages
    if len(turns) == 1 and turns[0].role != "system" and not record.passages:  # most records
        return [turns[0].content]
    last = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    texts = [turn.content + (record.material if at == last else "") for at, turn in enumerate(turns)]
    return [text for text, turn in zip(texts, turns, strict=True) if turn.role != "system"]


def comparable(record: Record) -> str:
    """What is compared of a record: everything that is said before the answer, with its material, or the document."""
    if not record.messages:
        return normalized(record.text)
    return "\n".join(normalized(text) for text in said(record) if text)
