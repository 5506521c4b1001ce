"""A page's elements as lines and paragraphs of text: headings told apart, lists and tables in Markdown.

Hidden elements are text too: the answers of a closed accordion are hidden.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cornucopia.sources.grid import Cell, table_text

_SKIPPED = frozenset((
    "script", "style", "noscript", "template", "svg", "math", "canvas", "head", "nav", "footer", "select", "option",
    "datalist", "textarea", "input", "iframe", "object", "audio", "video", "dialog", "title"
))  # fmt: skip
_INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var", "wbr"
))  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BOLD = ("b", "strong")
_BOLD_STYLE = re.compile(r"font-weight\s*:\s*(bold|[6-9]00)", re.IGNORECASE)
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f"
_FOLDED = re.compile(rf"(?<=[{_CJK}])[ \t]*[\r\n]\s*(?=[{_CJK}])")
_SPACE = re.compile(r"\s+")
_DEEPEST = 150  # elements inside one another; below that only text is taken


@dataclass(frozen=True)
class Block:
    """A line of text, a list item or a table.

    Args:
        text: in Markdown; a heading without its marks.
        element: it stands in.
        level: of a heading, 1 to 6; 0 for other text.
        bold: whether all of it is bold.
        item: whether it belongs to a list.
        line: whether it is one line of a paragraph, after another.
        lead: its first piece, where that is an inline element of its own (an icon that says Q), or ''.
    """

    text: str
    element: Any
    level: int = 0
    bold: bool = False
    item: bool = False
    line: bool = False
    lead: str = ""


def joined(blocks: Sequence[Block]) -> str:
    """The text of blocks: lines of one paragraph and list items below each other, others with an empty line between."""
    parts: list[str] = []
    for number, block in enumerate(blocks):
        close = number and (block.line or (block.item and blocks[number - 1].item))
        parts += ["\n" if close else "\n\n"] if number else []
        parts.append(block.text)
    return "".join(parts)


def text_of(element: Any) -> str:
    """An element's text."""
    return joined(blocks_of(element))


def one_line(element: Any) -> str:
    """An element's text on one line."""
    return _SPACE.sub(" ", " ".join(block.text for block in blocks_of(element))).strip()


def blocks_of(element: Any) -> list[Block]:
    """The blocks of an element, in order."""
    walk = _Walk()
    walk.children(element, element, False, 0)
    walk.flush()
    return walk.blocks


class _Walk:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._run: list[tuple[str, bool]] = []  # inline text so far, and whether it is bold
        self._holder: Any = None
        self._line = False  # the next block follows a <br>
        self._marks: list[str] = []  # of the list items that the next block opens
        self._indent = 0  # characters, inside list items

    def children(self, element: Any, holder: Any, bold: bool, depth: int) -> None:
        self._text(element.text, holder, bold)
        for number, child in enumerate(element):
            if isinstance(child.tag, str):
                self._one(child, holder, bold, depth + 1, number)
            self._text(child.tail, holder, bold)

    def _one(self, element: Any, holder: Any, bold: bool, depth: int, number: int) -> None:
        tag = element.tag
        if tag in _SKIPPED:
            return
        if tag == "br":
            self.flush()
            self._line = bool(self.blocks)
        elif depth > _DEEPEST:
            self._text(" ".join(element.itertext()), holder, bold)
        elif tag in _INLINE:
            heavy = bold or tag in _BOLD or bool(_BOLD_STYLE.search(element.get("style") or ""))
            self.children(element, holder, heavy, depth)
        else:
            self._block(element, depth, number)

    def _block(self, element: Any, depth: int, number: int) -> None:
        tag = element.tag
        self.flush()
        if tag in _HEADINGS:
            self._add(Block(one_line(element), element, level=_HEADINGS[tag]))
        elif tag == "table" and is_data_table(element):
            captions = [one_line(caption) for caption in element.iterchildren("caption")]
            self._add(Block("\n\n".join([*captions, table_text(table_cells(element))]), element))
        elif tag == "pre":
            self._add(Block("".join(element.itertext()).strip("\n"), element))
        elif tag == "li" and not _is_container(element):
            mark = f"{number + 1}. " if element.getparent() is not None and element.getparent().tag == "ol" else "- "
            self._marks.append(mark)
            self._indent += 2
            self.children(element, element, False, depth)
            self.flush()
            self._indent -= 2
            self._marks = self._marks[:-1] if self._marks and self._marks[-1] == mark else self._marks
        else:
            self.children(element, element, False, depth)
            self.flush()

    def _text(self, text: str | None, holder: Any, bold: bool) -> None:
        if text:
            if not self._run:
                self._holder = holder
            self._run.append((text, bold))

    def flush(self) -> None:
        """End the block."""
        run, self._run = self._run, []
        text = _SPACE.sub(" ", _FOLDED.sub("", "".join(part for part, _ in run))).strip(" \u200b\ufeff")
        if text:
            parts = [part.strip() for part, _ in run if part.strip()]
            bold = all(heavy for part, heavy in run if part.strip())
            lead = parts[0] if len(parts) > 1 else ""
            self._add(Block(text, self._holder, bold=bold, line=self._line, lead=lead))
        self._line = False

    def _add(self, block: Block) -> None:
        if not block.text.strip():
            return
        if self._indent:
            mark = self._marks[-1] if self._marks else "  "
            inside = " " * max(self._indent - 2, 0)
            self._marks = []
            text = block.text.replace("\n", f"\n{inside}  ")
            block = replace(block, text=f"{inside}{mark}{text}", item=True, level=0, line=False)
        self.blocks.append(block)


def _is_container(item: Any) -> bool:
    """Whether a list item holds a piece of page rather than a line of a list."""
    if next(item.iterdescendants("h1", "h2", "h3", "h4", "h5", "h6", "dl", "details"), None) is not None:
        return True
    return sum(1 for _ in item.iterchildren("p", "div", "section", "article")) > 1


def is_data_table(table: Any) -> bool:
    """Whether a table holds data: several rows and columns, and no paragraphs, lists or tables in its cells."""
    if next(table.iterdescendants("table", "ul", "ol", "dl", "h1", "h2", "h3", "h4", "h5", "form"), None) is not None:
        return False
    rows = cells_of(table)
    if len(rows) < 2 or max((len(row) for row in rows), default=0) < 2:
        return False
    return all(sum(1 for _ in cell.iterchildren("p", "div")) < 4 for row in rows for cell in row)


def cells_of(table: Any) -> list[list[Any]]:
    """The cells of a table's own rows; rows without any are left out."""
    rows = (row for row in table.iterdescendants("tr") if next(row.iterancestors("table"), None) is table)
    return [cells for cells in ([cell for cell in row if cell.tag in ("td", "th")] for row in rows) if cells]


def table_cells(table: Any) -> list[Cell]:
    """A table's cells where they stand, merged ones with their extent."""
    cells: list[Cell] = []
    taken: set[tuple[int, int]] = set()
    for row, elements in enumerate(cells_of(table)):
        column = 0
        for element in elements:
            while (row, column) in taken:
                column += 1
            tall, wide = _span(element, "rowspan"), _span(element, "colspan")
            taken |= {(row + down, column + right) for down in range(tall) for right in range(wide)}
            cells.append(Cell(row, column, one_line(element), tall, wide))
            column += wide
    return cells


def _span(cell: Any, name: str) -> int:
    text = (cell.get(name) or "1").strip()
    return max(1, min(int(text), 50)) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
