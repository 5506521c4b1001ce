"""Where in a document the fact of a record stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cornucopia.records.schema import Record

KEY = "evidence"  # in Record.extra: a list of Evidence as dicts


@dataclass(frozen=True)
class Evidence:
    """A quotation and its place.

    Args:
        document: id of the document (its path within the source folder, or its address).
        quote: the words, as they stand there.
        page: page number, from 1; 0 where the document has no pages.
        start: first character in the page's text (in the document's text where it has no pages).
        end: the one after the last.
    """

    document: str
    quote: str
    page: int = 0
    start: int = 0
    end: int = 0

    @property
    def span(self) -> str:
        """The place as Record.span has it."""
        page = f"第{self.page}页 " if self.page else ""
        return f"{page}第{self.start + 1}-{self.end}字"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def evidence_of(record: Record) -> list[Evidence]:
    """What the record's `extra` holds; an empty list where it says nothing."""
    return [Evidence(**row) for row in record.extra.get(KEY, ())]
