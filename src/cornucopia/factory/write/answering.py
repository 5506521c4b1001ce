"""Whether an answer stands on its material: its quotations are there, and so are its numbers, laws and quoted words."""

from __future__ import annotations

from dataclasses import dataclass

from cornucopia.factory.write.pieces import Context
from cornucopia.factory.write.shapes import AnswerItem
from cornucopia.inference.paid.replies import declines
from cornucopia.records import grounding
from cornucopia.records.evidence import Evidence


@dataclass(frozen=True)
class Answered:
    """An answer and the places that it stands on."""

    text: str
    places: tuple[Evidence, ...]


def check_answer(question: str, item: AnswerItem, material: Context, facts: bool) -> Answered | tuple[str, str]:
    """The answer with its places, or the rule that it breaks and what was found.

    Args:
        question: what was asked.
        item: what the model gave.
        material: the passages it was given.
        facts: whether numbers, dates, laws and quoted words of the answer are looked for in the material.
    """
    text = item.answer.strip()
    if not item.answerable or not text:
        return "unanswerable", text
    if declines(text):
        return "refused", text
    if not item.quotes:
        return "no_quote", text
    source, places = material.source, []
    for quote in item.quotes:
        found = source.find(quote)
        if not found:
            return "quote_not_found", quote
        places += found
    if facts:
        checked = grounding.check_answer(text, material.text, question=question)
        if not checked.holds:
            return "fact_not_found", checked.told()
    return Answered(text, tuple(dict.fromkeys(places)))
