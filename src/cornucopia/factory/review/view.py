"""A record as the review page shows it: its turns, and beside it the source with the quoted words marked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cornucopia.factory.review.decisions import Decision
from cornucopia.records.evidence import Evidence, evidence_of
from cornucopia.records.schema import Message, Record
from cornucopia.sources.document import Document

_BLANK = re.compile(r"\s+")
_AROUND = 1500  # characters of a page shown before and after the quoted words


def view(record: Record, decision: Decision | None, documents: Mapping[str, Document]) -> dict[str, Any]:
    """Everything of one record that the page shows.

    Args:
        record: the one.
        decision: the last word on it.
        documents: by id: those that evidence may name.
    """
    evidence = evidence_of(record)
    shown = [_passage(passage.text, passage.source, evidence) for passage in record.passages]
    shown += [_page(one, documents[one.document]) for one in evidence if one.document in documents]
    if not shown:
        shown = [_quote(one) for one in evidence]
    names = ("id", "domain", "kind", "source", "span", "licence", "as_of", "origin")
    facts = {name: value for name in names if (value := getattr(record, name))}
    decided = {"verdict": decision.verdict, "turns": dict(decision.turns), "note": decision.note} if decision else None
    return {
        "facts": facts,
        "turns": [_turn(message) for message in record.messages],
        "text": record.text,
        "rejected": [[_turn(message) for message in turns] for turns in record.rejected],
        "sources": shown,
        "scores": record.extra.get("scores", {}),
        "decision": decided,
    }


def _turn(message: Message) -> dict[str, Any]:
    calls = [f"{call.name}({call.arguments})" for call in message.tool_calls]
    return {"role": message.role, "content": message.content, "reasoning": message.reasoning, "calls": calls}


def _passage(text: str, source: str, evidence: list[Evidence]) -> dict[str, Any]:
    marks = [place for one in evidence if (place := find_quote(text, one.quote))]
    return {"title": source or "材料", "text": text, "marks": sorted(marks)}


def _page(one: Evidence, document: Document) -> dict[str, Any]:
    """The page that holds the quotation, around it."""
    page = next((page for page in document.pages if page.number == one.page), None)
    text = page.text if page else document.text
    place = (one.start, one.end) if text[one.start : one.end] == one.quote else find_quote(text, one.quote)
    start = max(place[0] - _AROUND, 0) if place else 0
    cut = text[start : (place[1] if place else 2 * _AROUND) + _AROUND]
    number = f" 第{one.page}页" if one.page else ""
    title = f"{document.title or document.id}{number}" + ("" if place else "（没有找到引文）")
    return {"title": title, "text": cut, "marks": [(place[0] - start, place[1] - start)] if place else []}


def _quote(one: Evidence) -> dict[str, Any]:
    return {"title": f"{one.document} {one.span}", "text": one.quote, "marks": [(0, len(one.quote))]}


def find_quote(text: str, quote: str) -> tuple[int, int] | None:
    """Where the words stand in the text, whatever the white space in either; None where they do not."""
    words = _BLANK.sub("", quote)
    if not words:
        return None
    found = text.find(quote)
    if found >= 0:
        return found, found + len(quote)
    places = [index for index, char in enumerate(text) if not char.isspace()]
    at = "".join(text[index] for index in places).find(words)
    return (places[at], places[at + len(words) - 1] + 1) if at >= 0 else None
