"""A web page -> its main text with headings, lists and tables as Markdown.

trafilatura tells where the main text stands; what stands there is then rendered whole, because its own output leaves
out short headings, definition lists and the questions of FAQ pages, which are short in Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.sources.charset import decode
from cornucopia.sources.document import Document, Page
from cornucopia.sources.grid import Cell, cell_text, table_text

_NO_TEXT = (
    "script", "style", "noscript", "template", "svg", "iframe", "object", "button", "select", "textarea", "canvas",
    "video", "audio", "head",
)  # fmt: skip
_ASIDE = ("nav", "footer", "aside")
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main",
    "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "th", "tr", "ul",
))  # fmt: skip
_AROUND = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|menu|footer|foot|breadcrumbs?|crumbs?|sidebar|share|copyright|friendlinks?|login|search"
    r"|banner|adv?|ads|qrcode|toolbar|pagination|pager|related|recommend)(?:$|[\s_-])",
    re.I,
)
_MOST_AROUND = 600  # characters: what is named like a frame and holds more may hold the text
_LINKED = 0.75  # share of a list's characters within links from which it is a menu
_FOUND = 0.9  # share of trafilatura's paragraphs that the main element holds
_DEEPEST = 150
_MOST_BYTES = 50 * 2**20
_DATE = re.compile(r"\d{4}-\d{2}(?:-\d{2})?")


def read_html(path: str) -> dict[str, Any]:
    """The document of a saved page, as a dict.

    Raises:
        DataError: too large, or nothing in it.
    """
    if Path(path).stat().st_size > _MOST_BYTES:
        raise DataError("网页超过 50 MB", fix="只存正文，或先拆小")
    text, encoding = decode(Path(path).read_bytes(), page=True)
    document = page_document(text)
    notes = document.notes if encoding == "utf-8" else (*document.notes, f"编码是 {encoding}，已转换")
    return document.to_dict() | {"notes": list(notes)}


def page_document(html: str, address: str = "") -> Document:
    """The document of a page.

    Args:
        html: of the page, decoded.
        address: of the page; the document's id and source.

    Raises:
        DataError: nothing in it, or a library is not installed.
    """
    root = _parsed(html)
    told = _told(html)
    for element in list(root.iter(*_NO_TEXT)):
        element.drop_tree()
    _drop_frame(root)
    body = root.find("body")
    main = _main(body if body is not None else root, told["paragraphs"])
    counts = {"tables": 0}
    text = _joined(_blocks(main, counts))
    title = told["title"] or cell_text(root.findtext(".//title") or "")
    date = told["date"] if _DATE.fullmatch(told["date"]) else ""
    extra = {"counts": counts} | ({"site": told["site"]} if told["site"] else {})
    return Document(address, (Page(0, text),), title=title, source=address, media="html", as_of=date, extra=extra)


def _parsed(html: str) -> Any:
    try:
        import lxml.html
    except ImportError:
        raise DataError("读网页要先装 trafilatura", fix='pip install "cornucopia-fin[data]"') from None
    html = re.sub(r"^\s*<\?xml[^>]*\?>", "", html.replace("\0", ""))
    try:
        root = lxml.html.document_fromstring(html or "<html></html>", parser=lxml.html.HTMLParser(remove_comments=True))
    except (lxml.etree.ParserError, lxml.etree.XMLSyntaxError, ValueError, AssertionError):
        raise DataError("网页里没有内容") from None
    return root


def _told(html: str) -> dict[str, Any]:
    """What trafilatura makes of the page: title, date, site, and the paragraphs of its main text."""
    try:
        import trafilatura
    except ImportError:
        raise DataError("读网页要先装 trafilatura", fix='pip install "cornucopia-fin[data]"') from None
    try:
        found: Any = trafilatura.bare_extraction(
            html, with_metadata=True, include_comments=False, date_extraction_params={"extensive_search": False}
        )
    except Exception:  # a page that its rules stumble over is rendered whole
        found = None
    if found is None:
        return {"title": "", "date": "", "site": "", "paragraphs": []}
    paragraphs = [_packed(line) for line in (found.text or "").split("\n")]
    return {
        "title": cell_text(found.title or ""),
        "date": found.date or "",
        "site": found.sitename or "",
        "paragraphs": [line for line in paragraphs if len(line) >= 12],
    }


def _packed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)[:60]


def _drop_frame(root: Any) -> None:
    """Take out menus, footers and what else surrounds the text."""
    for element in [*root.iter(*_ASIDE), *root.iter("div", "ul", "ol", "section", "header", "p", "table")]:
        if element.getparent() is None or element.tag in ("html", "body"):
            continue
        size = len(element.text_content())
        linked = sum(len(link.text_content()) for link in element.iter("a"))
        named = element.tag in _ASIDE or _AROUND.search(f"{element.get('class') or ''} {element.get('id') or ''}")
        menu = element.tag in ("ul", "ol", "div", "p") and linked > _LINKED * max(size, 1)
        if (named and size <= _MOST_AROUND) or (menu and len(list(element.iter("a"))) > 1 and size <= _MOST_AROUND):
            element.drop_tree()


def _main(body: Any, paragraphs: list[str]) -> Any:
    """The smallest element that holds nearly all of the main text's paragraphs."""
    element = body
    while paragraphs:
        inside = next((c for c in element if isinstance(c.tag, str) and _share(c, paragraphs) >= _FOUND), None)
        if inside is None or inside.tag in ("p", "table", "tbody", "tr", "ul", "ol", "dl", "li", "td"):
            return element
        element = inside
    return element


def _share(element: Any, paragraphs: list[str]) -> float:
    text = re.sub(r"[\W_]+", "", element.text_content())
    return sum(line in text for line in paragraphs) / len(paragraphs)


def _joined(blocks: Iterator[str]) -> str:
    """Blocks with an empty line between, items of one list on lines under each other."""
    text, last = "", ""
    for block in blocks:
        items = block.lstrip().startswith("- ") and last.lstrip().startswith("- ")
        text += ("\n" if items else "\n\n") + block if text else block
        last = block
    return text


def _blocks(element: Any, counts: dict[str, int], depth: int = 0) -> Iterator[str]:
    """The element's text by block."""
    inline: list[str] = [element.text or ""]
    for child in element if depth < _DEEPEST else ():
        tag = child.tag if isinstance(child.tag, str) else ""
        if tag == "br":
            inline.append("\n")
        elif tag in _BLOCKS:
            yield from _paragraph(inline)
            inline = []
            yield from _block(child, tag, counts, depth + 1)
        elif tag and any(sub.tag in _BLOCKS for sub in child.iter()):
            yield from _paragraph(inline)
            inline = []
            yield from _blocks(child, counts, depth + 1)
        elif tag:
            inline.append(_inline(child))
        inline.append(child.tail or "")
    yield from _paragraph(inline)


def _inline(element: Any) -> str:
    for line_break in element.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    return str(element.text_content())


def _paragraph(parts: list[str]) -> Iterator[str]:
    """Line breaks of the source are white space, those of <br> end a line."""
    for line in "".join(parts).split("\n"):
        text = cell_text(line)
        if text:
            yield text


def _block(element: Any, tag: str, counts: dict[str, int], depth: int) -> Iterator[str]:
    if tag == "table" and _is_data(element):
        counts["tables"] += 1
        yield from filter(None, [table_text(_cells(element))])
    elif re.fullmatch("h[1-6]", tag):
        text = cell_text(element.text_content())
        yield from [f"{'#' * int(tag[1])} {text}"] if text else []
    elif tag == "li":
        first, *others = [*_blocks(element, counts, depth)] or [""]
        yield from [f"- {first}" if not first.startswith(("|", "- ", "#")) else first] if first else []
        yield from others
    else:
        yield from _blocks(element, counts, depth)


def _is_data(table: Any) -> bool:
    """Whether a table holds data, and is not how an old page places its parts."""
    if next(table.iterdescendants("table"), None) is not None:
        return False
    rows = list(table.iter("tr"))
    width = max((len(row.findall("td")) + len(row.findall("th")) for row in rows), default=0)
    longest = max((len(cell.text_content()) for cell in table.iter("td")), default=0)
    return len(rows) > 1 and width > 1 and longest < 2000


def _cells(table: Any) -> list[Cell]:
    cells: list[Cell] = []
    taken: set[tuple[int, int]] = set()
    for row, element in enumerate(table.iter("tr")):
        column = 0
        for held in element.iterchildren("td", "th"):
            while (row, column) in taken:
                column += 1
            tall, wide = _span(held.get("rowspan")), _span(held.get("colspan"))
            taken |= {(row + r, column + c) for r in range(tall) for c in range(wide)}
            cells.append(Cell(row, column, _inline(held), tall, wide))
            column += wide
    return cells


def _span(value: str | None) -> int:
    return min(int(value), 100) if value and value.strip().isdecimal() and int(value) > 0 else 1
