"""A PDF -> its text by page: what repeats at the head and foot of pages left out, headings and tables as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cornucopia.sources.apart import Apart, ApartError
from cornucopia.sources.document import Document, Page
from cornucopia.sources.grid import Cell, cell_text, markdown, table_rows
from cornucopia.sources.layout import Line
from cornucopia.sources.paragraphs import heading_level, paragraphs

MOST_PAGES = 5000
_TEXT_SECONDS, _OCR_SECONDS = 20.0, 120.0  # of one page
_MOST_LOST = 5  # pages that took too long or crashed, after which the rest of the file is given up
_EDGE = 0.12  # share of the page's height at its head and foot where running heads stand
_EDGE_LINES = 3
_REPEATED, _LEAST_PAGES = 0.3, 3  # share and number of pages on which a running head stands at the least
_PAGE_NUMBER = re.compile(
    r"[\s\-–—_.·|/第页共頁Pageofpage]*(?:\d{1,4}|[ivxlc]{1,6})(?:[\s\-–—_.·|/第页共頁of]*\d{0,4}[\s\-–—_.·|页頁]*)?"
)
_NO_TITLE = re.compile(  # what programs write where the author wrote no title
    r"\.(docx?|pdf|wps|tmp|xlsx?|pptx?)$|^Microsoft (Word|PowerPoint|Excel)|^\(?(untitled|anonymous|unspecified)\)?$"
    r"|^(未命名|无标题|新建|(文档|工作簿|幻灯片)\s*\d*$|(PowerPoint|PPT) 演示文稿$)|^[\W\d_]+$",
    re.I,
)
_CHAPTER = re.compile(
    r"第[一二三四五六七八九十百零〇\d]+(编|章|节|条|款|部分)|[一二三四五六七八九十]+、|[\d.]+[\s、．]|目\s*录$"
)
_SAME_HEIGHT = 1.5  # points within which lines on two pages stand at the same height
_SAME_EDGE = 4.0  # points within which tables on two pages have the same edges


@dataclass(frozen=True)
class _Table:
    above: list[str]
    rows: list[list[str]]
    left: float
    right: float


def read_pdf(path: Path, apart: Apart, *, ocr: str = "auto", most_pages: int = MOST_PAGES) -> Document:
    """Read a PDF; `id`, `sha256` and `source` are the caller's to fill.

    Args:
        path: the file.
        apart: the process it is read in.
        ocr: pages that are pictures: auto reads these by OCR, always reads all so, never leaves them empty.
        most_pages: pages after which the rest is left out.

    Raises:
        ApartError: encrypted, broken, or without pages.
    """
    told = apart.call("cornucopia.sources.pdf_page:describe", str(path), seconds=60)
    notes = [f"共 {told['pages']} 页，只读了前 {most_pages} 页"] if told["pages"] > most_pages else []
    raw = list(_pages(path, apart, min(told["pages"], most_pages), ocr, notes))
    lines = [[Line(**row) for row in page["lines"]] for page in raw]
    lines, left_out = without_running_heads(lines, [page["height"] for page in raw])
    body, sizes = _sizes(lines)
    pages, tables, continued = [], 0, 0
    before: _Table | None = None
    for number, (page, held) in enumerate(zip(raw, lines, strict=True), 1):
        parts, made, before, goes_on = _page_parts(held, page, before, body, sizes)
        tables, continued = tables + made, continued + goes_on
        pages.append(Page(number, "\n\n".join(parts), page["scanned"]))
    notes += _notes(raw, left_out)
    counts = {"tables": tables, "tables_continued": continued, "running_heads": left_out}
    counts["scanned"] = sum(page.scanned for page in pages)
    title = _title(told["title"], pages)
    extra = {"counts": counts} | ({"created": told["created"]} if told["created"] else {})
    return Document("", tuple(pages), title=title, media="pdf", notes=tuple(notes), extra=extra)


def _pages(path: Path, apart: Apart, count: int, ocr: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """What each page holds; one that cannot be read is empty and told."""
    lost: list[str] = []
    gutters: list[float] = []
    for number in range(1, count + 1):
        if len(lost) == _MOST_LOST:
            notes.append(f"第 {number} 页起没有读：前面已有 {_MOST_LOST} 页读不出")
            break
        try:
            page = _page(path, apart, number, ocr, gutters)
            gutters = page["gutters"]
            yield page
        except ApartError as error:
            lost.append(f"第 {number} 页没有读出：{error}")
            yield {"lines": [], "tables": [], "height": 0.0, "scanned": False, "slanted": 0, "ocr": ""}
    notes += lost


def _page(path: Path, apart: Apart, number: int, ocr: str, hint: list[float]) -> dict[str, Any]:
    target = "cornucopia.sources.pdf_page:read_page"
    try:
        page = apart.call(target, str(path), number, "never", hint, seconds=_TEXT_SECONDS)
    except ApartError:  # a page of countless strokes: its text without its tables
        page = apart.call(target, str(path), number, "never", hint, False, seconds=_TEXT_SECONDS)
        page["ocr"] = "笔画太多，没有找表格"
    if ocr == "always" or (ocr == "auto" and page["scanned"]):
        page = apart.call(target, str(path), number, ocr, seconds=_OCR_SECONDS)
    elif page["scanned"]:
        page["ocr"] = "是扫描的图片，没有读（ocr: never）"
    return dict(page)


def without_running_heads(pages: Sequence[list[Line]], heights: Sequence[float]) -> tuple[list[list[Line]], int]:
    """Pages without page numbers and without lines that repeat at the head or foot; and how many lines went.

    Lines are the same where they differ in digits alone. A page in columns cuts a line at its head in parts, one
    a column: a part of a line that repeats goes with it.

    Args:
        pages: lines of each.
        heights: of the pages, in points.
    """
    edges = [_edge_lines(lines, height) for lines, height in zip(pages, heights, strict=True)]
    counts: Counter[str] = Counter()
    for held in edges:
        counts.update({key for line in held for key in _keys(line)})
    least = _REPEATED * len(pages)

    def repeats(line: Line) -> bool:
        anywhere, same_height = (counts[key] for key in _keys(line))
        return anywhere >= max(_LEAST_PAGES, least) or same_height >= max(2, least)

    whole = {(_keys(line)[0], round(line.top)) for held in edges for line in held if repeats(line)}
    kept, left_out = [], 0
    for lines, held in zip(pages, edges, strict=True):
        outer = set()
        for line in held:
            gone = repeats(line) or _PAGE_NUMBER.fullmatch(line.text) or _part_of(line, whole)
            outer |= {id(line)} if gone else set()
        rest = [line for line in lines if id(line) not in outer]
        left_out += len(lines) - len(rest)
        kept.append(rest)
    return kept, left_out


def _part_of(line: Line, whole: set[tuple[str, int]]) -> bool:
    """Whether the line begins or ends one of these (text, height on the page)."""
    text = _keys(line)[0]
    near = (held for held, top in whole if abs(top - line.top) <= _SAME_HEIGHT)
    return len(text) > 1 and any(held.startswith(text) or held.endswith(text) for held in near)


def _edge_lines(lines: Sequence[Line], height: float) -> list[Line]:
    texts = sorted((line for line in lines if line.table < 0), key=lambda line: line.top)
    head = [line for line in texts[:_EDGE_LINES] if line.bottom < _EDGE * height]
    foot = [line for line in texts[-_EDGE_LINES:] if line.top > (1 - _EDGE) * height]
    return [*head, *foot]


def _keys(line: Line) -> tuple[str, str]:
    """The text without its digits, and the same with its height on the page."""
    text = re.sub(r"\d+", "#", re.sub(r"\s+", "", line.text))
    return text, f"{text}@{line.top:.0f}"


def _sizes(pages: Sequence[Sequence[Line]]) -> tuple[float, list[float]]:
    """Size of the running text, and the larger ones, the largest first."""
    weights: Counter[float] = Counter()
    for line in (line for lines in pages for line in lines if line.table < 0):
        weights[round(line.size * 2) / 2] += len(line.text)
    if not weights:
        return 0.0, []
    body = weights.most_common(1)[0][0]
    return body, sorted((size for size in weights if size > body), reverse=True)


def _page_parts(
    lines: Sequence[Line], page: dict[str, Any], before: _Table | None, body: float, sizes: Sequence[float]
) -> tuple[list[str], int, _Table | None, int]:
    """(paragraphs and tables, number of tables, the table that ends the page, whether one goes on from before)."""
    parts: list[str] = []
    made = goes_on = 0
    run: list[Line] = []
    last: _Table | None = None
    for index, line in enumerate([*lines, None]):
        if line is not None and line.table < 0:
            run.append(line)
            continue
        parts += _texts(run, body, sizes)
        last = last if not run else None
        run = []
        if line is None:
            break
        above, rows = table_rows([Cell(*cell) for cell in page["tables"][line.table]])
        if not rows:
            continue
        last = _Table(above, rows, line.x0, line.x1)
        if index == 0 and before is not None and (whole := _continued(before, last)):
            last, goes_on = whole, 1
        parts += [part for part in ("\n".join(last.above), markdown(last.rows)) if part]
        made += 1 - (goes_on if index == 0 else 0)
    return parts, made, last, goes_on


def _continued(before: _Table, table: _Table) -> _Table | None:
    """The table under the header of the one that ended the page before, if it goes on from it."""
    same = abs(before.left - table.left) < _SAME_EDGE and abs(before.right - table.right) < _SAME_EDGE
    if not same or len(before.rows[0]) != len(table.rows[0]) or table.above:
        return None
    rows = table.rows[1:] if table.rows[0] == before.rows[0] else table.rows
    return replace(table, rows=[before.rows[0], *rows])


def _texts(lines: Sequence[Line], body: float, sizes: Sequence[float]) -> list[str]:
    texts = []
    for text, size in paragraphs(lines):
        level = heading_level(text, size, body, sizes)
        texts.append(f"{'#' * level} {text}" if level else text)
    return texts


def _notes(raw: Sequence[dict[str, Any]], left_out: int) -> list[str]:
    notes = [f"页眉、页脚、页码 {left_out} 行没有收"] if left_out else []
    slanted = sum(page["slanted"] for page in raw)
    notes += [f"斜的或横排的字（水印等）{slanted} 个没有收"] if slanted else []
    for told, count in Counter(page["ocr"] for page in raw if page["ocr"]).items():
        numbers = [str(number) for number, page in enumerate(raw, 1) if page["ocr"] == told]
        shown = "、".join(numbers[:8]) + (" 等" if count > 8 else "")
        notes.append(f"第 {shown} 页：{told}")
    return notes


def _title(told: str, pages: Sequence[Page]) -> str:
    """The document's own title, unless a program put its own words there; else the first heading, if no chapter's."""
    told = cell_text(told)
    if told and not _NO_TITLE.search(told):
        return told
    heading = next((line for page in pages[:3] for line in page.text.split("\n") if line.startswith("#")), "")
    heading = heading.lstrip("# ").strip()
    return "" if _CHAPTER.match(heading) else heading
