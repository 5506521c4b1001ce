"""Reading order: every piece of text comes once, whatever the page looks like."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.sources.grid import Cell, split_row, table_rows, table_text
from cornucopia.sources.layout import Piece, ordered_lines
from cornucopia.sources.paragraphs import paragraphs

numbers = st.floats(-50, 900)
sizes = st.floats(0.5, 200)
pieces = st.lists(
    st.builds(
        lambda text, x, y, w, h: Piece(text, x, y, x + w, y + h),
        st.sampled_from("甲乙ab1。"), numbers, numbers, sizes, sizes,
    ),
    max_size=25,
)  # fmt: skip
boxes = st.lists(st.builds(lambda x, y, w, h: (x, y, x + w, y + h), numbers, numbers, sizes, sizes), max_size=3)


@settings(max_examples=60)
@given(pieces, boxes, st.lists(st.floats(0, 600), max_size=2))
def test_no_piece_and_no_table_is_lost_or_doubled(found, tables, hint):
    lines, _ = ordered_lines(found, tables, hint)
    text = "".join(line.text for line in lines).replace(" ", "")
    assert sorted(text) == sorted(piece.text for piece in found)
    assert sorted(line.table for line in lines if line.table >= 0) == list(range(len(tables)))
    joined = "".join(text for text, _ in paragraphs([line for line in lines if line.table < 0]))
    assert sorted(joined.replace(" ", "")) == sorted(text)


cells = st.lists(
    st.builds(
        Cell, st.integers(0, 5), st.integers(0, 5), st.sampled_from(["", "甲", "a|b", "两\n行", "\\|"]),
        st.integers(1, 3), st.integers(1, 3),
    ),
    max_size=20,
)  # fmt: skip


@settings(max_examples=60)
@given(cells)
def test_a_table_has_rows_of_one_width_and_no_cell_breaks_them(held):
    _, rows = table_rows(held)
    assert len({len(row) for row in rows}) <= 1
    lines = [line for line in table_text(held).split("\n") if line.startswith("|")]
    assert all(len(split_row(line)) == len(rows[0]) for line in lines)
