"""What a judge writes -> a score between 0 and 1, strictly: what is not plainly one score is none, and never 0."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cornucopia.inference.paid.replies import read_json

_NAMES = ("score", "得分", "评分", "分数")
_SAID = re.compile(
    rf"(?:{'|'.join(_NAMES)})[\"”*_\s]*[:：=为是]\s*[*_\s]*(?P<of>\d+(?:\.\d+)?|\.\d+)(?:\s*/\s*(?P<most>\d+(?:\.\d+)?))?"
    r"\s*(?P<more>[\d.%％~～–-]|到|至)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Judged:
    """A judge's word: the score, 0 to 1, and its reason or ''."""

    score: float
    reason: str = ""


def read_score(text: str) -> Judged | None:
    """The score in a judge's reply: JSON with `score`, or 「得分：0.8」, 「得分：8/10」; None where it is not plain.

    Not plain are two different scores, a range, a percentage, a number above 1 without its scale, and no number.
    """
    if "{" in text:
        try:
            value = read_json(text[text.index("{") :])
        except ValueError:
            return None  # cut off, perhaps in the middle of the number
        return _of_object(value)
    found = list(_SAID.finditer(text))
    if any(match["more"] for match in found if not _ends_sentence(match)):
        return None
    scores = {_scaled(float(match["of"]), float(match["most"] or 1)) for match in found}
    score = scores.pop() if len(scores) == 1 else None
    return None if score is None else Judged(score, _SAID.sub("", text).strip()[:500])


def _ends_sentence(match: re.Match[str]) -> bool:
    """Whether what follows is a full stop; after 0 or 1 it may be the point of a number that was cut."""
    return match["more"] == "." and "." in match["of"] and not match.string[match.end() : match.end() + 1].isdigit()


def _of_object(value: dict[str, Any]) -> Judged | None:
    given = [value[name] for name in _NAMES if name in value]
    if len(given) != 1 or isinstance(given[0], bool):
        return None
    score = given[0]
    if isinstance(score, str):
        return read_score(f"得分：{score}")
    reason = next((value[name] for name in ("reason", "理由", "原因") if isinstance(value.get(name), str)), "")
    scaled = _scaled(score, 1) if isinstance(score, int | float) else None
    return None if scaled is None else Judged(scaled, reason[:500])


def _scaled(score: float, most: float) -> float | None:
    return score / most if most > 0 and 0 <= score <= most else None
