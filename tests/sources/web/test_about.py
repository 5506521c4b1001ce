"""A page's title, publisher and date: as it names them, never guessed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.sources.web.about import about_page, day_of
from cornucopia.sources.web.hosts import retry_after
from cornucopia.sources.web.tree import parse_html

LD = "<script type='application/ld+json'>"


def about(html):
    return about_page(parse_html(html))


@pytest.mark.parametrize(
    ("html", "date"),
    [
        ("<meta property='article:published_time' content='2025-02-03T10:00:00+08:00'>", "2025-02-03"),
        ("<meta name='PubDate' content='2025/2/3 10:00'>", "2025-02-03"),
        ("<meta name='date' content='2024-01-01'><meta property='og:updated_time' content='2025-02-03'>", "2025-02-03"),
        (f"{LD}{{'datePublished':'2024-01-01','dateModified':'2025-02-03'}}</script>".replace("'", '"'), "2025-02-03"),
        ("<p>发布时间：2025年2月3日 来源：某某银行</p>", "2025-02-03"),
        ("<div>更新于 2025-02-03 10:20</div>", "2025-02-03"),
        ("<span>日期：2025.2.3</span>", "2025-02-03"),
        ("<div class='h-time'> 2025-02-03 18:05:50</div>", "2025-02-03"),
        ("<p>来源：某某日报 2025年2月3日 10:20</p>", "2025-02-03"),
        ("<p>2025年2月3日 来源：某某日报</p>", "2025-02-03"),
        ("<p>2025年2月3日起，犹豫期延长。</p><ul><li>2025-02-03</li></ul>", ""),
        ("<time itemprop='datePublished' datetime='20250203'>二月</time>", "2025-02-03"),
        ("<p>自2021年1月1日起施行的办法，2022年3月4日的通知</p><p>© 2019</p>", ""),
        ("<p>发布时间：2025年13月40日</p>", ""),
        ("<meta name='date' content='昨天'>", ""),
    ],
)
def test_dates(html, date):
    assert about(f"<html><body><h1>标题</h1>{html}<p>正文2020-01-01</p></body></html>").date == date


def test_titles_and_publishers():
    assert about("<title>犹豫期 - 某某保险</title>").title == "犹豫期"
    assert about("<title>x</title><h1>犹豫期有多久</h1>").title == "犹豫期有多久"
    assert about("<title>x</title><h1>一</h1><h1>二</h1><meta property='og:title' content='犹豫期'>").title == "犹豫期"
    assert about("<meta property='og:site_name' content='某某保险'>").publisher == "某某保险"
    html = '<script type="application/ld+json">{"publisher":{"name":"某某&amp;保险"}}</script>'
    assert about(html).publisher == "某某&保险" and about("").title == ""


@given(st.text(max_size=40))
def test_any_text_holds_a_day_that_exists_or_none(text):
    found = day_of(text)
    assert not found or len(found) == 10


@pytest.mark.parametrize(
    ("text", "seconds"), [("120", 120), ("0", 0), ("-5", 0), ("１２", 0), ("soon", 0), ("", 0), ("9" * 40, 0)]
)
def test_waits_in_seconds(text, seconds):
    assert retry_after({"retry-after": text}) == seconds


def test_waits_until_a_day():
    from email.utils import formatdate

    assert 50 < retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60
    assert retry_after({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}) == 0
