"""What a judge writes -> a score on a given scale, strictly: what is not plainly one score is none, and never 0."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cornucopia.inference.paid.replies import read_json

_NAMES = ("score", "rating", "得分", "评分", "分数", "打分")
_NUMBER = r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_OVER = rf"(?P<of>{_NUMBER})(?:\s*/\s*(?P<most>[0-9]+(?:\.[0-9]+)?))?"
_SAID = re.compile(
    rf"(?:{'|'.join(_NAMES)})[\"”*_\s]*[:：=为是]\s*[*_\s]*(?:\[\s*)?{_OVER}(?:\s*(?:\]|分(?!之)))?"
    r"(?P<gap>\s*)(?P<more>以[上下]|左右|[%‰~～–/+-]|\.|到|至)?",
    re.IGNORECASE,
)
_BRACKETED = re.compile(
    rf"\[\[\s*(?:(?:{'|'.join(_NAMES)})\s*[:：]\s*)?{_OVER}\s*分?\s*\]\](?:\s*/\s*(?P<out>[0-9]+(?:\.[0-9]+)?))?",
    re.IGNORECASE,
)
_KEY = re.compile(rf"[\"“”']\s*(?:{'|'.join(_NAMES)})\s*[\"“”']\s*[:：]", re.IGNORECASE)
# Full-width ASCII alone: NFKC would make digits of ², ① and ½ too.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3010: "[", 0x3011: "]", 0x3000: " "}
_MOST_OBJECTS = 50


@dataclass(frozen=True)
class Judged:
    """A judge's word: the score, and its reason or ''."""

    score: float
    reason: str = ""


def read_score(text: str, most: float = 1.0, least: float = 0.0) -> Judged | None:
    """The score in a judge's reply: JSON, 「得分：0.8」, 「评分: 8/10」, `[[8]]`; None where it is not plain.

    Not plain are two different scores, a range, a percentage, a number off the scale, one that is cut, and no number.

    Args:
        text: the reply.
        most, least: the ends of the scale; a number with a scale of its own (8/10) is brought to it.
    """
    plain = half_width(text)
    if _KEY.search(plain):  # perhaps cut in the middle of its number: nothing but whole JSON counts
        return _of_objects(plain, most, least)
    found = [match for pattern in (_SAID, _BRACKETED) for match in pattern.finditer(plain)]
    if any(_goes_on(match) for match in found):
        return None
    scores = {_scaled(float(match["of"]), _scale_of(match), most, least) for match in found}
    score = scores.pop() if len(scores) == 1 else None
    return None if score is None else Judged(score, _BRACKETED.sub("", _SAID.sub("", plain)).strip()[:500])


def half_width(text: str) -> str:
    """Full-width letters, digits and marks as ASCII, black brackets as square ones; anything else as it stands."""
    return text.translate(_HALF_WIDTH)


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a text, outermost ones, those with harmless slips of spelling too."""
    place, decoder = 0, json.JSONDecoder(strict=False)
    for _ in range(_MOST_OBJECTS):
        place = text.find("{", place)
        if place < 0:
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            value, place = _mended(text[place:]), place + 1
        if isinstance(value, dict):
            yield value


def _mended(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return None


def _scale_of(match: re.Match[str]) -> str | None:
    """The scale's end that the judge wrote: 8/10, [[8/10]] or [[8]]/10."""
    return match["most"] or (match["out"] if match.re is _BRACKETED else None)


def _goes_on(match: re.Match[str]) -> bool:
    """Whether the number is not over where the match ends: a range, a percentage, a point, another sort of digit.

    A full stop is no such thing after a decimal fraction, which has its point already.
    """
    after = match.string[match.end() : match.end() + 1]
    if match.re is _BRACKETED:
        return False
    if match["more"] == ".":
        return "." not in match["of"] or after.isnumeric()
    attached = not match["gap"] and after.isascii() and after.isalnum()  # 1e1, 0x8
    beside = "\n" not in match["gap"] and after.isnumeric()
    return bool(match["more"]) or attached or beside or match.string[match.end("of") : match.end("of") + 1] == "."


def _of_objects(text: str, most: float, least: float) -> Judged | None:
    """The one score of all objects in a text that have one."""
    found = [_of_object(value, most, least) for value in json_objects(text) if _given(value)]
    scores = {one.score if one else None for one in found}
    return found[0] if len(scores) == 1 else None


def _given(value: dict[str, Any]) -> list[Any]:
    return [value[name] for name in _NAMES if name in value]


def _of_object(value: dict[str, Any], most: float, least: float) -> Judged | None:
    given = _given(value)
    if len(given) != 1 or isinstance(given[0], bool):
        return None
    score = given[0]
    if isinstance(score, str):
        return None if _KEY.search(score) else read_score(f"得分：{score}", most, least)
    reason = next((value[name] for name in ("reason", "理由", "原因") if isinstance(value.get(name), str)), "")
    scaled = _scaled(score, None, most, least) if isinstance(score, int | float) else None
    return None if scaled is None else Judged(scaled, reason[:500])


def _scaled(score: float, of: str | None, most: float, least: float) -> float | None:
    """On the scale, or None off it; `of` is the scale's end that the judge wrote itself."""
    if of is not None:
        score = score / float(of) * most if float(of) > 0 else -1.0
    return float(score) if least <= score <= most else None
