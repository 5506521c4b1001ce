"""The quoted words are marked where they stand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.factory.review.view import find_quote, view
from cornucopia.records.evidence import Evidence
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.sources.document import Document, Page

TEXT = st.text("保险期间 \n一二三1", max_size=30)


@settings(max_examples=200, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_a_quote_is_found_whatever_the_white_space(before, quote, after):
    place = find_quote(before + quote + after, "\n".join(quote))
    squeezed = "".join(quote.split())
    if not squeezed:
        assert place is None
    else:
        assert "".join((before + quote + after)[slice(*place)].split()) == squeezed


def test_a_quote_that_is_not_there_is_not_marked():
    assert find_quote("等待期为90天", "等待期为180天") is None


def test_passages_pages_and_bare_quotes_stand_beside_the_record():
    quote = "等待期为90天"
    turns = (Message("user", "等待期多久？"), Message("assistant", "90天。", reasoning="看条款"))
    document = Document("a.pdf", (Page(1, "封面"), Page(2, "第二条" * 700 + quote + "。")), title="条款")
    start = document.pages[1].text.index(quote)
    evidence = Evidence("a.pdf", quote, 2, start, start + len(quote))
    record = Record(messages=turns, extra={"evidence": [evidence.to_dict()]})
    for shown in (
        view(record, None, {"a.pdf": document}),
        view(Record(turns, passages=(Passage("甲" + quote, "书"),), extra=record.extra), None, {}),
        view(record, None, {}),
    ):
        (source,) = shown["sources"]
        ((first, last),) = source["marks"]
        assert source["text"][first:last] == quote
    assert view(record, None, {"a.pdf": document})["sources"][0]["title"] == "条款 第2页"
    assert view(record, None, {})["turns"][1]["reasoning"] == "看条款"
