"""What a quality rule is, and what it is shown of a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from cornucopia.records.schema import Record

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`|https?://\S+|\$[^$\n]+\$|\\\[.*?\\\]|\\\(.*?\\\)", re.S)
_MAY_BE_CODE = re.compile(r"[`$]|://|\\[(\[]")
SENTENCE = re.compile(r"[^。！？!?\n]*[。！？!?\n]?")


@dataclass(frozen=True)
class Said:
    """An answer with what it answers; a document is an answer to nothing.

    Args:
        question: the user's turn, '' for a document.
        material: what the question works on.
        answer: the text that is judged.
        record: that it belongs to.
        is_last: whether it is the record's last answer.
        asked: all that was said and given before the answer.
    """

    question: str
    material: str
    answer: str
    record: Record
    is_last: bool = True
    asked: str = ""

    @cached_property
    def prose(self) -> str:
        """The answer without code, formulas and addresses."""
        return _CODE.sub("", self.answer) if _MAY_BE_CODE.search(self.answer) else self.answer


@dataclass(frozen=True)
class Finding:
    """What a rule found: 1 is faultless, 0 unusable; the reason in Chinese for anything below 1."""

    score: float
    reason: str = ""


GOOD = Finding(1.0)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Args:
        name: as in settings, scores and reports.
        summary: one Chinese line.
        check: what it finds in an answer; None where it has nothing to say.
    """

    name: str
    summary: str
    check: Callable[[Said], Finding | None]


def answers_of(record: Record) -> Iterator[Said]:
    """Every answer of a record that is learnt, with its question; a document whole."""
    if not record.messages:
        yield Said("", "", record.text, record)
        return
    question = material = ""
    before: list[str] = []
    final = record.answer
    for turn, given in record.turns():
        if turn.role == "assistant" and turn.content.strip() and turn.learnt is not False:
            yield Said(question, material, turn.content, record, turn is final, "\n".join(before))
        elif turn.role == "user":
            question, material = turn.content, given
        before += [turn.content, given]


def ramp(value: float, bad: float, good: float) -> float:
    """0 at `bad` or worse, 1 at `good` or better, a straight line between; either may be the larger."""
    return min(1.0, max(0.0, (value - bad) / (good - bad)))


def snippet(text: str, start: int, end: int, around: int = 8) -> str:
    """A stretch of the text with a little around it, on one line."""
    return " ".join(text[max(0, start - around) : end + around].split())
