"""Pieces of text on a page -> lines in reading order, columns one after another. Knows no PDF.

Coordinates are in points from the page's upper left corner, y downwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

SOFT_HYPHEN = "\u00ad"  # at the end of a line: the word goes on in the next one
_X, _Y = 2.0, 4.0  # points of one cell of the grid on which gutters are looked for
_MOST = 4000  # cells of that grid in each direction: a page of any size is looked at in at most so many
_NARROW = 0.15  # share of the text's width that a column has at the least
_CROSSED = 0.25  # share of the lines that may cross a gutter (titles, wide tables)
_FULL = 0.6  # share of a column's width that its lines fill on average; labels of a form fill less
_COLUMN_LINES = 4  # lines a column has at the least


class Piece(NamedTuple):
    """A character, or text that stands together, and its box."""

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    space: bool = False  # whether white space stands before it in the file


@dataclass(frozen=True)
class Line:
    """A line of one column.

    Args:
        text: of it.
        x0, top, x1, bottom: its box.
        size: height of its characters, in points.
        left, right: of its column.
        table: number of the table that stands here instead, or -1.
    """

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    left: float = 0.0
    right: float = 0.0
    table: int = -1


Box = tuple[float, float, float, float]  # x0, top, x1, bottom


def ordered_lines(
    pieces: Sequence[Piece], tables: Sequence[Box] = (), hint: Sequence[float] = ()
) -> tuple[list[Line], list[float]]:
    """(lines and the places of tables in the order a reader takes, x of the gutters between columns).

    Args:
        pieces: without those inside tables.
        tables: their boxes.
        hint: gutters of the page before: a last page may have too few lines in a column to show its own.
    """
    if not pieces:
        return [_place(number, box) for number, box in sorted(enumerate(tables), key=lambda item: item[1][1])], []
    gutters = _gutters(pieces, hint)
    crossing = _crossing(pieces, tables, gutters)
    bounds = [*crossing, (float("inf"), float("inf"))]
    lines: list[Line] = []
    above = float("-inf")
    for top, bottom in bounds:
        for left, right in pairwise([float("-inf"), *gutters, float("inf")]):
            lines += _column(pieces, tables, (left, above, right, top))
        if top < float("inf"):
            lines += _column(pieces, tables, (float("-inf"), top, float("inf"), bottom))
        above = bottom
    return lines, gutters


def is_cjk(char: str) -> bool:
    """Whether no space is written beside this character: Chinese, and full-width marks."""
    return "\u2e80" <= char <= "\ua4cf" or "\uf900" <= char <= "\ufaff" or "\ufe30" <= char <= "\uffef"


def lines_of(pieces: Sequence[Piece]) -> list[Line]:
    """Lines of one column from top to bottom."""
    rows: list[list[Piece]] = []
    spans: list[tuple[float, float]] = []
    for piece in sorted(pieces, key=lambda p: ((p.top + p.bottom) / 2, p.x0)):
        middle = (piece.top + piece.bottom) / 2
        if rows and _same_row(spans[-1], piece, middle):
            rows[-1].append(piece)
            if piece.bottom - piece.top > spans[-1][1] - spans[-1][0]:
                spans[-1] = (piece.top, piece.bottom)
        else:
            rows.append([piece])
            spans.append((piece.top, piece.bottom))
    return [line for row in rows if (line := _line(row)).text]


def _same_row(span: tuple[float, float], piece: Piece, middle: float) -> bool:
    top, bottom = span
    height = min(bottom - top, piece.bottom - piece.top)
    return min(bottom, piece.bottom) - max(top, piece.top) > 0.5 * height and top <= middle <= bottom


def _line(row: list[Piece]) -> Line:
    row.sort(key=lambda piece: piece.x0)
    sizes = sorted(piece.bottom - piece.top for piece in row)
    size = sizes[len(sizes) // 2]
    parts = [row[0].text]
    for before, piece in pairwise(row):
        both = is_cjk(before.text[-1:]) and is_cjk(piece.text[:1])
        gap = piece.x0 - before.x1
        if piece.space or gap > (0.9 if both else 0.3) * size:
            parts.append(" ")
        parts.append(piece.text)
    text = "".join(parts).strip()
    top, bottom = min(p.top for p in row), max(p.bottom for p in row)
    return Line(text, row[0].x0, top, max(p.x1 for p in row), bottom, size)


def _place(number: int, box: Box) -> Line:
    return Line("", box[0], box[1], box[2], box[3], 0.0, box[0], box[2], number)


def _column(pieces: Sequence[Piece], tables: Sequence[Box], box: Box) -> Iterator[Line]:
    left, top, right, bottom = box

    def inside(item: Box) -> bool:
        x, y = (item[0] + item[2]) / 2, (item[1] + item[3]) / 2
        return left <= x < right and top <= y < bottom

    lines = lines_of([piece for piece in pieces if inside(piece[1:5])])
    x0, x1 = min((line.x0 for line in lines), default=0), max((line.x1 for line in lines), default=0)
    lines = [replace(line, left=x0, right=x1) for line in lines]
    places = [_place(number, table) for number, table in enumerate(tables) if inside(table)]
    yield from sorted([*lines, *places], key=lambda line: (line.top + line.bottom) / 2)


def _grid(pieces: Sequence[Piece]) -> tuple[np.ndarray, float, float, float, float]:
    """Which cells hold text, gaps within lines closed; with the grid's origin and the size of its cells."""
    boxes = np.array([piece[1:5] for piece in pieces])
    left, top = boxes[:, 0].min(), boxes[:, 1].min()
    width, height = boxes[:, 2].max() - left, boxes[:, 3].max() - top
    dx, dy = max(_X, width / _MOST), max(_Y, height / _MOST)
    grid = np.zeros((int(height / dy) + 2, int(width / dx) + 2), bool)
    em = float(np.median(boxes[:, 3] - boxes[:, 1]))
    closed = max(int(0.6 * em / dx), 1)
    for x0, y0, x1, y1 in boxes:
        row = int(((y0 + y1) / 2 - top) / dy)
        grid[row, int((x0 - left) / dx) : int((x1 - left) / dx) + closed] = True
    return grid, left, top, dx, dy


def _gutters(pieces: Sequence[Piece], hint: Sequence[float]) -> list[float]:
    """x of the middle of each gutter between columns of running text."""
    grid, left, _, dx, _ = _grid(pieces)
    coverage = grid.sum(0)
    own = _own_gutters(grid, coverage, left, dx)
    at = [min(max(int((x - left) / dx), 0), len(coverage) - 1) for x in hint]
    return own or (list(hint) if all(coverage[x] <= _CROSSED * coverage[:x].max(initial=0) for x in at) else [])


def _own_gutters(grid: np.ndarray, coverage: np.ndarray, left: float, dx: float) -> list[float]:
    rows = int(grid.any(1).sum())
    peak = float(np.percentile(coverage[coverage > 0], 75)) if coverage.any() else 0.0
    if rows < 2 * _COLUMN_LINES - 2 or peak < _COLUMN_LINES:
        return []
    open_ = coverage <= _CROSSED * peak
    runs = [run for run in _runs(open_) if run[1] - run[0] >= 2]
    cuts, start = [], 0
    for begin, end in runs:
        if begin > 0 and _is_column(grid[:, start:begin]) and _is_column(grid[:, end:], grid[:, start:begin]):
            cuts.append(left + (begin + end) / 2 * dx)
            start = end
    return cuts


def _is_column(part: np.ndarray, other: np.ndarray | None = None) -> bool:
    """Whether the part holds a column: wide enough, with enough lines that fill it.

    Args:
        part: of the grid.
        other: the column to its left, beside which the part may hold further columns.
    """
    used = np.flatnonzero(part.any(0))
    if not len(used):
        return False
    width = used[-1] - used[0] + 1
    lines = part.any(1)
    total = width + (other.shape[1] if other is not None else 0)
    if lines.sum() < _COLUMN_LINES or width * _X < 60 or width < _NARROW * total:
        return False
    filled = part[lines][:, used[0] : used[-1] + 1].mean(1)
    return float(np.median(filled)) >= (_FULL if other is None else _FULL * 0.75)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _crossing(pieces: Sequence[Piece], tables: Sequence[Box], gutters: Sequence[float]) -> list[tuple[float, float]]:
    """Stretches from top to bottom of what crosses a gutter, joined where they overlap."""
    if not gutters:
        return []
    spans = [(box[1], box[3]) for box in tables if any(box[0] < gutter < box[2] for gutter in gutters)]
    for line in lines_of(pieces):
        middle = (line.top + line.bottom) / 2
        row = sorted((p for p in pieces if p.top <= middle <= p.bottom), key=lambda p: p.x0)
        if any(_covers(row, gutter, line.size) for gutter in gutters):
            spans.append((line.top, line.bottom))
    spans.sort()
    joined: list[tuple[float, float]] = []
    for top, bottom in spans:
        if joined and top < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(bottom, joined[-1][1]))
        else:
            joined.append((top, bottom))
    return joined


def _covers(row: Sequence[Piece], gutter: float, size: float) -> bool:
    """Whether text goes on across the gutter: a piece stands on it, or two with no more than a space between."""
    if any(piece.x0 < gutter < piece.x1 for piece in row):
        return True
    before = max((piece.x1 for piece in row if piece.x1 <= gutter), default=None)
    after = min((piece.x0 for piece in row if piece.x0 >= gutter), default=None)
    return before is not None and after is not None and after - before < 0.6 * size
