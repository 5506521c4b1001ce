"""PDF -> text by page: what a reader would read, in the order he would read it."""

from __future__ import annotations

import re

import pytest
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from cornucopia.sources import pdf_page
from cornucopia.sources.apart import Apart, ApartError
from cornucopia.sources.pdf import read_pdf
from made_pdf import (
    BODY,
    CJK_FONT,
    FONT,
    HEAD,
    Paragraph,
    build,
    long_table,
    prospectus,
    scanned,
    sentence,
    table,
    text_picture,
    two_column_story,
)  # fmt: skip


class InProcess:
    """As `Apart`, without a process of its own."""

    def call(self, target, *arguments, seconds):
        from cornucopia.core.errors import DataError

        try:
            return getattr(pdf_page, target.partition(":")[2])(*arguments)
        except DataError as error:
            raise ApartError(error.what) from None


def read(path, **settings):
    return read_pdf(path, InProcess(), **settings)


def test_paragraphs_headings_and_tables_stand_in_order_without_what_repeats_on_every_page(tmp_path):
    document = read(prospectus(tmp_path / "a.pdf", chapters=3))
    text = document.text
    assert [int(n) for n in re.findall(r"^# 第(\d)章", text, re.M)] == [1, 2, 3]
    codes = [int(n) for n in re.findall(r"JJ0(\d{4})", text)]
    assert codes == sorted(codes) and len(codes) == 3 * 8 * 4
    assert text.count("| 费用类别 | 费率 | 说明 |") == 3 and "| 费用2-5 | 2.50% | 按前一日资产净值计提 5 |" in text
    assert text.count("费用2-5") == 1, "a table's text is not told again beside it"
    assert "招募说明书（更新）" not in text and not re.search(r"第 \d+ 页", text)
    assert document.extra["counts"]["running_heads"] == 2 * len(document.pages)
    assert [page.number for page in document.pages] == list(range(1, len(document.pages) + 1))
    assert document.title == "稳健增长混合型证券投资基金招募说明书"


def test_lines_that_only_the_width_of_the_page_broke_are_joined(tmp_path):
    text = read(prospectus(tmp_path / "a.pdf", chapters=1, paragraphs_a_chapter=3)).text
    paragraphs = [part for part in text.split("\n\n") if part.startswith("基金管理人")]
    assert len(paragraphs) == 3 and all(part.endswith("说明依据。") for part in paragraphs)
    assert all("\n" not in part for part in paragraphs)


def test_two_columns_are_read_one_after_the_other_also_where_the_last_page_has_a_short_one(tmp_path):
    document = read(build(tmp_path / "a.pdf", two_column_story(), columns=2))
    assert len(document.pages) == 2
    codes = [int(n) for n in re.findall(r"JJ(\d{5})", document.text)]
    assert codes == [n + k for n in range(24) for k in (0, 1000)]
    assert document.pages[0].text.index("年度报告摘要") < document.pages[0].text.index("JJ00000")


def test_a_running_head_that_columns_cut_in_two_is_left_out_whole(tmp_path):
    path = tmp_path / "a.pdf"
    head, publisher = "稳健增长混合型证券投资基金招募说明书", "某某基金管理有限公司"
    canvas = Canvas(str(path), pagesize=A4)
    for page in range(10):
        canvas.setFont(FONT, 9)
        canvas.drawString(60, 800, head)
        canvas.drawRightString(540, 800, publisher)
        canvas.setFont(FONT, 10.5)
        columns = [(60, 20), (310, 20)] if page in (4, 5) else [(60, 44)]
        for column, (left, width) in enumerate(columns):
            for row in range(30):
                text = f"第{page}页第{column}栏第{row}行" + "管理人应当按照基金合同的约定披露基金净值并说明依据" * 2
                canvas.drawString(left, 740 - 20 * row, text[:width])
        canvas.showPage()
    canvas.save()
    document = read(path)
    assert head not in document.text and publisher not in document.text
    assert document.text.count("行管理人应当") == 8 * 30 + 2 * 60


@pytest.mark.parametrize(
    ("told", "title"),
    [("(anonymous)", ""), ("未命名", ""), ("文档1", ""), ("Microsoft Word - 招募.doc", ""), ("费率说明", "费率说明")],
)
def test_what_a_program_wrote_as_the_title_and_a_chapter_are_no_title(tmp_path, told, title):
    story = [Paragraph("第一章 绪言", HEAD), Paragraph(sentence(1) * 3, BODY)]
    assert read(build(tmp_path / "a.pdf", story, title=told)).title == title


def test_a_table_over_several_pages_keeps_its_header_and_loses_no_row(tmp_path):
    document = read(long_table(tmp_path / "a.pdf"))
    assert [page.text.count("| 代码 | 名称 | 比例（%） |") for page in document.pages] == [1] * len(document.pages)
    assert re.findall(r"证券(\d+) ", document.text) == [str(n) for n in range(70)]
    assert document.extra["counts"]["tables"] == 1
    assert document.extra["counts"]["tables_continued"] == len(document.pages) - 1


def test_a_continued_table_without_a_header_of_its_own_gets_that_of_the_page_before(tmp_path):
    rows = [["代码", "名称"], *([f"{n:06d}", f"证券{n}"] for n in range(60))]
    document = read(build(tmp_path / "a.pdf", [table(rows, [100, 200], repeat=0)]))
    assert document.pages[1].text.startswith("| 代码 | 名称 |\n| --- | --- |\n| 0000")


def test_merged_cells_stand_in_every_row_they_cover(tmp_path):
    rows = [["费用", "2024年", ""], ["", "A类", "C类"], ["管理费", "1.20%", "0.80%"], ["", "1.10%", "0.70%"]]
    style = [("SPAN", (0, 0), (0, 1)), ("SPAN", (1, 0), (2, 0)), ("SPAN", (0, 2), (0, 3))]
    text = read(build(tmp_path / "a.pdf", [table(rows, [80] * 3, style, repeat=0)])).text
    assert "| 费用 | 2024年 A类 | 2024年 C类 |" in text
    assert "| 管理费 | 1.20% | 0.80% |\n| 管理费 | 1.10% | 0.70% |" in text


def test_a_table_with_level_rules_alone_is_read_by_its_white_space(tmp_path):
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setFont(FONT, 10)
    for number, row in enumerate(
        [("项目", "本期", "上期"), ("营业收入", "1,234.50", "998.00"), ("净利润", "-", "88.10")]
    ):
        for x, text in zip((80, 250, 400), row, strict=True):
            canvas.drawString(x, 700 - 20 * number, text)
    for y in (714, 695, 655):
        canvas.line(75, y, 480, y)
    canvas.save()
    text = read(tmp_path / "a.pdf").text
    assert "| 项目 | 本期 | 上期 |" in text and "| 营业收入 | 1,234.50 | 998.00 |" in text


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_pages_and_pages_that_begin_elsewhere_are_read_upright(tmp_path, turn):
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setFont(FONT, 11)
    canvas.setPageRotation(turn)
    canvas.translate(300, 400)
    canvas.rotate(turn)
    for number, row in enumerate([("档次", "利率"), ("一年", "3.85%"), ("三年", "2.75%")]):
        for x, text in zip((0, 100), row, strict=True):
            canvas.drawString(x + 5, -20 * number - 14, text)
            canvas.rect(x, -20 * number - 20, 100, 20)
    canvas.drawString(0, 30, "表前的一句话。")
    canvas.save()
    text = read(tmp_path / "a.pdf").text
    assert text == "表前的一句话。\n\n| 档次 | 利率 |\n| --- | --- |\n| 一年 | 3.85% |\n| 三年 | 2.75% |"


def test_slanted_watermarks_are_left_out_and_words_parted_by_a_hyphen_joined(tmp_path):
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setFont("Helvetica", 11)
    canvas.drawString(72, 700, "The annual rate is the inter-")
    canvas.drawString(72, 686, "est paid for one year, fi-")
    canvas.drawString(72, 672, "nance people call it the effective rate.")
    canvas.setFillColor(colors.lightgrey)
    canvas.translate(300, 400)
    canvas.rotate(45)
    canvas.drawString(0, 0, "INTERNAL ONLY")
    canvas.save()
    document = read(tmp_path / "a.pdf")
    assert document.text.startswith("The annual rate is the interest paid for one year, finance people call it")
    assert any("水印" in note for note in document.notes)


def test_full_width_forms_and_ligatures_are_as_written(tmp_path):
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setFont(FONT, 11)
    canvas.drawString(72, 700, "年化收益率：３.８５％（税前），办理 ﬁrst 业务。")
    canvas.save()
    assert read(tmp_path / "a.pdf").text == "年化收益率：３.８５％（税前），办理 first 业务。"


def test_a_scanned_page_is_told_and_left_empty_without_ocr(tmp_path):
    from PIL import Image

    document = read(scanned(tmp_path / "a.pdf", Image.new("RGB", (600, 800), "white")), ocr="never")
    assert [page.scanned for page in document.pages] == [False, True]
    assert document.pages[1].text == "" and any("扫描" in note for note in document.notes)


@pytest.mark.skipif(not CJK_FONT.exists(), reason="no Chinese font to draw a page with")
def test_a_scanned_page_is_read_by_ocr(tmp_path):
    picture = text_picture(["第三条 保险责任", "犹豫期为十五日，年化收益率 3.85%。"], size=(900, 700))
    document = read(scanned(tmp_path / "a.pdf", picture))
    assert document.pages[0].text == "文字层的第一页。" and document.pages[1].scanned
    assert "保险责任" in document.pages[1].text and "3.85%" in document.pages[1].text


def test_encrypted_broken_and_empty_files_are_refused_with_the_reason(tmp_path):
    from reportlab.lib.pdfencrypt import StandardEncryption

    locked = Canvas(str(tmp_path / "locked.pdf"), encrypt=StandardEncryption("secret"))
    locked.drawString(72, 700, "x")
    locked.save()
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    with pytest.raises(ApartError, match="加了密"):
        read(tmp_path / "locked.pdf")
    with pytest.raises(ApartError, match="损坏"):
        read(tmp_path / "broken.pdf")


def test_pages_beyond_the_limit_are_left_out_and_told(tmp_path):
    document = read(prospectus(tmp_path / "a.pdf", chapters=2), most_pages=1)
    assert len(document.pages) == 1 and any("只读了前 1 页" in note for note in document.notes)


def test_a_page_that_hangs_or_crashes_costs_that_page_alone(tmp_path, monkeypatch):
    path = build(tmp_path / "a.pdf", [Paragraph("第一章 总则", HEAD), Paragraph("正文。", BODY)])
    with Apart() as apart:
        assert "正文" in read_pdf(path, apart).text
        for target, seconds, told in (("time:sleep", 0.5, "秒还没有读完"), ("os:abort", 20, "崩溃")):
            with pytest.raises(ApartError, match=told):
                apart.call(target, *([30] if target == "time:sleep" else []), seconds=seconds)
        with pytest.raises(ApartError, match="内存"):
            apart.call("builtins:bytearray", 2**40, seconds=20)
        assert "正文" in read_pdf(path, apart).text
