"""The documents of a shard as pieces with places: what questions are asked about and quotations are searched in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cornucopia.factory.write.quoting import Source, touch
from cornucopia.records.evidence import Evidence, evidence_of
from cornucopia.records.schema import Record

_LONGEST = 900  # characters of a piece, where a plain text is cut into pieces here


@dataclass(frozen=True)
class Piece:
    """One passage.

    Args:
        text: as the model is shown it.
        places: where it stands, each with its text as `quote`.
        record: the record that it came with, whose provenance the new records take over.
        number: of the piece, from 1, where the record has several; else 0.
    """

    text: str
    places: tuple[Evidence, ...]
    record: Record
    number: int = 0

    @property
    def id(self) -> str:
        """A name that no other piece has, if the records' ids are their own."""
        return f"{self.record.id or self.document}{f'#{self.number}' if self.number else ''}"

    @property
    def document(self) -> str:
        """Id of the document."""
        return self.places[0].document


@dataclass(frozen=True)
class Context:
    """Neighbouring pieces of one document, and the quotations that stand in them."""

    pieces: tuple[Piece, ...]

    @property
    def source(self) -> Source:
        """The text with its places, in order."""
        return Source([place for piece in self.pieces for place in piece.places])

    def needed(self, found: Sequence[Evidence]) -> Context:
        """Just the pieces that hold the places."""
        return Context(tuple(piece for piece in self.pieces if touch(found, piece.places)))

    @property
    def text(self) -> str:
        """All that the model is shown."""
        return "\n\n".join(piece.text for piece in self.pieces)


def documents_of(records: Iterable[Record]) -> dict[str, list[Piece]]:
    """The pieces of each document, in the records' order."""
    documents: dict[str, list[Piece]] = {}
    for record in records:
        pieces = _pieces(record)
        for number, piece in enumerate(pieces, 1):
            numbered = replace(piece, number=number) if len(pieces) > 1 else piece
            documents.setdefault(piece.document, []).append(numbered)
    return documents


def _pieces(record: Record) -> list[Piece]:
    places = evidence_of(record)
    if not record.passages:
        return [Piece(place.quote, (place,), record) for place in _cut(record.text, _name(record))]
    if len(places) == len(record.passages):
        return [Piece(p.text, (at,), record) for p, at in zip(record.passages, places, strict=True) if p.text.strip()]
    pieces = []
    for number, passage in enumerate(record.passages):
        mine = places if len(record.passages) == 1 else [place for place in places if place.quote in passage.text]
        name = passage.source or f"{_name(record)}#{number}"
        own = (Evidence(name, passage.text, start=0, end=len(passage.text)),)
        if passage.text.strip():
            pieces.append(Piece(passage.text, tuple(mine) or own, record))
    return pieces


def _name(record: Record) -> str:
    return record.source or record.origin or record.id


def _cut(text: str, name: str) -> list[Evidence]:
    """A plain text in pieces of whole lines."""
    cuts: list[Evidence] = []
    start = at = 0
    for line in text.splitlines(keepends=True):
        if at > start and at + len(line) - start > _LONGEST:
            cuts.append(Evidence(name, text[start:at], start=start, end=at))
            start = at
        at += len(line)
    cuts.append(Evidence(name, text[start:], start=start, end=len(text)))
    return [cut for cut in cuts if cut.quote.strip()]


def context_of(pieces: Sequence[Piece], at: int, level: str, most: int) -> Context:
    """What a question of a level is asked about.

    Args:
        pieces: of one document.
        at: the piece that it starts from.
        level: passage, neighbours (that piece and those beside it) or document.
        most: characters at most; of a longer document pieces are left out evenly, never the one at `at`.
    """
    if level == "passage" or len(pieces) == 1:
        return Context((pieces[at],))
    if level == "neighbours":
        low = min(max(at - 1, 0), max(len(pieces) - 3, 0))
        return Context(tuple(pieces[low : low + 3]))
    total = sum(len(piece.text) for piece in pieces)
    if total <= most:
        return Context(tuple(pieces))
    step = total / most
    kept = {at} | {int(number * step) for number in range(len(pieces)) if int(number * step) < len(pieces)}
    return Context(tuple(pieces[number] for number in sorted(kept)))
