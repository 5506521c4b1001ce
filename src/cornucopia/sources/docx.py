"""Word (.docx) -> text: headings, lists with their numbers, tables, footnotes and text boxes, changes accepted."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any

from cornucopia.core.errors import DataError, first_line
from cornucopia.sources.document import Document, Page
from cornucopia.sources.grid import Cell, cell_text, table_text

_DROPPED = ("w:del", "w:moveFrom", "w:instrText", "w:delText", "mc:Fallback", "w:rPr", "w:pPr", "w:txbxContent")
_HEADING = re.compile(r"(?:heading|标题)\s*([1-9])", re.I)
_CONTENTS = re.compile(r"(?:toc|目录)\s*\d|toc heading|目录标题", re.I)
_PAGE = "\f"  # within the text of a paragraph, where Word began a page
_DEEPEST = 60  # levels of elements within each other: tables in tables
_MOST_BYTES = 2**30


def read_docx(path: str) -> dict[str, Any]:
    """The document of a .docx, as a dict.

    Raises:
        DataError: it cannot be read, or python-docx is not installed.
    """
    try:
        import docx
    except ImportError:
        raise DataError("读 Word 要先装 python-docx", fix='pip install "cornucopia-fin[data]"') from None
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > _MOST_BYTES:
                raise DataError("文件解压后超过 1 GB", fix="先拆小")
        document = docx.Document(path)
    except DataError:
        raise
    except Exception as error:  # python-docx lets fly whatever a broken file makes of its parsers
        raise DataError("Word 文件损坏，打不开", found=first_line(error, 80), fix="重新另存为 .docx") from None
    return _Reader(document).document().to_dict()


class _Reader:
    """Goes through the body once, in order."""

    def __init__(self, document: Any) -> None:
        from docx.oxml.ns import nsmap, qn

        from cornucopia.sources.docx_numbers import Numbers

        nsmap.setdefault("mc", "http://schemas.openxmlformats.org/markup-compatibility/2006")
        nsmap.setdefault("m", "http://schemas.openxmlformats.org/officeDocument/2006/math")
        self._document, self._qn = document, qn
        self._dropped = {qn(name) for name in _DROPPED}
        self._numbers = Numbers(document)
        self._styles = {style.get(qn("w:styleId")): style for style in document.styles.element.findall(qn("w:style"))}
        self._names = {key: self._value(style, "w:name") or "" for key, style in self._styles.items()}
        self._footnotes = self._notes("footnotes") | {f"e{k}": v for k, v in self._notes("endnotes").items()}
        self._cited: list[str] = []
        self._pages: list[list[str]] = [[]]
        self._tables = self._contents = self._changes = 0

    def document(self) -> Document:
        """The whole."""
        body = self._document.element.body
        self._changes = sum(1 for _ in body.iter(self._qn("w:ins"), self._qn("w:del")))
        for block in self._blocks(body):
            first, *others = block.split(_PAGE)
            self._add(first)
            for part in others:
                self._end_page()
                self._add(part)
        self._end_page()
        texts = ["\n\n".join(parts) for parts in self._pages[:-1]]
        paged = len(texts) > 1
        pages = tuple(Page(number if paged else 0, text) for number, text in enumerate(texts, 1))
        notes = [] if paged else ["文件里没有存页码（Word 没有排过版），出处按字数记"]
        notes += [f"修订 {self._changes} 处，按接受读"] if self._changes else []
        notes += [f"目录 {self._contents} 行没有收"] if self._contents else []
        properties = self._document.core_properties
        created = properties.created.isoformat() if properties.created else ""
        title = cell_text(properties.title or "") or self._first_heading(texts)
        extra = {"counts": {"tables": self._tables}} | ({"created": created} if created else {})
        return Document("", pages, title=title, media="docx", notes=tuple(notes), extra=extra)

    def _first_heading(self, texts: list[str]) -> str:
        found = re.search(r"^#+ (.+)$", "\n".join(texts[:1]), re.M)
        return found.group(1) if found else ""

    def _add(self, text: str) -> None:
        if text.strip():
            self._pages[-1].append(text.rstrip())

    def _end_page(self) -> None:
        for name in self._cited:
            self._add(f"[^{name}]: {self._footnotes[name]}")
        self._cited = []
        self._pages.append([])

    def _blocks(self, parent: Any, depth: int = 0) -> Iterator[str]:
        """Paragraphs and tables, each as text."""
        qn = self._qn
        for child in parent.iterchildren() if depth < _DEEPEST else ():
            if child.tag == qn("w:p"):
                yield from self._paragraph(child, depth)
            elif child.tag == qn("w:tbl"):
                self._tables += 1
                yield self._table(child, depth + 1)
            elif child.tag not in self._dropped:  # content controls and what else holds blocks
                yield from self._blocks(child, depth + 1)

    def _paragraph(self, paragraph: Any, depth: int) -> Iterator[str]:
        styles = self._styles_of(paragraph)
        names = [self._names.get(style.get(self._qn("w:styleId")), "") for style in styles]
        number = self._numbers.of(paragraph, styles)
        text = re.sub(r"[ \t\xa0]+", " ", self._text(paragraph)).strip(" ")
        if any(_CONTENTS.fullmatch(name.strip()) for name in names[:1]):
            self._contents += bool(text.strip())
            text = _PAGE * text.count(_PAGE)
        elif text.strip(_PAGE + " \n"):
            level = self._level(paragraph, styles, names)
            lead = _PAGE * (len(text) - len(text.lstrip(_PAGE)))  # the page begins before the heading's mark
            body = text[len(lead) :]
            text = lead + (f"{'#' * level} {number}{body}".replace("\n", " ") if level else number + body)
        yield text
        for box in paragraph.iter(self._qn("w:txbxContent")):
            if not any(parent.tag == self._qn("mc:Fallback") for parent in box.iterancestors()):
                yield from self._blocks(box, depth + 1)

    def _styles_of(self, paragraph: Any) -> list[Any]:
        """Its style and those this is based on."""
        held = paragraph.find(f"{self._qn('w:pPr')}/{self._qn('w:pStyle')}")
        name = None if held is None else held.get(self._qn("w:val"))
        chain: list[Any] = []
        while name in self._styles and len(chain) < 12:
            chain.append(self._styles[name])
            name = self._value(chain[-1], "w:basedOn")
        return chain

    def _level(self, paragraph: Any, styles: list[Any], names: list[str]) -> int:
        for element, name in zip((paragraph, *styles), ("", *names), strict=False):
            named = _HEADING.fullmatch(name.strip())
            if named:
                return min(int(named.group(1)), 6)
            if name.strip().lower() in ("title", "标题", "文档标题"):
                return 1
            held = element.find(f"{self._qn('w:pPr')}/{self._qn('w:outlineLvl')}")
            if held is not None and (outline := held.get(self._qn("w:val"), "9")) in "012345":
                return int(outline) + 1
        return 0

    def _text(self, element: Any, depth: int = 0) -> str:
        """The text of what stands in an element, without deleted and hidden parts."""
        qn = self._qn
        parts: list[str] = []
        for child in element.iterchildren() if depth < _DEEPEST else ():
            tag = child.tag
            if tag in self._dropped or (tag == qn("w:r") and self._is_hidden(child)):
                continue
            if tag in (qn("w:t"), qn("m:t")):
                parts.append(child.text or "")
            elif tag in (qn("w:br"), qn("w:cr")):
                parts.append("\n" if child.get(qn("w:type")) in (None, "textWrapping") else "")
            elif tag == qn("w:tab"):
                parts.append(" ")
            elif tag == qn("w:noBreakHyphen"):
                parts.append("-")
            elif tag == qn("w:lastRenderedPageBreak"):
                parts.append(_PAGE)
            elif tag in (qn("w:footnoteReference"), qn("w:endnoteReference")):
                parts.append(self._cite(("e" if tag == qn("w:endnoteReference") else "") + child.get(qn("w:id"), "")))
            else:
                parts.append(self._text(child, depth + 1))
        return "".join(parts)

    def _is_hidden(self, run: Any) -> bool:
        held = run.find(f"{self._qn('w:rPr')}/{self._qn('w:vanish')}")
        return held is not None and held.get(self._qn("w:val")) not in ("0", "false")

    def _cite(self, name: str) -> str:
        if name not in self._footnotes:
            return ""
        self._cited += [name] if name not in self._cited else []
        return f"[^{name}]"

    def _notes(self, kind: str) -> dict[str, str]:
        """Number -> text of the footnotes or endnotes."""
        from docx.oxml import parse_xml

        for relation in self._document.part.rels.values():
            if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
                notes = parse_xml(relation.target_part.blob).findall(self._qn(f"w:{kind[:-1]}"))
                return {
                    note.get(self._qn("w:id"), ""): cell_text(self._plain(note)) for note in notes
                    if note.get(self._qn("w:type")) is None
                }  # fmt: skip
        return {}

    def _plain(self, element: Any) -> str:
        return "\n".join(
            "".join(text.text or "" for text in paragraph.iter(self._qn("w:t")))
            for paragraph in element.iter(self._qn("w:p"))
        )

    def _value(self, element: Any, name: str) -> str | None:
        held = element.find(self._qn(name))
        return None if held is None else held.get(self._qn("w:val"))

    def _table(self, table: Any, depth: int) -> str:
        qn = self._qn
        cells: list[Cell] = []
        open_: dict[int, int] = {}  # column -> index of the cell that goes on downwards
        first_rows = [0]  # the first row of each page
        for row, element in enumerate(table.findall(qn("w:tr"))):
            column = int(self._grid_before(element))
            for held in element.iter(qn("w:tc")) if depth < _DEEPEST else ():
                if next(held.iterancestors(qn("w:tbl"))) is not table:
                    continue
                wide, merge = self._span(held)
                text = "\n".join(self._blocks(held, depth))
                first_rows += [row] * (row > first_rows[-1] and _PAGE in text)
                if merge == "continue" and column in open_:
                    above = cells[open_[column]]
                    cells[open_[column]] = Cell(above.row, above.column, above.text, row - above.row + 1, above.columns)
                else:
                    open_.pop(column, None)
                    if merge == "restart":
                        open_[column] = len(cells)
                    cells.append(Cell(row, column, text.replace(_PAGE, ""), 1, wide))
                column += wide
        head = [cell for cell in cells if cell.row == 0]
        parts = []
        for start, end in zip(first_rows, [*first_rows[1:], len(cells) + 1], strict=True):
            held = [cell for cell in cells if start <= cell.row < end]
            parts.append(table_text([*head, *held] if start else held))
        return _PAGE.join(parts)

    def _grid_before(self, row: Any) -> str:
        held = row.find(f"{self._qn('w:trPr')}/{self._qn('w:gridBefore')}")
        return "0" if held is None else held.get(self._qn("w:val"), "0")

    def _span(self, cell: Any) -> tuple[int, str]:
        """(columns it covers, restart, continue or '')"""
        held = cell.find(self._qn("w:tcPr"))
        if held is None:
            return 1, ""
        wide = min(max(int(self._value(held, "w:gridSpan") or 1), 1), 200)
        merge = held.find(self._qn("w:vMerge"))
        return wide, "" if merge is None else merge.get(self._qn("w:val"), "continue")
