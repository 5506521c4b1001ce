"""Word, Excel and CSV files as their reader sees them."""

from __future__ import annotations

import datetime
import math

import pytest
from docx import Document as Word
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from cornucopia.sources.document import document_of
from cornucopia.sources.docx import read_docx
from cornucopia.sources.docx_numbers import chinese
from cornucopia.sources.number_format import shown
from cornucopia.sources.sheet import Book, read_csv, read_xlsx
from made_office import excel, word

DAY = datetime.datetime(2024, 3, 1)
values = st.floats() | st.integers() | st.text(max_size=5) | st.datetimes() | st.timedeltas()


def test_word_headings_numbers_footnotes_changes_and_boxes_stand_on_their_pages(tmp_path):
    document = document_of(read_docx(str(word(tmp_path / "a.docx"))))
    one, two, three = (page.text for page in document.pages)
    assert [page.number for page in document.pages] == [1, 2, 3]
    assert "# 保险责任\n\n1. 身故时给付基本保额。\n\n2. 全残时给付基本保额[^2]。" in one
    assert "犹豫期为十五日。" in one and "十日" not in one.replace("十五日", "")
    assert one.endswith("[^2]: 以保险合同约定为准。")
    assert two.startswith("# 费用\n\n| 年度 | 项目 | 费率 |") and "| 第一年 | 管理费 | 0.85% |" in two
    assert three.startswith("| 年度 | 项目 | 费率 |\n| --- | --- | --- |\n| 第二年 | 管理费 | 0.80% |")
    assert three.endswith("客服电话见合同首页") and document.title == "终身寿险合同"


def test_a_word_file_that_was_never_laid_out_has_no_page_numbers(tmp_path):
    document = document_of(read_docx(str(word(tmp_path / "a.docx", paged=False))))
    assert [page.number for page in document.pages] == [0] and any("没有存页码" in note for note in document.notes)


def test_nested_tables_and_tables_of_contents_do_no_harm(tmp_path):
    doc = Word()
    doc.styles.add_style("toc 1", 1)
    doc.add_paragraph("第一章 总则\t1", style="toc 1")
    table = doc.add_table(2, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "甲", "乙"
    inner = table.cell(1, 1).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "丙", "丁"
    doc.save(tmp_path / "a.docx")
    text = document_of(read_docx(str(tmp_path / "a.docx"))).text
    assert "总则" not in text and "| 甲 | 乙 |" in text and text.count("丙") == 1


def test_numbers_in_chinese():
    assert [chinese(n) for n in (1, 10, 11, 20, 21, 105, 110, 111)] == (
        ["一", "十", "十一", "二十", "二十一", "一百零五", "一百一十", "一百一十一"]
    )


def test_excel_shows_what_its_cells_show(tmp_path):
    document = document_of(read_xlsx(str(excel(tmp_path / "a.xlsx"))))
    assert "# 费率\n\n各档存款利率\n\n| 期限 | 代码 | 年利率 | 起始日 |" in document.text
    assert "| 一年 | 000001 | 3.85% | 2024年3月1日 |" in document.text
    assert "| 三年 | 000021 | 3.00% | 2024年3月3日 |" in document.text, "a merged cell tells every row it covers"
    assert "| 一年 | 1,234,567.89 |" in document.text
    assert any("隐藏" in note for note in document.notes) and any("1 个公式" in note for note in document.notes)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.0385, "0.00%", "3.85%"), (0.5, "0%", "50%"), (1, "000000", "000001"), (1234.5, "#,##0.00", "1,234.50"),
        (-1234.5, "#,##0.00;(#,##0.00)", "(1,234.50)"), (-1234.5, "#,##0.00_);(#,##0.00)", "(1,234.50)"),
        (-3, "0.0", "-3.0"), (0, '0.00;-0.00;"无"', "无"), (1234567, "#,##0,", "1,235"), (5, '0"元"', "5元"),
        (12.5, '"¥"#,##0.00', "¥12.50"), (12.5, "[$¥-804]#,##0.00", "¥12.50"), (12.5, "[Red]0.0", "12.5"),
        (0.1 + 0.2, "General", "0.3"), (1e-9, "General", "1e-09"), (20240301, "General", "20240301"),
        (1.005, "0.00", "1.01"), (0.285, "0.##", "0.29"), (12, "0.##", "12"), (0.5, "#.00", ".50"),
        (12000, "0.00E+00", "1.20E+04"), (3, "@", "3"), ("007", "@", "007"), (True, "General", "TRUE"),
        (DAY, "yyyy-mm-dd", "2024-03-01"),
        (DAY, "mm-dd-yy", "2024-03-01"),
        (DAY, 'yyyy"年"m"月"d"日"', "2024年3月1日"),
        (DAY, 'yyyy"年"m"月"', "2024年3月"), (DAY, "yyyy/m/d", "2024/3/1"),
        (datetime.datetime(2024, 3, 1, 9, 5), "yyyy-mm-dd hh:mm", "2024-03-01 09:05"),
        (DAY, "d-mmm-yy", "2024-03-01"), (datetime.time(9, 5), "h:mm", "9:05"),
        (datetime.timedelta(hours=30, minutes=5), "[h]:mm", "30:05:00"), (math.nan, "0.00", ""), (None, "0", ""),
    ],
)  # fmt: skip
def test_a_number_is_written_as_its_cell_shows_it(value, form, text):
    assert shown(value, form) == text


@given(values, st.text('#0?,.%;@"[]$yymdhs/E+-_*\\ 元', max_size=12))
def test_no_value_and_no_format_stops_a_sheet(value, form):
    assert isinstance(shown(value, form), str)


@given(st.decimals(0, 10**9, places=4, allow_nan=False))
def test_two_places_and_thousands_are_exact_to_half_a_cent(value):
    assert abs(float(shown(float(value), "#,##0.00").replace(",", "")) - float(value)) <= 0.00501


def test_two_tables_of_a_sheet_parted_by_an_empty_row_are_two(tmp_path):
    book = Workbook()
    for row in (["产品", "费率"], ["甲", "1%"], [], ["地区", "网点"], ["上海", 5]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    text = document_of(read_xlsx(str(tmp_path / "a.xlsx"))).text
    assert "| 甲 | 1% |\n\n| 地区 | 网点 |" in text


def test_rows_of_a_sheet_come_with_their_numbers(tmp_path):
    with Book(str(excel(tmp_path / "a.xlsx"))) as book:
        rows = dict(book.rows(book.chosen("")))
        assert book.sheets == {"费率": False, "旧版": True}
    assert rows[3][:3] == ["一年", "000001", "3.85%"] and 6 not in rows


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8-sig", ","), ("gb18030", ";"), ("utf-16", "\t")])
def test_csv_in_the_encodings_that_spreadsheets_write(tmp_path, encoding, delimiter):
    rows = [["产品", "说明"], ["甲", "第一行\n第二行"], ["乙", '带"引号"和|线']]
    lines = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding=encoding)
    text = document_of(read_csv(str(tmp_path / "a.csv"))).text
    assert "| 产品 | 说明 |" in text and "| 甲 | 第一行第二行 |" in text and '带"引号"和\\|线' in text
