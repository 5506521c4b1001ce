"""One spelling for every address."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.sources.web.address import normalise


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("HTTP://Example.COM:80/a/../b/./c#top", "http://example.com/b/c"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/x", "https://example.com:8443/x"),
        ("http://example.com/%7euser/%e4%bf%9d", "http://example.com/~user/%E4%BF%9D"),
        ("http://example.com/保险?问=答 案", "http://example.com/%E4%BF%9D%E9%99%A9?%E9%97%AE=%E7%AD%94%20%E6%A1%88"),
        ("http://example.com/a?utm_source=x&id=7&spm=1.2&gclid=9", "http://example.com/a?id=7"),
        ("http://example.com/a;jsessionid=A1B2?x=1", "http://example.com/a?x=1"),
        ("http://example.com/(S(abc123))/a", "http://example.com/a"),
        ("http://example.com/a?sid=0123456789abcdef01234567&sid=600000", "http://example.com/a?sid=600000"),
        ("http://example.com/a?PHPSESSID=77", "http://example.com/a"),
        ("http://example.com/100%/x", "http://example.com/100%25/x"),
        ("http://example.com/%2e%2e/%2E/x", "http://example.com/x"),
        ("http://example.com\\@evil.example/x", "http://example.com/@evil.example/x"),
        ("http:\\\\example.com\\x", "http://example.com/x"),
        (" http://exa\nmple.com/\t", "http://example.com/"),
        ("http://例子.中国/", "http://xn--fsqu00a.xn--fiqs8s/"),
        ("http://example。com./a", "http://example.com/a"),
        ("http://[2001:DB8:0::1]/a", "http://[2001:db8::1]/a"),
    ],
)
def test_spellings(link, address):
    assert normalise(link) == address


@pytest.mark.parametrize(
    "link",
    [
        "ftp://example.com/",
        "javascript:alert(1)",
        "mailto:a@example.com",
        "data:text/html,x",
        "http://user@example.com/",
        "http://user:pass@example.com/",
        "http://example.com@evil.example/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://",
        "http:///",
        "http://exa mple.com/",
        "http://a..b/",
        "http://[::1/",
        "http://example.com/" + "a" * 3000,
    ],
)
def test_what_is_never_fetched(link):
    assert normalise(link) == ""


def test_links_are_read_from_their_page():
    base = "http://example.com/help/index.html?x=1"
    assert normalise("../a.html", base) == "http://example.com/a.html"
    assert normalise("?page=2", base) == "http://example.com/help/index.html?page=2"
    assert normalise("//cdn.example.com/x", base) == "http://cdn.example.com/x"
    assert normalise("#top", base) == base


def test_a_query_is_escaped_in_the_pages_encoding():
    assert normalise("/s?q=保", "http://example.com/", "gb18030") == "http://example.com/s?q=%B1%A3"
    assert normalise("/s?q=保", "http://example.com/", "no-such-encoding") == "http://example.com/s?q=%E4%BF%9D"


URLISH = st.text(alphabet=st.sampled_from("abAB01%2eE./\\?&=#:@;,[]()~+ \t保险。－－é_-"), max_size=40)


@given(
    st.sampled_from(["http://example.com/", "https://a.example:8080/x?", "http://", "//", "", "http://例子."]), URLISH
)
def test_a_normalised_address_stays_as_it_is_and_is_plain(head, tail):
    address = normalise(head + tail, "http://example.com/help/")
    if not address:
        return
    assert normalise(address) == address
    assert address.isascii() and not set(address) & set(" \\#\t\n")
    parts = urlsplit(address)
    assert parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    assert not {".", ".."} & set(parts.path.split("/"))


@given(URLISH)
def test_what_is_fetched_goes_to_the_host_that_was_checked(tail):
    import httpx

    address = normalise("http://example.com" + tail)
    if address:
        url = httpx.URL(address)
        assert url.raw_host.decode() == (urlsplit(address).hostname or "").strip("[]")
        assert str(url) == address
