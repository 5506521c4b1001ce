"""Questions and answers in the shapes that pages really have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.sources.web.blocks import text_of
from cornucopia.sources.web.faq.pairs import question_pairs
from cornucopia.sources.web.tree import parse_html

ONE, TWO = ("犹豫期有多久？", "一般15天。"), ("怎么退保？", "打客服电话。")
TABLE = "| 险种 | 天数 |\n| --- | --- |\n| 长期 | 15 |"
TABLE_HTML = "<table><tr><th>险种</th><th>天数</th></tr><tr><td>长期</td><td>15</td></tr></table>"


def found(html):
    return [(pair.question, pair.answer) for pair in question_pairs(parse_html(html))]


def two(template):
    """Both pairs in a template with {q} and {a}, one after another."""
    return "".join(template.replace("{q}", q).replace("{a}", a) for q, a in (ONE, TWO))


SHAPES = {
    "marks in paragraphs": two("<p>问：{q}</p><p>答：{a}</p>"),
    "marks on one line": two("<p>问：{q}答：{a}</p>"),
    "marks after <br>": f"<div>{two('问：{q}<br>答：{a}<br><br>')}</div>",
    "brackets": two("<p>【问】{q}</p><p>【答】{a}</p>"),
    "Q and A": two("<p>Q：{q}</p><p>A：{a}</p>"),
    "numbered Q1 A1": "<p>Q1：犹豫期有多久？</p><p>A1：一般15天。</p><p>Q2. 怎么退保？</p><p>A2. 打客服电话。</p>",
    "numbered, in divs": f"<div>{two('<div><div>Q1 {q}</div><div>A1 {a}</div></div>')}</div>",
    "bold Q, plain A": two("<p><strong>Q: {q}</strong><br>A: {a}</p>"),
    "icons": two("<div><i>Q</i><p>{q}</p></div><div><i>A</i><p>{a}</p></div>"),
    "icons in the line": two("<p><span>问</span>{q}</p><p><span>答</span>{a}</p>"),
    "icons in a list": f"<ul>{two('<li><i>Q</i><p>{q}</p><i>A</i><p>{a}</p></li>')}</ul>",
    "numbers": "<div><p>1、犹豫期有多久？</p><p>一般15天。</p><p>2、怎么退保？</p><p>打客服电话。</p></div>"
    "<p>版权所有</p>",
    "Chinese numbers": "<p>一、犹豫期有多久？</p><p>一般15天。</p><p>（二）怎么退保？</p><p>打客服电话。</p>",
    "bold lines": two("<p><b>{q}</b></p><p>{a}</p>"),
    "bold items": f"<ol>{two('<li><strong>{q}</strong><br>{a}</li>')}</ol>",
    "headings": f"<h2>常见问题</h2>{two('<h3>{q}</h3><p>{a}</p>')}<h2>关于我们</h2><p>公司简介</p>",
    "headings in boxes": f"<div>{two('<div><div><h4>{q}</h4></div><div><p>{a}</p></div></div>')}</div><div>公司</div>",
    "headings in a list": f"<ul>{two('<li><h4>{q}</h4><div>{a}</div></li>')}</ul><p>版权所有</p>",
    "dl": f"<dl>{two('<dt>{q}</dt><dd>{a}</dd>')}</dl>",
    "dl with boxes": f"<dl>{two('<div><dt>{q}</dt><dd>{a}</dd></div>')}</dl>",
    "details": two("<details><summary>{q}</summary><p>{a}</p></details>"),
    "details without a box": two("<details open><summary><h3>{q}</h3></summary>{a}</details>"),
    "layout table": f"<table>{two('<tr><td>问：{q}</td></tr><tr><td>答：{a}</td></tr>')}</table>",
    "table with a head": "<table><tr><th>序号</th><th>问题</th><th>答案</th></tr>"
    + two("<tr><td>1</td><td>{q}</td><td>{a}</td></tr>")
    + "</table>",
    "table without": f"<table>{two('<tr><td>{q}</td><td>{a}</td></tr>')}</table>",
    "aria accordion": "<div><div><button aria-controls='a'>犹豫期有多久？<span>+</span></button>"
    "<div id='a' hidden>一般15天。</div></div><div><button aria-controls='b'>怎么退保？</button>"
    "<div id='b' style='display:none'>打客服电话。</div></div></div>",
    "Bootstrap": "<div class='accordion'><div class='accordion-item'><h2 class='accordion-header'>"
    "<button class='accordion-button' data-bs-target='#a'>犹豫期有多久？</button></h2>"
    "<div id='a' class='accordion-collapse collapse'><div class='accordion-body'>一般15天。</div></div></div>"
    "<div class='accordion-item'><h2 class='accordion-header'><button data-bs-target='#b'>怎么退保？</button></h2>"
    "<div id='b' class='collapse'>打客服电话。</div></div></div>",
    "layui": two(
        "<div class='layui-colla-item'><h2 class='layui-colla-title'>{q}</h2>"
        "<div class='layui-colla-content'>{a}</div></div>"
    ),
    "boxes of one kind": two("<div class=x><a class=y href='javascript:;'><b>{q}</b></a><div class=z>{a}</div></div>"),
    "parts by turns": f"<div>{two('<div class=t1>{q}</div><div class=t2>{a}</div>')}</div><p>版权</p>",
    "bold headings between": "<p><b>Q1: 犹豫期有多久？</b></p><p>A1: 一般15天。</p><p><b>技术问题</b></p>"
    "<p><b>Q2: 怎么退保？</b></p><p>A2: 打客服电话。</p>",
    "links to anchors": "<ul><li><a href='#a'>犹豫期有多久？</a></li><li><a href='#b'>怎么退保？</a></li></ul>"
    "<div id='a'><h4>犹豫期有多久？</h4><p>一般15天。</p></div>"
    "<div id='b'><h4>怎么退保？</h4><p>打客服电话。</p></div>",
    "links to headings": "<ul><li><a href='#a'>犹豫期有多久？</a></li><li><a href='#b'>怎么退保？</a></li></ul>"
    "<h4 id='a'>犹豫期有多久？</h4><p>一般15天。</p><h4 id='b'>怎么退保？</h4><p>打客服电话。</p>",
    "classes": two("<div class='faq-item'><div class='question'>{q}</div><div class='answer'>{a}</div></div>"),
    "classes with icons": two("<li><p class='q'><em>Q</em>{q}</p><div class='a'><em>A</em><p>{a}</p></div></li>"),
    "Yoast": two(
        "<div class='schema-faq-section'><strong class='schema-faq-question'>{q}</strong> "
        "<p class='schema-faq-answer'>{a}</p></div>"
    ),
    "microdata": two(
        "<div itemscope itemtype='https://schema.org/Question'><h3 itemprop='name'>{q}</h3>"
        "<div itemscope itemprop='acceptedAnswer' itemtype='https://schema.org/Answer'>"
        "<div itemprop='text'><p>{a}</p></div></div></div>"
    ),
    "microdata in meta": two(
        "<div itemscope itemtype='http://schema.org/Question'><meta itemprop='name' content='{q}'>"
        "<div itemscope itemprop='suggestedAnswer' itemtype='http://schema.org/Answer'>"
        "<span itemprop='text'>{a}</span></div></div>"
    ),
    "RDFa": two(
        "<div vocab='https://schema.org/' typeof='Question'><h3 property='name'>{q}</h3>"
        "<div property='acceptedAnswer' typeof='Answer'><div property='text'>{a}</div></div></div>"
    ),
    "RDFa with prefix": two(
        "<div typeof='schema:Question'><h3 property='schema:name'>{q}</h3>"
        "<div property='schema:acceptedAnswer' typeof='schema:Answer'><div property='schema:text'>{a}</div></div></div>"
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape):
    assert found(f"<html><body><nav>首页</nav>{SHAPES[shape]}<footer>版权</footer></body></html>") == [ONE, TWO]


@pytest.mark.parametrize(
    "template",
    [
        "<h3>{q}</h3>{a}",
        "<details><summary>{q}</summary>{a}</details>",
        "<dl><dt>{q}</dt><dd>{a}</dd></dl>",
        "<p>问：{q}</p><div>答：{a}</div>",
        "<div class='question'>{q}</div><div class='answer'>{a}</div>",
        "<div><button aria-controls='{n}'>{q}</button><div id='{n}'>{a}</div></div>",
        "<div itemscope itemtype='https://schema.org/Question'><b itemprop='name'>{q}</b>"
        "<div itemscope itemprop='acceptedAnswer' itemtype='https://schema.org/Answer'>"
        "<div itemprop='text'>{a}</div></div></div>",
    ],
)
def test_lists_and_tables_in_answers_stay(template):
    answer = "<p>分两种。</p><ul><li>纸质</li><li>电子<ol><li>短信</li><li>邮件</li></ol></li></ul>"
    answer += f"{TABLE_HTML}<p>以合同为准。</p>"
    html = "".join(
        template.replace("{q}", q).replace("{a}", answer).replace("{n}", str(n)) for n, (q, _) in enumerate((ONE, TWO))
    )
    text = f"分两种。\n\n- 纸质\n- 电子\n  1. 短信\n  2. 邮件\n\n{TABLE}\n\n以合同为准。"
    assert found(html) == [(ONE[0], text), (TWO[0], text)]


@pytest.mark.parametrize(
    "html",
    [
        "<h1>怎么买基金？</h1><p>先开户。</p><p>再买。</p>",
        "<dl><dt>保额</dt><dd>最多赔多少钱</dd><dt>保费</dt><dd>每年交的钱</dd></dl>",
        "<button aria-controls='a'>产品</button><div id='a'>甲</div>"
        "<button aria-controls='b'>公司</button><div id='b'>乙</div>",
        "<p>Q1：下列哪项正确？</p><p>A. 甲</p><p>B. 乙</p><p>Q2：哪项错误？</p><p>A. 丙</p><p>B. 丁</p>",
        "<table><tr><th>险种</th><th>天数</th></tr><tr><td>长期险</td><td>15</td></tr></table>",
        "<h1>常见问题</h1><h3>还有其他问题？</h3><p>联系我们</p>",
        "<p>2024年第1季度：利润增长。</p><p>2024年第2季度：利润下降。</p>",
        "<div><p class=x>新闻一</p><p class=y>利润增了。</p><p class=x>新闻二</p><p class=y>利润降了。</p></div>",
        "<h3><a href='/1'>什么是定投？</a></h3><p>定投是指</p><h3><a href='/2'>怎么买国债？</a></h3><p>可以在</p>",
        "<li><a href='/1'>什么是基金定投？</a><p>定投是指</p></li><li><a href='/2'>怎么买国债？</a><p>可以在</p></li>",
        "<ol><li><a href='#a'>什么是定投？</a></li><li id='a'>怎么买国债？</li></ol>",
        "<h3>怎么投资？</h3><p>" + "长" * 4000 + "</p><h3>怎么退保？</h3><p>" + "长" * 4000 + "</p>",
        "<a href='#a'>什么是定投？</a><div id='a'><a href='#b'>定投的好处</a><a href='#c'>定投的坏处</a></div>",
        "<div class='q'><a href='/1'>什么是定投？</a></div><div class='answer'>8</div>",
        "<div class='helper'><button aria-controls='a'>最多阅读</button><div id='a'>甲</div></div>",
        "<a href='#top'>怎么回到顶部？</a><p id='top'>怎么回到顶部？</p>",
        "",
    ],
)
def test_what_is_no_question_and_answer(html):
    assert found(html) == []


@pytest.mark.parametrize(
    ("question", "clean"),
    [
        ("Q：*ST是什么意思？", "*ST是什么意思？"),
        ("1.5倍杠杆是什么？", "1.5倍杠杆是什么？"),
        ("3、 怎样赚更多", "怎样赚更多"),
        ("▶ 问题1：A股和B股有什么区别？ 展开", "A股和B股有什么区别？"),
        ("Q3财报什么时候发布？", "Q3财报什么时候发布？"),
        ("（一）什么是LPR？ +", "什么是LPR？"),
        ("问题不大怎么办？", "问题不大怎么办？"),
    ],
)
def test_questions_lose_marks_and_nothing_else(question, clean):
    html = f"<div class='question'>{question}</div><div class='answer'>答：A股才有，A类份额不收。</div>"
    assert found(html) == [(clean, "A股才有，A类份额不收。")]


def ld(text):
    return f'<script type="application/ld+json">{text}</script>'


Q = '{"@type":"Question","name":"犹豫期有多久？","acceptedAnswer":{"@type":"Answer","text":"%s"}}'


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"@context":"https://schema.org","@type":"FAQPage","mainEntity":[%s]}' % (Q % "一般15天。"), "一般15天。"),
        ('{"@graph":[{"@type":"WebPage"},{"@type":["FAQPage"],"mainEntity":%s}]}' % (Q % "一般15天。"), "一般15天。"),
        ('[{"@type":"Organization"},%s]' % (Q % "一般15天。"), "一般15天。"),
        ("<!-- " + Q % "一般15天。" + " -->", "一般15天。"),
        ("//<![CDATA[\n" + Q % "一般15天。" + "\n//]]>", "一般15天。"),
        ('{"@type":"FAQPage","mainEntity":[%s,],}' % (Q % "一般15天。"), "一般15天。"),
        (Q % "第一行\n第二行", "第一行\n第二行"),
        (Q % "<p>分两种：<\\/p><ul><li>甲<\\/li><li>乙<\\/li><\\/ul>", "分两种：\n\n- 甲\n- 乙"),
        (Q % "&lt;p&gt;利率&amp;lt;5%&lt;/p&gt;&lt;p&gt;以上&lt;/p&gt;", "利率<5%\n\n以上"),
        (
            '{"@graph":[{"@type":"Question","name":"犹豫期有多久？","acceptedAnswer":{"@id":"#a"}},'
            '{"@id":"#a","@type":"Answer","text":"一般15天。"}]}',
            "一般15天。",
        ),
        (
            '{"@type":"QAPage","mainEntity":{"@type":"Question","name":"犹豫期有多久？","suggestedAnswer":['
            '{"@type":"Answer","text":"不知道","upvoteCount":1},{"@type":"Answer","text":"一般15天。","upvoteCount":"9"}]}}',
            "一般15天。",
        ),
        (
            '{"@type":"http://schema.org/Question","schema:name":{"@value":"犹豫期有多久？"},'
            '"http://schema.org/acceptedAnswer":{"text":["一般15天。"]}}',
            "一般15天。",
        ),
    ],
)
def test_json_ld_as_sites_write_it(text, answer):
    assert found(ld(text)) == [("犹豫期有多久？", answer)]


@pytest.mark.parametrize(
    "text", ["{", "null", "[" * 5000, '{"@type":"Question"}', '{"@type":"Question","name":1}', "{'a':1}"]
)
def test_broken_json_ld_is_passed_over(text):
    assert found(ld(text) + SHAPES["headings"]) == [ONE, TWO]


def test_a_pair_declared_and_shown_is_told_once_with_its_list():
    text = Q % "分两种：甲 乙"
    html = (
        ld(text)
        + "<h3>犹豫期有多久？</h3><p>分两种：</p><ul><li>甲</li><li>乙</li></ul><h3>怎么退保？</h3><p>打客服电话。</p>"
    )
    assert found(html) == [("犹豫期有多久？", "分两种：\n\n- 甲\n- 乙"), TWO]


def test_licence_and_date_of_a_declared_answer():
    text = (
        '{"@type":"Question","name":"犹豫期有多久？","acceptedAnswer":{"@type":"Answer","text":"一般15天。",'
        '"dateCreated":"2025-02-03T08:00","license":"https://creativecommons.org/licenses/by-sa/4.0/"}}'
    )
    (pair,) = question_pairs(parse_html(ld(text)))
    assert (pair.licence, pair.date, pair.shape) == ("CC BY-SA 4.0", "2025-02-03", "json-ld")


PIECES = st.sampled_from(
    [
        *("<p>", "</p>", "<h3>", "</h3>", "<dl><dt>", "<dd>", "<details><summary>", "</summary>", "<table><tr><td>"),
        *(
            "</td></tr>",
            "<li>",
            "<ul>",
            "<ol>",
            "<br>",
            "<b>",
            "</b>",
            "<div class='question'>",
            "<div class='answer'>",
        ),
        *("</div>", "<button aria-controls=a>", "<div id=a>", "问：", "答：", "Q1", "A1.", "1、", "什么是犹豫期？"),
        *("十五天。", "怎么退", "|", "\n", "<td rowspan=9 colspan=99>", "<div itemscope itemtype='x/Question'>"),
        *("<i itemprop=name>", "<div itemprop=acceptedAnswer>", "<pre>", "<span>", "</span>", "<a href='#a'>"),
    ]
)


@given(st.lists(PIECES, max_size=40))
def test_any_markup_gives_pairs_that_stand_in_the_page(pieces):
    root = parse_html("".join(pieces))
    for pair in question_pairs(root):
        assert pair.question.strip() == pair.question != "" and pair.answer.strip()
    if root is not None:
        text_of(root)


def test_pages_nested_beyond_all_measure():
    question_pairs(parse_html("<div>" * 5000 + "问：多深？<p>答：很深" + "</div>" * 5000))
    question_pairs(parse_html("<ul><li>" * 2000 + "什么？"))
