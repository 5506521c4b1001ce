"""A folder of documents of real shapes becomes records whose citations point at the right page."""

from __future__ import annotations

import pytest

from cornucopia.factory.intake.documents import Documents, DocumentsConfig
from cornucopia.records.evidence import evidence_of
from cornucopia.records.native import pack, unpack
from cornucopia.records.rejects import Reject
from cornucopia.sources.read import read_documents
from made_office import excel, word
from made_pdf import BODY, HEAD, Paragraph, build, prospectus, table, two_column_story

PAGE = """<html><head><meta charset="gbk"><title>常见问题</title></head><body><h1>常见问题</h1>
<h2>可以提前支取吗？</h2><p>可以，提前支取的部分按支取日的活期利率计息。</p><h2>多久到账？</h2><p>实时到账。</p></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """PDF of several pages, in two columns, with an FAQ; Word, Excel, a page in GBK, and a file that is none."""
    folder = tmp_path_factory.mktemp("documents")
    prospectus(folder / "招募说明书.pdf", chapters=4)
    build(folder / "摘要.pdf", two_column_story(), columns=2)
    story = [Paragraph("常见问题", HEAD)]
    for number in range(40):
        story += [
            Paragraph(f"问：第{number}种情形怎样办理？", BODY),
            Paragraph(f"答：按第{number}条办理，三日内答复。", BODY),
        ]
    rows = [["问题", "答案"], ["表里的问题一？", "表里的回答一。"], ["表里的问题二？", "表里的回答二。"]]
    build(folder / "问答.pdf", [*story, table(rows, [200, 200])])
    word(folder / "合同.docx")
    excel(folder / "费率.xlsx")
    (folder / "问答.html").write_bytes(PAGE.encode("gbk"))
    (folder / "坏.pdf").write_bytes(b"%PDF-1.7\n\0\0")
    return folder


@pytest.fixture(scope="module")
def texts(folder):
    """(document, page number) -> text."""
    return {(d.id, p.number): p.text for d in read_documents(folder) if hasattr(d, "pages") for p in d.pages}


def take(folder, **settings):
    made = list(Documents(DocumentsConfig(path=folder, name="文档", ocr="never", **settings)).records(folder, 0))
    rejects = [item for item in made if isinstance(item, Reject)]
    assert len(rejects) == 1 and rejects[0].path.endswith("坏.pdf") and "损坏" in rejects[0].reason
    records = [item for item in made if not isinstance(item, Reject)]
    assert len({record.id for record in records}) == len(records)
    assert all(unpack(pack(record)) == record for record in records)
    return records


def check_places(records, texts):
    """Every citation is what stands there, and is told as page and characters."""
    for record in records:
        evidence = evidence_of(record)
        assert evidence, record.id
        for one in evidence:
            assert texts[one.document, one.page][one.start : one.end] == one.quote
            assert one.span in record.span and (f"第{one.page}页" in record.span or not one.page)


def test_passages_point_at_the_page_they_stand_on(folder, texts):
    records = take(folder, as_records="passages", size=300)
    check_places(records, texts)
    assert {record.origin for record in records} == {name for name, _ in texts}
    fee = next(r for r in records if "| 费用3-5 | 3.50% |" in r.passages[0].text)
    page = next(number for (name, number), text in texts.items() if name == "招募说明书.pdf" and "费用3-5" in text)
    assert page in [one.page for one in evidence_of(fee)] and fee.source == "稳健增长混合型证券投资基金招募说明书"
    assert "第3章 投资范围与费用（3）" in fee.passages[0].source
    (second,) = [r for r in records if r.origin == "合同.docx" and "| 第二年 | 管理费 | 0.80% |" in r.passages[0].text]
    assert [one.page for one in evidence_of(second) if "第二年" in one.quote] == [3]


def test_questions_and_answers_that_stand_in_the_documents(folder, texts):
    records = take(folder, as_records="pairs", domain="存款")
    check_places(records, texts)
    asked = {record.question: record for record in records}
    assert len([q for q in asked if q.endswith("种情形怎样办理？")]) == 40
    late = asked["第39种情形怎样办理？"]
    (place,) = evidence_of(late)
    assert late.golden == "按第39条办理，三日内答复。" and "第39条" in texts["问答.pdf", place.page] and place.page > 1
    assert asked["表里的问题二？"].golden == "表里的回答二。"
    assert asked["可以提前支取吗？"].golden.startswith("可以，提前支取") and late.domain == "存款"


def test_text_for_pretraining_whole_and_in_parts(folder, texts):
    whole = take(folder, as_records="text", size=0)
    assert {record.origin for record in whole} == {name for name, _ in texts} and len(whole) == 6
    assert all(record.complete and record.text for record in whole)
    parts = take(folder, as_records="text", size=400)
    check_places(parts, texts)
    assert not any(record.complete for record in parts) and max(len(r.text) for r in parts) <= 440


def test_the_limit_counts_records_and_the_same_folder_gives_the_same(folder):
    config = DocumentsConfig(path=folder, name="a", limit=3, ocr="never")
    first = [item for item in Documents(config).records(folder, 0) if not isinstance(item, Reject)]
    assert len(first) == 3 and first == [i for i in Documents(config).records(folder, 1) if not isinstance(i, Reject)]
