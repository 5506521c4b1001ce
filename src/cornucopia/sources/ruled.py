"""Cells of a table on a page: where its rules are, and which characters stand in which cell.

The strokes are PDFium's; what cells they make is pdfplumber's geometry, without its parsing of the page, which takes
several times as long as everything else here.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from cornucopia.sources.grid import Cell
from cornucopia.sources.layout import Box, Line, Piece, lines_of
from cornucopia.sources.paragraphs import join

Point = tuple[float, float]

_MOST_STROKES = 8000  # a page with more is a drawing
_MOST_EDGES = 30_000
_THIN = 3.0  # points: what is thinner is a rule
_LEAST_EDGE = 4.0  # points: shorter strokes are no rules
_SAME = 3.0  # points within which two edges are one
_OPEN_RULES = 3  # rules of a table without upright ones: above, under the header, below
_MOVE, _LINE = 2, 0  # kinds of path segments in PDFium


def ruled_tables(page: Any) -> tuple[list[list[Box]], list[Box]]:
    """(cells of each ruled table, boxes between three or more level rules of the same extent), in the page's own
    coordinates (left, bottom, right, top).

    Args:
        page: of PDFium.
    """
    from pdfplumber import table

    edges = _edges_of(page)
    level = [(e["x0"], -e["top"], e["x1"], -e["top"]) for e in edges if e["orientation"] == "h"]
    if len(level) == len(edges):
        return [], _open_boxes(level)
    edges = table.merge_edges(edges, _SAME, _SAME, _SAME, _SAME)
    cells = table.intersections_to_cells(table.edges_to_intersections(edges, _SAME, _SAME))
    return [[(x0, -y1, x1, -y0) for x0, y0, x1, y1 in held] for held in table.cells_to_tables(cells)], []


def _edges_of(page: Any) -> list[dict[str, Any]]:
    """Level and upright strokes and sides of rectangles, as pdfplumber has them; none on a drawing."""
    import pypdfium2.raw as pdfium

    edges: list[dict[str, Any]] = []
    for count, path in enumerate(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH], max_depth=4)):
        if count > _MOST_STROKES or len(edges) > _MOST_EDGES:
            return []
        if path.level == 0 and pdfium.FPDFPath_CountSegments(path.raw) <= 5:
            left, bottom, right, top = path.get_bounds()
            if right - left < _THIN:
                left = right = (left + right) / 2
            if top - bottom < _THIN:
                top = bottom = (top + bottom) / 2
            corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
            strokes = list(itertools.pairwise(corners))
        else:
            strokes = _strokes(path)
        edges += [edge for one, two in strokes if (edge := _edge(*one, *two))]
    return edges


def _strokes(path: Any) -> list[tuple[Point, Point]]:
    """Straight segments of a path in the page's coordinates, those of forms within it included."""
    import pypdfium2.raw as pdfium

    matrices = []
    held = path
    while held is not None:
        matrices.append(held.get_matrix())
        held = held.container
    x, y = ctypes.c_float(), ctypes.c_float()
    strokes: list[tuple[Point, Point]] = []
    at = start = (0.0, 0.0)
    for index in range(min(pdfium.FPDFPath_CountSegments(path.raw), _MOST_EDGES)):
        segment = pdfium.FPDFPath_GetPathSegment(path.raw, index)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = (x.value, y.value)
        for matrix in matrices:
            point = matrix.on_point(*point)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        strokes += [(at, point)] if kind == _LINE else []
        start = point if kind == _MOVE else start
        strokes += [(point, start)] if pdfium.FPDFPathSegment_GetClose(segment) else []
        at = point
    return strokes


def _edge(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any] | None:
    x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    wide, high = x1 - x0, y1 - y0
    if max(wide, high) < _LEAST_EDGE or min(wide, high) > 1.0:
        return None
    edge: dict[str, Any] = {"x0": x0, "x1": x1, "top": -y1, "bottom": -y0, "width": wide, "height": high}
    return edge | {"orientation": "h" if wide > high else "v", "object_type": "line"}


def _open_boxes(level: Sequence[Box]) -> list[Box]:
    """Boxes between level rules of the same extent, three or more under each other."""
    groups: dict[tuple[int, int], list[Box]] = defaultdict(list)
    for box in level:
        near = [key for key in groups if abs(key[0] - box[0]) < _SAME and abs(key[1] - box[2]) < _SAME]
        groups[near[0] if near else (round(box[0]), round(box[2]))].append(box)
    made = []
    for boxes in groups.values():
        heights = sorted({round(box[1]) for box in boxes})
        if len([1 for a, b in itertools.pairwise(heights) if b - a > _SAME]) >= _OPEN_RULES - 1:
            made.append((boxes[0][0], min(heights) - 1.0, boxes[0][2], max(heights) + 1.0))
    return made


def fill(boxes: Sequence[Box], pieces: Sequence[Piece]) -> list[Cell]:
    """The cells with their texts; none where they make no table of two columns and two rows.

    Args:
        boxes: of the cells.
        pieces: characters within the table.
    """
    columns, rows = _edges([x for box in boxes for x in (box[0], box[2])]), _edges([y for b in boxes for y in b[1::2]])
    if len(columns) < 3 or len(rows) < 3:
        return []
    held: dict[int, list[Piece]] = defaultdict(list)
    order = sorted(range(len(boxes)), key=lambda index: boxes[index][1])
    tops = [boxes[index][1] for index in order]
    for piece in pieces:
        x, y = (piece.x0 + piece.x1) / 2, (piece.top + piece.bottom) / 2
        for index in reversed(order[: bisect.bisect_right(tops, y)]):
            box = boxes[index]
            if box[0] <= x <= box[2] and y <= box[3]:
                held[index].append(piece)
                break
    cells = []
    for index, (x0, y0, x1, y1) in enumerate(boxes):
        row, column = _at(rows, y0), _at(columns, x0)
        text = _joined(lines_of(held[index]))
        cells.append(Cell(row, column, text, max(_at(rows, y1) - row, 1), max(_at(columns, x1) - column, 1)))
    return cells if any(cell.text for cell in cells) else []


def open_table(pieces: Sequence[Piece]) -> list[Cell]:
    """Cells of a table that has only level rules: columns are parted by white space that no line crosses."""
    lines = lines_of(pieces)
    size = sorted(line.size for line in lines)[len(lines) // 2] if lines else 0.0
    gaps = _gaps(pieces, 0.8 * size)
    if len(lines) < 2 or not gaps:
        return []
    cells: dict[tuple[int, int], str] = {}
    row = -1
    for line in lines:
        parts = defaultdict(list)
        for piece in pieces:
            if line.top <= (piece.top + piece.bottom) / 2 <= line.bottom:
                parts[bisect.bisect_left(gaps, (piece.x0 + piece.x1) / 2)].append(piece)
        row += 1 if 0 in parts or row < 0 else 0  # a line without its first column goes on with the row above
        for column, held in parts.items():
            text = _joined(lines_of(held))
            cells[row, column] = join(cells[row, column], text) if (row, column) in cells else text
    return [Cell(row, column, text) for (row, column), text in sorted(cells.items())] if row else []


def _gaps(pieces: Sequence[Piece], least: float) -> list[float]:
    """x in the middle of each stretch of at least `least` points that no piece touches."""
    gaps = []
    reach = None
    for piece in sorted(pieces, key=lambda p: p.x0):
        if reach is not None and piece.x0 - reach >= least:
            gaps.append((reach + piece.x0) / 2)
        reach = piece.x1 if reach is None else max(reach, piece.x1)
    return gaps


def _joined(lines: Sequence[Line]) -> str:
    text = ""
    for line in lines:
        text = join(text, line.text) if text else line.text
    return text


def _edges(values: Sequence[float]) -> list[float]:
    edges: list[float] = []
    for value in sorted(values):
        if not edges or value - edges[-1] > _SAME:
            edges.append(value)
    return edges


def _at(edges: Sequence[float], value: float) -> int:
    return min(range(len(edges)), key=lambda index: abs(edges[index] - value))
