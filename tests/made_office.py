"""Word and Excel files with what banks put in them: numbered clauses, merged cells, footnotes, changes, formats."""

from __future__ import annotations

import datetime
import zipfile

from docx import Document
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls
from openpyxl import Workbook

FOOTNOTES = (
    '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    '<w:footnote w:type="separator" w:id="-1"><w:p/></w:footnote>'
    '<w:footnote w:id="2"><w:p><w:r><w:t>以保险合同约定为准。</w:t></w:r></w:p></w:footnote></w:footnotes>'
)


def page_break(paragraph):
    """Where Word began a new page when it last laid the document out."""
    paragraph.add_run()._r.append(OxmlElement("w:lastRenderedPageBreak"))


def word(path, paged=True):
    """A contract of two pages (three with its table's second part)."""
    doc = Document()
    doc.core_properties.title = "终身寿险合同"
    doc.add_heading("终身寿险合同", 0)
    doc.add_heading("保险责任", 1)
    doc.add_paragraph("身故时给付基本保额。", style="List Number")
    noted = doc.add_paragraph("全残时给付基本保额", style="List Number")
    noted.add_run()._r.append(parse_xml(f'<w:footnoteReference {nsdecls("w")} w:id="2"/>'))
    noted.add_run("。")
    changed = doc.add_paragraph("犹豫期为")
    changed._p.append(parse_xml(f'<w:del {nsdecls("w")} w:id="1"><w:r><w:delText>十日</w:delText></w:r></w:del>'))
    changed._p.append(parse_xml(f'<w:ins {nsdecls("w")} w:id="2"><w:r><w:t>十五日</w:t></w:r></w:ins>'))
    changed.add_run("。")
    second = doc.add_heading(level=1)
    if paged:
        page_break(second)
    second.add_run("费用")
    table = doc.add_table(4, 3)
    for cell, text in zip(table.rows[0].cells, ["年度", "项目", "费率"], strict=True):
        cell.text = text
    table.cell(1, 0).merge(table.cell(2, 0)).text = "第一年"
    rows = [("初始费用", "3.00%"), ("管理费", "0.85%"), ("管理费", "0.80%")]
    for index, (item, rate) in enumerate(rows, 1):
        table.cell(index, 1).text, table.cell(index, 2).text = item, rate
    last = table.cell(3, 0).paragraphs[0]
    if paged:
        page_break(last)
    last.add_run("第二年")
    box = parse_xml(
        f"<w:r {nsdecls('w')}><w:pict><w:txbxContent><w:p><w:r><w:t>客服电话见合同首页</w:t></w:r></w:p>"
        "</w:txbxContent></w:pict></w:r>"
    )
    doc.add_paragraph("以上费率以公告为准。")._p.append(box)
    doc.save(path)
    _add_footnotes(path)
    return path


def _add_footnotes(path):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    relation = (
        '<Relationship Id="rIdF" Target="footnotes.xml" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    name = "word/_rels/document.xml.rels"
    parts[name] = parts[name].replace(b"</Relationships>", relation.encode())
    kind = (
        '<Override PartName="/word/footnotes.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'wordprocessingml.footnotes+xml"/></Types>'
    )
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(b"</Types>", kind.encode())
    parts["word/footnotes.xml"] = FOOTNOTES.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def excel(path):
    """Rates with number formats, merged cells, a date, a code, a hidden sheet."""
    book = Workbook()
    sheet = book.active
    sheet.title = "费率"
    sheet["A1"] = "各档存款利率"
    sheet.merge_cells("A1:D1")
    sheet.append(["期限", "代码", "年利率", "起始日"])
    sheet.append(["一年", 1, 0.0385, datetime.date(2024, 3, 1)])
    sheet.append(["三年", 20, 0.0275, datetime.date(2024, 3, 2)])
    sheet.append([None, 21, 0.03, datetime.date(2024, 3, 3)])
    sheet.merge_cells("A4:A5")
    for row in (3, 4, 5):
        sheet.cell(row, 2).number_format = "000000"
        sheet.cell(row, 3).number_format = "0.00%"
        sheet.cell(row, 4).number_format = 'yyyy"年"m"月"d"日"'
    sheet["F3"] = "=1+1"
    hidden = book.create_sheet("旧版")
    hidden.append(["期限", "金额"])
    hidden.append(["一年", 1234567.891])
    hidden["B2"].number_format = "#,##0.00"
    hidden.sheet_state = "hidden"
    book.save(path)
    return path
