"""Pages in the encodings of Chinese sites, rightly and wrongly declared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.sources.web.tree import decode_page, parse_html

TEXT = "犹豫期内退保，保险公司退还全部保费，只扣不超过十元的工本费。基金赎回款一般三个工作日到账。"
TRADITIONAL = "猶豫期內退保，保險公司退還全部保費。基金贖回款一般三個工作日到帳，請留意手續費。"


def html(text, declared=""):
    meta = f'<meta http-equiv="Content-Type" content="text/html; charset={declared}">' if declared else ""
    return f"<html><head>{meta}<title>{text[:8]}</title></head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (html(TEXT, "gb2312").encode("gbk"), ""),
        (html(TEXT).encode("gb18030"), "text/html; charset=GBK"),
        (html(TEXT).encode("gb18030"), "text/html"),
        (html(TEXT, "utf-8").encode("gb18030"), "text/html; charset=utf-8"),  # both wrong
        (html(TEXT, "gbk").encode("utf-8"), "text/html"),  # meta wrong
        (html(TEXT, "gbk").encode("gbk"), "text/html; charset=ISO-8859-1"),  # header wrong
        (html(TEXT).encode("utf-8-sig"), "text/html; charset=gbk"),
        (html(TEXT).encode("utf-16"), "text/html"),
        (html(TEXT).encode("utf-8"), "text/html; charset=no-such"),
        (html(TEXT).encode("utf-8"), "text/html; charset=rot13"),
        (b'<?xml version="1.0" encoding="gbk"?>' + html(TEXT).encode("gbk"), ""),
    ],
)
def test_simplified(body, header):
    text, _ = decode_page(body, header)
    assert TEXT in text and parse_html(text).findtext(".//p") == TEXT


def test_traditional_in_big5():
    assert TRADITIONAL in decode_page(html(TRADITIONAL, "big5").encode("big5hkscs"))[0]
    assert TRADITIONAL in decode_page(html(TRADITIONAL * 3).encode("big5"), "text/html")[0]


def test_one_bad_byte_does_not_change_the_encoding():
    body = html(TEXT * 20, "gbk").encode("gbk").replace("保费".encode("gbk"), b"\xff\xff", 1)
    text, name = decode_page(body)
    assert name == "gb18030" and text.count("工本费") == 20


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_bytes_become_a_tree_or_none(body, header):
    text, _ = decode_page(body, header)
    parse_html(text)
