"""Finds quotations in the pages they are said to come from: white space and full-width spellings apart, to the letter.

A quotation may run over from one page to the next, or leave words out with an ellipsis: it has several places then.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from cornucopia.records.evidence import Evidence

SHORTEST = 4  # characters; a shorter quotation stands everywhere and proves nothing
_GAP = re.compile(r"(?:…|\.{3,}|。{3,})+")
_AROUND = " \t\n\r\"'“”‘’「」『』《》…"
_ALIKE = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "-", "–": "-", "−": "-", "～": "~"})


def plain(text: str) -> tuple[str, list[int]]:
    """The text as quotations are compared, and for each of its characters the place in the original."""
    kept: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for piece in unicodedata.normalize("NFKC", char).translate(_ALIKE).casefold():
            if not piece.isspace() and unicodedata.category(piece) != "Cf":
                kept.append(piece)
                places.append(place)
    return "".join(kept), places


class Source:
    """Text with places in it, in reading order.

    Args:
        places: each stretch of text as its `quote`, with where it stands.
    """

    def __init__(self, places: Sequence[Evidence]) -> None:
        self.places = places
        self._text = ""
        self._where: list[tuple[int, int]] = []
        for number, place in enumerate(places):
            text, at = plain(place.quote)
            self._text += text
            self._where += [(number, char) for char in at]

    def find(self, quote: str) -> list[Evidence]:
        """Where a quotation stands, each of its parts in order; [] when any of it is not there."""
        found: list[Evidence] = []
        start = 0
        for part in _GAP.split(quote.strip(_AROUND)):
            wanted, _ = plain(part.strip(_AROUND))
            if len(wanted) < SHORTEST:
                if wanted:
                    return []
                continue
            at = self._place(wanted, start)
            if at < 0:
                return []
            found += self._evidence(at, at + len(wanted))
            start = at + len(wanted)
        return found

    def _place(self, wanted: str, start: int) -> int:
        """The first place where it stands whole: 5% is not in 15%, nor 2.5 in 2.55."""
        at = self._text.find(wanted, start)
        while at >= 0:
            before, behind = self._text[at - 1 : at] if at else "", self._text[at + len(wanted) :][:2]
            cut = (wanted[0].isdigit() and (before.isdigit() or before == ".")) or (
                wanted[-1].isdigit() and re.match(r"\d|\.\d", behind)
            )
            if not cut:
                return at
            at = self._text.find(wanted, at + 1)
        return -1

    def _evidence(self, start: int, end: int) -> list[Evidence]:
        ends: dict[int, tuple[int, int]] = {}
        for number, char in self._where[start:end]:
            ends[number] = (ends.get(number, (char, char))[0], char + 1)
        return [_part(self.places[number], low, high) for number, (low, high) in ends.items()]


def _part(place: Evidence, low: int, high: int) -> Evidence:
    """A part of a stretch; of one whose words were replaced since (redacted), with the place of the whole, because what
    stands before the part is not as long as it was."""
    quote = place.quote[low:high]
    if len(place.quote) != place.end - place.start:
        return replace(place, quote=quote)
    return replace(place, quote=quote, start=place.start + low, end=place.start + high)


def touch(found: Sequence[Evidence], places: Sequence[Evidence]) -> bool:
    """Whether any of the places found lies in one of the others, wholly or in part."""
    return any(
        (one.document, one.page) == (place.document, place.page) and one.start < place.end and place.start < one.end
        for one in found
        for place in places
    )
