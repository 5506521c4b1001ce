"""What a judge wrote of one or two answers -> its verdict, strictly: what is not plainly one verdict is none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.replies import declines
from cornucopia.inference.paid.scores import half_width, json_objects, read_score

Choice = Literal["A", "B", "tie"]
_CHOICES: dict[str, Choice] = {
    "a": "A", "b": "B", "c": "tie", "tie": "tie", "平": "tie", "平局": "tie", "平手": "tie",
}  # fmt: skip
_NAMES = ("verdict", "winner", "结论", "裁决", "胜者", "判定")
_WORD = "平局|平手|平|tie|[abc]"
_ENDS = r"(?![A-Za-z0-9_一-鿿])"
_BRACKETED = re.compile(rf"\[\[\s*({_WORD})\s*\]\]", re.IGNORECASE)
_SAID = re.compile(
    rf"(?:{'|'.join(_NAMES)})[\"”*_\s]*[:：]\s*[\"“*_\s\[]*(?:回答|助手)?\s*({_WORD}){_ENDS}", re.IGNORECASE
)
_KEY = re.compile(rf"[\"“]\s*(?:{'|'.join(_NAMES)})\s*[\"”]\s*[:：]", re.IGNORECASE)
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_TWO = re.compile(rf"\[\[\s*{_NUMBER}\s*[,，、 ]\s*{_NUMBER}\s*\]\]")
_FIRST_LINE = re.compile(rf"{_NUMBER}\s*[,，、\s]\s*{_NUMBER}")
ALIKE = 0.1  # two scores no further apart are a tie (Zheng et al. 2023, FastChat's llm_judge)


@dataclass(frozen=True)
class Opinion:
    """What one reply says.

    Args:
        choice: of two answers, the better by its place; '' where there is none, or where one answer is graded.
        score: of one answer; None where there is none.
        why: why there is no verdict: "unparsed", "cut_off", "empty", "refused", "failed"; '' where there is one.
        text: the reply, or the error.
    """

    choice: Choice | Literal[""] = ""
    score: float | None = None
    why: str = ""
    text: str = ""


def read_opinion(reply: Reply, reader: str) -> Opinion:
    """A reply as an opinion.

    Args:
        reply: what came for the prompt.
        reader: which reply was asked for: a key of READERS.
    """
    if reply.error:
        return Opinion(why="failed", text=reply.error[:500])
    if reply.finish_reason == "length":
        return Opinion(why="cut_off", text=reply.answer)
    found = READERS[reader](reply.answer)
    if found is None:
        empty = "" if reply.answer.strip() else "empty"
        return Opinion(why=empty or ("refused" if declines(reply.answer) else "unparsed"), text=reply.answer)
    if isinstance(found, float):
        return Opinion(score=found, text=reply.answer)
    return Opinion(found, text=reply.answer)


def read_choice(text: str) -> Choice | None:
    """The better of two: `[[A]]`, `[[B]]`, `[[C]]` (a tie), 「结论：A」, {"verdict": "A"}; None where it is not plain.

    Not plain are none of these, and two that differ.
    """
    plain = half_width(text)
    found = {match[1].lower() for match in _BRACKETED.finditer(plain)}
    if _KEY.search(plain):
        values = [value[name] for value in json_objects(plain) for name in _NAMES if name in value]
        if not values or not all(isinstance(value, str) for value in values):
            return None
        found |= {value.strip(" []").lower() for value in values}
    else:
        found |= {match[1].lower() for match in _SAID.finditer(plain)}
    choices = {_CHOICES.get(word) for word in found}
    return choices.pop() if len(choices) == 1 else None


def read_two_scores(text: str) -> Choice | None:
    """The better of two that are scored from 1 to 10: `[[8, 7]]`, or a first line of just two numbers, `8 7`."""
    plain = half_width(text)
    pairs = {match.groups() for match in _TWO.finditer(plain)}
    if not pairs:
        lines = plain.strip().splitlines()
        first = _FIRST_LINE.fullmatch(lines[0].strip()) if lines else None
        pairs = {first.groups()} if first else set()
    if len(pairs) != 1:
        return None
    one, other = map(float, pairs.pop())
    if not (1 <= one <= 10 and 1 <= other <= 10):
        return None
    if abs(one - other) <= ALIKE + 1e-9:
        return "tie"
    return "A" if one > other else "B"


def _grade(most: float, least: float, text: str) -> float | None:
    judged = read_score(text, most, least)
    return judged.score if judged else None


READERS = {
    "choice": read_choice,
    "scores": read_two_scores,
    "ten": lambda text: _grade(10, 1, text),
    "one": lambda text: _grade(1, 0, text),
}
