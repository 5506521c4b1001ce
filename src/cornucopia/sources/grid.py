"""A table's cells, merged ones included -> a Markdown table that reads row by row.

A cell that covers several rows stands in each of them, so that every row tells its whole; one that covers several
columns stands in the first, and over a header of two rows in each (`2024年 A类`). A row that is one cell over the whole
width heads the table as a line of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_BLANK = re.compile(r"\s+")
_CJK = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f]"
_BETWEEN_CJK = re.compile(rf"(?<={_CJK})\s+(?={_CJK})")
_MOST_COLUMNS = 200


@dataclass(frozen=True)
class Cell:
    """A cell at (row, column), from 0, that covers `rows` x `columns`."""

    row: int
    column: int
    text: str
    rows: int = 1
    columns: int = 1


def plain_cells(rows: Iterable[Sequence[str]]) -> list[Cell]:
    """Cells of a table without merged ones."""
    return [Cell(r, c, text) for r, row in enumerate(rows) for c, text in enumerate(row)]


def cell_text(text: str) -> str:
    """A cell's text on one line: line breaks between Chinese characters are none, others a space."""
    return _BLANK.sub(" ", _BETWEEN_CJK.sub("", text)).strip()


def table_rows(cells: Sequence[Cell]) -> tuple[list[str], list[list[str]]]:
    """(lines of text above it, rows of one width, the first the header); rows and columns without text are left out.

    Args:
        cells: in any order.
    """
    cells = [Cell(c.row, c.column, cell_text(c.text), c.rows, c.columns) for c in cells if c.column < _MOST_COLUMNS]
    cells.sort(key=lambda cell: (cell.row, cell.column))
    width = max((cell.column + cell.columns for cell in cells), default=0)
    above, cells = _captions(cells, min(width, _MOST_COLUMNS))
    depth = _header_depth(cells)
    grid = _filled(cells, depth)
    if not grid:
        return above, []
    header = [_joined([row[column] for row in grid[:depth]]) for column in range(len(grid[0]))]
    rows = [header, *grid[depth:]]
    kept = [column for column in range(len(header)) if any(row[column] for row in rows)]
    return above, [[row[column] for column in kept] for row in rows] if kept else []


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of one width as a Markdown table, the first its header."""
    if not rows:
        return ""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def table_text(cells: Sequence[Cell]) -> str:
    """The lines above a table and the table; a table of one column is plain lines."""
    above, rows = table_rows(cells)
    if rows and len(rows[0]) == 1:
        return "\n".join([*above, *(row[0] for row in rows)])
    return "\n\n".join(part for part in ("\n".join(above), markdown(rows)) if part)


def split_row(line: str) -> list[str]:
    """The cells of one line that `markdown` wrote."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _captions(cells: list[Cell], width: int) -> tuple[list[str], list[Cell]]:
    above: list[str] = []
    row = cells[0].row if cells else 0
    while width > 1:
        here = [cell for cell in cells if cell.row <= row]
        filled = [cell for cell in here if cell.text]
        rest = [cell for cell in cells if cell.row > row]
        if not rest or len(filled) > 1 or (filled and filled[0].columns < width):
            break
        above += [cell.text for cell in filled]
        cells, row = rest, rest[0].row
    return above, cells


def _header_depth(cells: Sequence[Cell]) -> int:
    """Rows of the header: two where a cell stands over several columns beside one over two rows."""
    first = [cell for cell in cells if cell.row == cells[0].row]
    wide = any(cell.columns > 1 for cell in first)
    return max((cell.rows for cell in first), default=1) if wide and len(first) > 1 else 1


def _filled(cells: Sequence[Cell], depth: int) -> list[list[str]]:
    top = min((cell.row for cell in cells), default=0)
    height = max((cell.row - top + 1 for cell in cells), default=0)
    width = min(max((cell.column + cell.columns for cell in cells), default=0), _MOST_COLUMNS)
    grid = [[""] * width for _ in range(height)]
    for cell in cells:
        row = cell.row - top
        wide = cell.columns if depth > 1 and row < depth else 1
        for line in grid[row : row + cell.rows]:
            for column in range(cell.column, min(cell.column + wide, width)):
                line[column] = line[column] or cell.text
    return [row for index, row in enumerate(grid) if any(row) or index < depth]


def _joined(parts: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(part for part in parts if part))
