"""Web pages and text files: the main text, whatever they are encoded in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.sources.charset import decode
from cornucopia.sources.document import document_of
from cornucopia.sources.html import page_document, read_html
from cornucopia.sources.markdown import front_matter, read_text

PAGE = """<html><head><title>定期存款利率 - 某某银行</title>
<meta property="article:published_time" content="2024-03-05T10:00:00+08:00"></head><body>
<div class="nav"><a href="/">首页</a><a href="/a">个人业务</a><a href="/b">公司业务</a></div>
<div class="main"><h1>定期存款利率说明</h1>
<p>本行自二〇二四年三月一日起执行下列利率，请以网点公告为准，提前支取按活期计息。</p>
<h2>利率表</h2><table><tr><th rowspan="2">期限</th><th colspan="2">年利率</th></tr><tr><th>普通</th><th>大额</th></tr>
<tr><td rowspan="2">一年</td><td>1.45%</td><td>1.60%</td></tr><tr><td>1.40%</td><td>1.55%</td></tr></table>
<h2>常见问题</h2><dl><dt>问：可以提前支取吗？</dt><dd>答：可以，按支取日活期利率计息。</dd></dl>
<details><summary>多久到账？</summary><p>实时到账。</p></details><ul><li>第一项</li><li>第二项<br>换行</li></ul></div>
<div id="footer">版权所有 <a href="/c">联系我们</a></div><script>var x = "不是正文";</script></body></html>"""


def test_main_text_with_short_headings_tables_lists_and_questions():
    document = page_document(PAGE, "https://bank.example/a")
    text = document.pages[0].text
    for part in (
        "# 定期存款利率说明", "## 利率表", "| 期限 | 年利率 普通 | 年利率 大额 |", "| 一年 | 1.40% | 1.55% |",
        "问：可以提前支取吗？\n\n答：可以，按支取日活期利率计息。", "多久到账？\n\n实时到账。", "- 第一项\n- 第二项",
    ):  # fmt: skip
        assert part in text
    assert not any(word in text for word in ("首页", "版权所有", "不是正文"))
    assert (document.as_of, document.id, document.pages[0].number) == ("2024-03-05", "https://bank.example/a", 0)


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "big5", "utf-8"])
@pytest.mark.parametrize("declared", ["right", "none", "wrong"])
def test_pages_in_chinese_encodings_whatever_they_declare(tmp_path, encoding, declared):
    body = (
        "<p>" + ("銀行存款利率說明，請以公告為準。" if encoding == "big5" else "银行存款利率说明，请以公告为准。") * 8
    )
    name = {"right": encoding, "none": "", "wrong": "utf-8"}[declared]
    head = f'<meta charset="{name}">' if name else ""
    (tmp_path / "a.html").write_bytes(f"<html><head>{head}</head><body>{body}</body></html>".encode(encoding))
    assert body[3:20] in document_of(read_html(str(tmp_path / "a.html"))).text


def test_a_layout_table_is_no_data_table():
    inner = "<table><tr><td>菜单</td></tr></table>"
    html = f"<table><tr><td>{inner}</td><td><p>正文一段。</p><p>正文二段。</p></td></tr></table>"
    assert "|" not in page_document(html).text


@given(st.binary(max_size=200), st.sampled_from(["", "gbk", "base64", "idna", "nonsense", "utf-16"]))
def test_any_bytes_become_text(data, declared):
    text, name = decode(data, declared, page=True)
    assert isinstance(text, str) and name


@given(st.text("<>/=\"'!-&;ptabledivhr 文\n\x00", max_size=80))
def test_no_page_crashes(html):
    try:
        page_document(html)
    except DataError as error:
        assert error.what


def test_front_matter_tells_title_date_and_source(tmp_path):
    text = "---\ntitle: 退保\ndate: 2024-3-1\nsource: [保险法, 条款]\nx: {a: 1}\n---\n# 退保说明\n\n正文。\n"
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    document = document_of(read_text(str(tmp_path / "a.md"), "md"))
    assert (document.title, document.as_of, document.source) == ("退保", "2024-03-01", "保险法；条款")
    assert document.text == "# 退保说明\n\n正文。"
    assert front_matter("---\n: [bad\n---\n文") == ({}, "---\n: [bad\n---\n文")
