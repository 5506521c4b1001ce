"""PDF files of the shapes that funds, insurers and banks publish, made with reportlab."""

from __future__ import annotations

import io
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    FrameBreak,
    PageTemplate,
    Paragraph,
    Table,
    TableStyle,
)

FONT = "STSong-Light"
pdfmetrics.registerFont(UnicodeCIDFont(FONT))
BODY = ParagraphStyle("body", fontName=FONT, fontSize=10.5, leading=16, firstLineIndent=21, wordWrap="CJK")
HEAD = ParagraphStyle("head", parent=BODY, fontSize=15, leading=24, firstLineIndent=0, spaceBefore=8, spaceAfter=6)
TITLE = ParagraphStyle("title", parent=HEAD, fontSize=20, leading=30)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=9, leading=12, firstLineIndent=0)
GRID = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")])
CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
RUNNING_HEAD = "稳健增长混合型证券投资基金招募说明书（更新）"


def table(rows, widths=None, style=(), repeat=1):
    """A ruled table with Chinese cells."""
    cells = [[Paragraph(str(cell), CELL) for cell in row] for row in rows]
    made = Table(cells, colWidths=widths, repeatRows=repeat)
    made.setStyle(TableStyle([*GRID.getCommands(), *style]))
    return made


def build(path, story, columns=1, running_head=RUNNING_HEAD, title="稳健增长混合型证券投资基金招募说明书"):
    """A document with a running head and page numbers."""
    width, height = A4
    box = (60, 70, width - 120, height - 150)
    half = (width - 120 - 24) / 2

    def edges(canvas, doc):
        canvas.setFont(FONT, 9)
        canvas.drawString(60, height - 45, running_head)
        canvas.line(60, height - 50, width - 60, height - 50)
        canvas.drawCentredString(width / 2, 35, f"第 {doc.page} 页")

    one = PageTemplate("one", [Frame(*box, id="whole", leftPadding=0, rightPadding=0)], onPage=edges)
    two = PageTemplate(
        "two",
        [
            Frame(60, height - 130, width - 120, 50, id="top", leftPadding=0, rightPadding=0),
            Frame(60, 70, half, height - 210, id="left", leftPadding=0, rightPadding=0),
            Frame(60 + half + 24, 70, half, height - 210, id="right", leftPadding=0, rightPadding=0),
        ],
        onPage=edges,
    )
    doc = BaseDocTemplate(str(path), pagesize=A4, title=title, pageTemplates=[one, two] if columns == 1 else [two, one])
    doc.build(story)
    return path


def sentence(number, subject="基金"):
    """One sentence that no other has."""
    return (
        f"{subject}管理人应当在第{number}个工作日披露净值，管理费年费率为{number % 7 + 0.25:.2f}%，"
        f"并在编号为 JJ{number:05d} 的公告中说明依据。"
    )


def two_column_story(title="年度报告摘要", count=24):
    """A full-width title above two columns of running text; the sentences are numbered in reading order."""
    paragraphs = [Paragraph(sentence(n) + sentence(n + 1000), BODY) for n in range(count)]
    return [Paragraph(title, TITLE), FrameBreak(), *paragraphs]


def prospectus(path, chapters=10, paragraphs_a_chapter=8):
    """Chapters of running text, each with a table; the tables' rows are numbered."""
    story, number = [], 0
    for chapter in range(1, chapters + 1):
        story.append(Paragraph(f"第{chapter}章 投资范围与费用（{chapter}）", HEAD))
        for _ in range(paragraphs_a_chapter):
            story.append(Paragraph("".join(sentence(number * 10 + k) for k in range(4)), BODY))
            number += 1
        rows = [["费用类别", "费率", "说明"]]
        rows += [[f"费用{chapter}-{k}", f"{k / 10 + chapter:.2f}%", f"按前一日资产净值计提 {k}"] for k in range(6)]
        story.append(table(rows, [120, 80, 200]))
    return build(path, story)


def long_table(path, rows=70):
    """A table over several pages, its header repeated on each."""
    head = ["代码", "名称", "比例（%）"]
    body = [[f"{600000 + n}", f"证券{n}", f"{n / 100 + 0.05:.2f}"] for n in range(rows)]
    return build(path, [Paragraph("前十名股票投资明细", HEAD), table([head, *body], [100, 200, 100])])


def text_picture(lines, size=(1240, 1754), points=36):
    """A white page with the lines drawn on it, as a scanner gives it; None where there is no Chinese font."""
    from PIL import Image, ImageDraw, ImageFont

    if not CJK_FONT.exists():
        return None
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(CJK_FONT), points)
    for number, line in enumerate(lines):
        draw.text((120, 150 + number * points * 2), line, fill="black", font=font)
    return picture


def scanned(path, picture, before=("文字层的第一页。",)):
    """A page of text, then a page that is a picture."""
    canvas = Canvas(str(path), pagesize=A4)
    canvas.setFont(FONT, 12)
    for number, line in enumerate(before):
        canvas.drawString(72, 760 - 20 * number, line)
    canvas.showPage()
    held = io.BytesIO()
    picture.save(held, "PNG")
    held.seek(0)
    canvas.drawImage(ImageReader(held), 0, 0, *A4)
    canvas.save()
    return path
