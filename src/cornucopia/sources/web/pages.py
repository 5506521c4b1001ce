"""Pages of a crawl's folder as documents and as questions with answers. Asks nothing of the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.sources.document import Document, Page
from cornucopia.sources.html import page_document
from cornucopia.sources.read import Unread, read_documents
from cornucopia.sources.web.about import About, about_page
from cornucopia.sources.web.address import host_of
from cornucopia.sources.web.blocks import text_of
from cornucopia.sources.web.faq.pair import Pair
from cornucopia.sources.web.faq.pairs import question_pairs
from cornucopia.sources.web.store import Store, Stored
from cornucopia.sources.web.tree import decode_page, parse_html

FORBIDDEN = ("noai", "tdm-reservation")  # marks by which a page refuses to be learnt from


@dataclass(frozen=True)
class Asked:
    """A page with its questions.

    Args:
        document: all of its text, menus and footers aside.
        pairs: in order.
    """

    document: Document
    pairs: tuple[Pair, ...]


def distinct(store: Store) -> Iterator[Stored]:
    """Pages by address, each text once: of pages with one canonical address or one body, that which is at it, or the
    first."""
    pages = list(store.pages())
    there = {page.address for page in pages}
    seen: set[str] = set()
    for page in pages:
        canonical = str(page.about.get("canonical", page.address))
        if canonical != page.address and canonical in there and _points_home(store, canonical):
            continue
        if page.sha256 not in seen:
            seen.add(page.sha256)
            yield page


def _points_home(store: Store, address: str) -> bool:
    """Whether the page at a canonical address does not name yet another one."""
    page = store.page(address)
    return page is not None and page.about.get("canonical", address) == address


def asked(store: Store, page: Stored) -> Asked | None:
    """The questions of a page; None where it is no HTML."""
    if page.media != "html":
        return None
    root = parse_html(_text(store, page))
    text = text_of(root) if root is not None else ""
    document = _described(Document(page.address, (Page(0, text),), media="html"), page, about_page(root))
    return Asked(document, tuple(question_pairs(root)))


def document_of_page(store: Store, page: Stored) -> Document:
    """The main text of a page, or of a PDF, Word or Excel file.

    Raises:
        DataError: nothing in it, or it cannot be read.
    """
    if page.media == "html":
        text = _text(store, page)
        document = page_document(text, page.address)
        about = about_page(parse_html(text))
        about = replace(about, title=about.title or document.title)
    else:
        store.body(page)  # raises where the file is not the one that was kept
        read = next(iter(read_documents(store.file_of(page))), None)
        if read is None or isinstance(read, Unread):
            raise DataError(read.reason if read else "里面没有内容", where=page.address)
        document, about = read, About(read.title, date=read.as_of)
    if not document.text.strip():
        raise DataError("里面没有文字", where=page.address)
    return _described(document, page, about)


def _text(store: Store, page: Stored) -> str:
    return decode_page(store.body(page), str(page.about.get("content_type", "")))[0]


def _described(document: Document, page: Stored, about: About) -> Document:
    """With where it came from; the publisher is the host where the page names none."""
    source = "，".join(filter(None, (about.title, about.publisher or host_of(page.address), page.address)))
    marks: dict[str, Any] = {"fetched_at": page.fetched_at}
    return replace(
        document,
        id=page.address,
        title=about.title,
        source=source,
        sha256=page.sha256,
        licence=str(page.about.get("licence", "")),
        as_of=about.date,  # trafilatura's may be any date in the text
        extra={**document.extra, **marks},
    )
