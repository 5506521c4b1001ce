"""One page of a PDF -> lines in reading order and tables, as plain values: what runs apart (see `apart.py`).

Text comes from PDFium, which decodes Chinese fonts well and fast.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.sources.layout import SOFT_HYPHEN, Box, Piece, ordered_lines
from cornucopia.sources.ruled import fill, open_table, ruled_tables

_MOST_CHARS = 200_000  # characters of a page: no page that is read has more
_FEW = 20  # characters up to which a page with a large picture counts as scanned
_PICTURE = 0.5  # share of the page that such a picture covers
_GARBLED = 0.3  # share of characters without a meaning from which the text layer is not believed
_LONGEST = 3000  # pixels of a page's longer side when it is drawn for OCR
_DPI = 200
_UPRIGHT = math.radians(3)


def describe(path: str) -> dict[str, Any]:
    """Number of pages, title and date of creation of a PDF.

    Raises:
        DataError: encrypted, broken, or without pages.
    """
    document = _open(path)
    if not len(document):
        raise DataError("PDF 里没有一页")
    told = document.get_metadata_dict(skip_empty=True)
    return {"pages": len(document), "title": told.get("Title", ""), "created": told.get("CreationDate", "")}


def read_page(path: str, number: int, ocr: str, hint: Sequence[float] = (), tables: bool = True) -> dict[str, Any]:
    """Lines and tables of a page.

    Args:
        path: the PDF.
        number: of the page, from 1.
        ocr: auto, always or never.
        hint: gutters of the page before.
        tables: whether to look for tables; without, a page of countless strokes is read in time.

    Returns:
        {"height", "lines": [Line as dict], "gutters", "tables": [[Cell as list]], "scanned", "ocr": what became of it,
        "slanted": characters left out}
    """
    page = _open(path)[number - 1]
    try:
        pieces, turn, slanted, broken = _pieces(page)
        scanned = _is_scanned(page, len(pieces), broken)
        result: dict[str, Any] = {"scanned": scanned, "slanted": slanted, "tables": [], "ocr": ""}
        result["height"] = _size(page, turn)[1]
        boxes: list[Box] = []
        if ocr == "always" or (scanned and ocr == "auto"):
            pieces, result["ocr"], result["scanned"] = *_by_ocr(page), True
            result["height"] = page.get_size()[1]
        elif scanned:
            pieces = []
        elif tables and pieces:
            found = list(_tables(page, turn, pieces))
            boxes = [box for box, _ in found]
            result["tables"] = [[list(asdict(cell).values()) for cell in cells] for _, cells in found]
            pieces = [p for p in pieces if not any(_within(p, box) for box in boxes)]
        lines, result["gutters"] = ordered_lines(pieces, boxes, hint)
        result["lines"] = [asdict(line) for line in lines]
        return result
    finally:
        page.close()


@lru_cache(maxsize=1)
def _open(path: str) -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise DataError("读 PDF 要先装 pypdfium2 和 pdfplumber", fix='pip install "cornucopia-fin[data]"') from None
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error) or "ecurity" in str(error):
            raise DataError("PDF 加了密，要密码才能打开", fix="先去掉密码另存一份") from None
        raise DataError("PDF 损坏，打不开", fix="用阅读器重新另存，或重新下载") from None


def _box(page: Any) -> Box:
    left, bottom, right, top = page.get_cropbox()
    return left, bottom, right, top


def _pieces(page: Any) -> tuple[list[Piece], int, int, int]:
    """(characters in upright coordinates, quarter turns of the text, slanted ones left out, ones without meaning)."""
    text = page.get_textpage()
    try:
        chars = list(itertools.islice(_chars(text), _MOST_CHARS))
    finally:
        text.close()
    turns = Counter(turn for *_, turn in chars)
    slanted = turns.pop(-1, 0)
    turn = turns.most_common(1)[0][0] if turns else 0
    box = _box(page)
    seen: set[tuple[str, int, int]] = set()
    pieces = []
    broken = 0
    for char, left, bottom, right, top, space, own in chars:
        if own != turn:
            continue
        piece = Piece(char, *upright((left, bottom, right, top), box, turn), space)
        key = (char, round(piece.x0 / 2), round(piece.top / 2))
        if key in seen:  # bold drawn as the same character twice
            continue
        seen.add(key)
        broken += _means_nothing(char)
        pieces.append(piece)
    return pieces, turn, slanted + sum(turns.values()) - turns[turn], broken


def _chars(text: Any) -> Iterator[tuple[str, float, float, float, float, bool, int]]:
    """(character, left, bottom, right, top, white space before, quarter turns or -1) of the text layer."""
    import pypdfium2.raw as pdfium

    rect = pdfium.FS_RECTF()
    pointer, raw = ctypes.byref(rect), text.raw
    unicode_of, loose, angle_of = (
        pdfium.FPDFText_GetUnicode,
        pdfium.FPDFText_GetLooseCharBox,
        pdfium.FPDFText_GetCharAngle,
    )
    space, high = False, 0
    for index in range(text.count_chars()):
        code = unicode_of(raw, index)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000 and high:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)
        high = 0
        char = SOFT_HYPHEN if code in (2, 0xFFFE) else chr(code) if 0 < code < 0x110000 else "\ufffd"
        if char.isspace():  # one that PDFium made from a gap is left to the layout, which measures gaps itself
            space = space or not pdfium.FPDFText_IsGenerated(raw, index)
            continue
        if not loose(raw, index, pointer) or rect.right <= rect.left or rect.top <= rect.bottom:
            continue
        angle = angle_of(raw, index)
        quarter = round(angle / (math.pi / 2))
        turn = -quarter % 4 if abs(angle - quarter * math.pi / 2) < _UPRIGHT else -1
        yield char, rect.left, rect.bottom, rect.right, rect.top, space, turn
        space = False


def upright(box: Box, page: Box, turn: int) -> Box:
    """A box of the page's own coordinates (y upwards) as a reader sees it who turns the page by `turn` quarters."""
    left, bottom, right, top = box
    if turn == 1:
        return bottom - page[1], left - page[0], top - page[1], right - page[0]
    if turn == 2:
        return page[2] - right, bottom - page[1], page[2] - left, top - page[1]
    if turn == 3:
        return page[3] - top, page[2] - right, page[3] - bottom, page[2] - left
    return left - page[0], page[3] - top, right - page[0], page[3] - bottom


def _size(page: Any, turn: int) -> tuple[float, float]:
    left, bottom, right, top = _box(page)
    return (top - bottom, right - left) if turn % 2 else (right - left, top - bottom)


def _means_nothing(char: str) -> bool:
    return char == "\ufffd" or "\ue000" <= char <= "\uf8ff" or ord(char) < 32


def _is_scanned(page: Any, chars: int, broken: int) -> bool:
    if chars > _FEW:
        return broken > _GARBLED * chars
    import pypdfium2.raw as pdfium

    width, height = _size(page, 0)
    for picture in itertools.islice(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3), 1000):
        left, bottom, right, top = picture.get_bounds()
        if (right - left) * (top - bottom) >= _PICTURE * width * height:
            return True
    return False


def _by_ocr(page: Any) -> tuple[list[Piece], str]:
    """(lines read from the page's picture in points, '' or why there are none)."""
    from cornucopia.sources.ocr import read_image

    scale = min(_DPI / 72, _LONGEST / max(page.get_size()))
    try:
        pieces = read_image(page.render(scale=scale).to_numpy())
    except DataError as error:
        return [], f"{error.what}；{error.fix}"
    return [Piece(p.text, *(value / scale for value in p[1:5])) for p in pieces], ""


def _within(piece: Piece, box: Box) -> bool:
    x, y = (piece.x0 + piece.x1) / 2, (piece.top + piece.bottom) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _tables(page: Any, turn: int, pieces: list[Piece]) -> Iterator[tuple[Box, list[Any]]]:
    """(box, cells) of each table on the page."""
    ruled, between = ruled_tables(page)
    for cells in ruled:
        turned = [upright(cell, _box(page), turn) for cell in cells]
        box = _around(turned)
        filled = fill(turned, [p for p in pieces if _within(p, box)])
        if filled:
            yield box, filled
    for place in between:
        box = upright(place, _box(page), turn)
        made = open_table([p for p in pieces if _within(p, box)])
        if made:
            yield box, made


def _around(boxes: list[Box]) -> Box:
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
