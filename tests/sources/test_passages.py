"""Passages: each knows where it stands, none is cut within a row, nothing is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.sources.document import Document, Page
from cornucopia.sources.pairs import pairs
from cornucopia.sources.passages import passages

TABLE = "| 期限 | 利率 |\n| --- | --- |\n" + "\n".join(f"| {n}年 | {n}.85% |" for n in range(1, 9))
PARTS = [
    "# 第一章 总则", "## 第一节 费用", "一句话。第二句话！还有一句；末句", "很长的一段" * 30 + "。", TABLE, "",
    "- 列表项一\n- 列表项二", "| 不是表 |", "#没有空格", "word " * 40, "\n\n", "……", " \t", "# ",
    "没有句号的一行\n接着的一行",
]  # fmt: skip
documents = st.lists(st.lists(st.sampled_from(PARTS), max_size=6).map("\n\n".join), min_size=1, max_size=4).map(
    lambda texts: Document("d", tuple(Page(number, text) for number, text in enumerate(texts, 1)))
)


def bare(text):
    return "".join(text.split())


@settings(max_examples=300)
@given(documents, st.integers(20, 400))
def test_every_span_is_the_text_and_all_text_is_in_some_span(document, size):
    texts = {page.number: page.text for page in document.pages}
    covered = {number: set() for number in texts}
    for chunk in passages(document, size):
        parts = [texts[span.page][span.start : span.end] for span in chunk.spans]
        assert bare("".join(parts)) == bare(chunk.text)
        assert all(part and part == part.strip() for part in parts)
        for span in chunk.spans:
            covered[span.page].update(range(span.start, span.end))
        for line in chunk.text.split("\n"):
            if line.startswith("|"):
                assert line.endswith("|"), "no row is cut"
    for number, text in texts.items():
        assert all(at in covered[number] for at, char in enumerate(text) if not char.isspace())


@settings(max_examples=100)
@given(documents, st.integers(60, 400))
def test_passages_keep_to_their_size(document, size):
    for chunk in passages(document, size):
        rows = [line for line in chunk.text.split("\n") if line.startswith("|")]
        assert len(chunk.text) <= size + 4 * len(document.pages) or len(rows) > 2


def test_headings_are_kept_and_never_end_a_passage():
    text = "# 费用\n\n" + "管理费按日计提。" * 12 + "\n\n## 赎回费\n\n" + "持有不满七日收取。" * 12
    chunks = list(passages(Document("d", (Page(1, text),)), 120))
    assert [chunk.headings for chunk in chunks] == [("费用",), ("费用", "赎回费")]
    assert chunks[1].text.startswith("## 赎回费") and not any(c.text.endswith(("费用", "赎回费")) for c in chunks)


def test_each_part_of_a_table_begins_with_its_header():
    chunks = list(passages(Document("d", (Page(3, "利率如下：\n\n" + TABLE),)), 70))
    tables = [chunk for chunk in chunks if "|" in chunk.text]
    assert len(tables) > 1 and all("| 期限 | 利率 |\n| --- | --- |\n|" in chunk.text for chunk in tables)
    assert all(span.page == 3 for chunk in chunks for span in chunk.spans)


def test_a_sentence_over_the_end_of_a_page_is_joined_and_knows_both():
    pages = (Page(7, "管理人应当在每个工作"), Page(8, "日披露净值。"))
    (chunk,) = passages(Document("d", pages), 100)
    assert chunk.text == "管理人应当在每个工作日披露净值。" and [span.page for span in chunk.spans] == [7, 8]


def found(*texts):
    pages = tuple(Page(number, text) for number, text in enumerate(texts, 1))
    texts_by_page = {page.number: page.text for page in pages}
    made = list(pairs(Document("d", pages)))
    for pair in made:
        parts = "\n".join(texts_by_page[s.page][s.start : s.end] for s in pair.spans)
        assert bare(pair.answer) == bare(parts) or pair.answer in parts
    return [(pair.question, pair.answer) for pair in made]


def test_marked_questions_in_the_forms_that_banks_use():
    expected = [("能退保吗？", "可以。"), ("多久到账？", "三日内。")]
    assert found("问：能退保吗？\n答：可以。\n\n问：多久到账？\n答：三日内。") == expected
    assert found("Q1：能退保吗？\nA1：可以。\nQ2: 多久到账？\nA2: 三日内。") == expected
    assert found("【问题】能退保吗？\n【回答】可以。\n【问题】多久到账？\n【回答】三日内。") == expected
    assert found("1、问：能退保吗？ 答：可以。\n2、问：多久到账？ 答：三日内。") == expected
    assert found("## 能退保吗？\n\n可以。\n\n## 多久到账？\n\n三日内。\n\n## 附则\n\n其他。") == expected
    assert found("1. 能退保吗？\n可以。\n2. 多久到账？\n三日内。\n第二章 其他\n正文。") == expected


def test_an_answer_over_two_pages_knows_both_and_stops_at_the_next_heading():
    ((question, answer),) = found("问：怎样计息？\n答：按日计息，", "按季结息。\n\n分段计算。\n\n# 第二章\n\n正文。")
    assert question == "怎样计息？" and answer == "按日计息，\n按季结息。\n分段计算。"


def test_tables_of_questions_and_answers():
    table = "| 编号 | 问题 | 答案 |\n| --- | --- | --- |\n| 1 | 能退保吗？ | 可以。 |\n| 2 | 空的？ |  |"
    assert found(table) == [("能退保吗？", "可以。")]
    assert found("| 项目 | 费率 |\n| --- | --- |\n| 问 | 答 |") == []


def test_running_text_gives_no_pairs():
    assert found("怎么办？先看合同。\n\n第一章 总则\n\n1. 定义\n\n本合同所称犹豫期指十五日。") == []
    assert found("1. 什么是基金？\n2. 什么是债券？") == []


@given(documents)
def test_any_document_can_be_searched_for_pairs(document):
    assert all(pair.question and pair.answer for pair in pairs(document))
