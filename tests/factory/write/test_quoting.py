"""A quotation is found where it stands, whatever its width and white space, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.factory.write.pieces import context_of, documents_of
from cornucopia.factory.write.quoting import Source, plain
from cornucopia.records.evidence import Evidence
from cornucopia.records.schema import Passage, Record

TEXT = "第一条 年利率为 4.35%，按月\n计息。\n第二条 手续费（含税）为15％，逾期加收0.5%。"


def place(text: str, page: int = 1, start: int = 0) -> Evidence:
    return Evidence("a.pdf", text, page, start, start + len(text))


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        ("年利率为4.35%", "年利率为 4.35%"),
        ("按月计息", "按月\n计息"),
        ("手续费(含税)为15%", "手续费（含税）为15％"),
        ("“手续费（含税）为 15%”", "手续费（含税）为15％"),
        ("年利率为４．３５％，", "年利率为 4.35%，"),
    ],
)
def test_width_and_white_space_do_not_matter(quote, words):
    (found,) = Source([place(TEXT, 3, 100)]).find(quote)
    assert found.quote == words
    assert (found.page, found.start) == (3, 100 + TEXT.index(words))
    assert found.end - found.start == len(words)


@pytest.mark.parametrize(
    "quote", ["年利率为4.3", "35%，按月计息", "利率为4.35%，按季计息", "5%", "收0.", "", "……", "手续费为15%", "月"]
)
def test_what_is_not_there_whole_is_not_found(quote):
    assert Source([place(TEXT)]).find(quote) == []


def test_a_number_is_found_where_it_is_not_part_of_another():
    text = "甲类15.5%，乙类按5.5%计"
    (found,) = Source([place(text)]).find("5.5%计")
    assert found.start == text.index("5.5%计")
    assert Source([place("合计1500元整")]).find("500元整") == []


def test_a_quotation_that_runs_over_a_page_has_two_places():
    found = Source([place("本行对逾期贷款", 1), place("加收百分之五十的罚息。", 2)]).find("逾期贷款加收百分之五十")
    assert [(one.page, one.quote) for one in found] == [(1, "逾期贷款"), (2, "加收百分之五十")]


def test_words_left_out_must_be_marked_and_stand_in_order():
    source = Source([place(TEXT)])
    assert [one.quote for one in source.find("年利率为4.35%……逾期加收0.5%")] == ["年利率为 4.35%", "逾期加收0.5%"]
    assert source.find("逾期加收0.5%……年利率为4.35%") == []
    assert source.find("年利率为4.35%，逾期加收0.5%") == []


@given(st.text(min_size=1, max_size=80), st.data())
def test_any_stretch_of_any_text_is_found_or_refused_for_cause(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    for found in Source([place(text)]).find(text[start:end]):
        assert text[found.start : found.end] == found.quote
        assert plain(found.quote)[0] in plain(text)[0]


@given(st.text(max_size=60))
def test_each_character_of_the_plain_text_has_its_place(text):
    plainly, places = plain(text)
    assert len(plainly) == len(places)
    assert places == sorted(places) and all(0 <= at < len(text) for at in places)


def test_levels_are_one_passage_its_neighbours_and_the_document():
    records = [
        Record(passages=(Passage(f"第{n}段" + "文" * 50),), extra={"evidence": [place(f"第{n}段", n).to_dict()]})
        for n in range(1, 9)
    ]
    (pieces,) = documents_of(records).values()
    assert len(context_of(pieces, 0, "passage", 9999).pieces) == 1
    assert [piece.places[0].page for piece in context_of(pieces, 0, "neighbours", 9999).pieces] == [1, 2, 3]
    assert [piece.places[0].page for piece in context_of(pieces, 7, "neighbours", 9999).pieces] == [6, 7, 8]
    assert len(context_of(pieces, 2, "document", 9999).pieces) == 8
    short = context_of(pieces, 5, "document", 200).pieces
    assert 6 in [piece.places[0].page for piece in short] and len(short) <= 5


def test_a_long_text_is_cut_at_lines_and_nothing_of_it_is_lost():
    text = "".join(f"第{n}行的内容是一些文字。\n" for n in range(300))
    (pieces,) = documents_of([Record(text=text, id="长.txt")]).values()
    assert "".join(piece.text for piece in pieces) == text
    assert all(text[p.places[0].start : p.places[0].end] == p.text for p in pieces) and len(pieces) > 3


def test_after_redaction_a_quotation_has_the_place_of_its_passage():
    """The words before it are longer or shorter than they were in the document."""
    redacted = Evidence("a.pdf", "联系【姓名1】办理，年利率为4.35%。", 2, 10, 26)
    (found,) = Source([redacted]).find("年利率为4.35%")
    assert (found.quote, found.page, found.start, found.end) == ("年利率为4.35%", 2, 10, 26)
