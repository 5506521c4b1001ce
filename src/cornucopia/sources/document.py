"""A document as text by page, with where it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Page:
    """One page's text in reading order. Tables stand in it as Markdown tables, headings as Markdown headings.

    Args:
        number: from 1; 0 in a document without pages, which has one Page.
        text: the text.
        scanned: True where the page is a picture and the text, if any, was read by OCR.
    """

    number: int
    text: str
    scanned: bool = False


@dataclass(frozen=True)
class Document:
    """Text and provenance.

    Args:
        id: path within the source folder, or the address: what Evidence.document names.
        pages: in order.
        title: from the document's own properties or first heading, or ''.
        source: as a citation names it (title or file name, number, publisher), or ''.
        media: pdf, docx, xlsx, csv, html, md, txt, image.
        sha256: of the file's bytes, hex.
        licence: licence of the text, or ''.
        as_of: date it was published or holds for (YYYY-MM or YYYY-MM-DD), or ''.
        domain: 保险, 股票 ... or ''.
        notes: what the reader should know (scanned pages left out ...), in Chinese.
        extra: anything else.
    """

    id: str
    pages: tuple[Page, ...]
    title: str = ""
    source: str = ""
    media: str = ""
    sha256: str = ""
    licence: str = ""
    as_of: str = ""
    domain: str = ""
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All pages, an empty line between two."""
        return "\n\n".join(page.text for page in self.pages)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `document_of` reads it back."""
        return asdict(self)


def document_of(row: dict[str, Any]) -> Document:
    """The document of a row that `to_dict` made."""
    row = dict(row)
    pages = tuple(Page(**page) for page in row.pop("pages"))
    return Document(pages=pages, notes=tuple(row.pop("notes", ())), **row)
