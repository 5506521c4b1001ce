"""Nothing outside the allow-list passes, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError
from cornucopia.sources.web.address import normalise
from cornucopia.sources.web.scope import Scope


def test_host_port_scheme_and_prefix():
    scope = Scope(["www.example.com", "example.org:8080", "https://example.net/help"])
    inside = [
        "http://www.example.com/x",
        "https://www.example.com/",
        "http://example.org:8080/",
        "https://example.net/help/a",
    ]
    inside += ["https://example.net/help", "https://example.net/help?page=2"]
    outside = [
        "http://example.com/",
        "http://a.www.example.com/",
        "http://www.example.com:8080/",
        "http://example.org/",
    ]
    outside += [
        "http://example.net/help",
        "https://example.net/helpers",
        "https://example.net/",
        "http://www.example.com.evil.org/",
    ]
    assert [scope.refusal(address) for address in inside] == [""] * len(inside)
    assert [scope.refusal(address) for address in outside] == ["outside"] * len(outside)


def test_a_star_takes_the_hosts_below_but_no_lookalikes():
    scope = Scope(["*.example.com"])
    assert not scope.refusal("http://example.com/") and not scope.refusal("http://a.b.example.com/")
    assert scope.refusal("http://badexample.com/") == scope.refusal("http://example.com.cn/") == "outside"


@pytest.mark.parametrize(
    "path",
    ["/help/../admin", "/help/%2e%2e/admin", "/help/..%2fadmin", "/help/..%5cadmin", "/help/%252e%252e%252fadmin"],
)
def test_a_prefix_is_not_left_by_dots(path):
    assert Scope(["example.com/help/"]).refusal(normalise("http://example.com" + path)) == "outside"


def test_patterns_files_and_traps():
    scope = Scope(["example.com"], include=["/faq/", r"\.pdf$"], exclude=["print="])
    assert not scope.refusal("http://example.com/faq/1") and not scope.refusal("http://example.com/x/a.pdf")
    assert scope.refusal("http://example.com/news/1") == scope.refusal("http://example.com/faq/1?print=1") == "pattern"
    assert not scope.refusal("http://example.com/news/1", start=True)
    assert scope.refusal("http://example.com/faq/logo.PNG") == "file"
    assert scope.refusal("http://example.com/faq/a/a/a/a/") == "trap"
    assert not scope.refusal("http://example.com/faq/v1.zip/about")


@pytest.mark.parametrize("entry", ["", "ftp://example.com", "user@example.com", "127.1", "http://"])
def test_an_entry_that_cannot_be_read(entry):
    with pytest.raises(ConfigError, match="允许范围"):
        Scope([entry])


def test_a_bad_pattern_is_named():
    with pytest.raises(ConfigError, match="include"):
        Scope(["example.com"], include=["("])


def test_ports_served():
    scope = Scope(["example.com", "https://a.example", "b.example:8080", "c.example:443"])
    assert (
        scope.serves("example.com", 80) and scope.serves("example.com", 443) and not scope.serves("example.com", 8080)
    )
    assert scope.serves("a.example", 443) and not scope.serves("a.example", 80)
    assert scope.serves("b.example", 8080) and not scope.serves("b.example", 80)
    assert scope.serves("c.example", 443) and not scope.serves("c.example", 80)


@given(st.text(alphabet="exampl.com/@:\\?#%2e[]0 \t", max_size=30))
def test_an_allowed_address_is_on_an_allowed_host(tail):
    scope = Scope(["example.com/help/"])
    address = normalise("http://example.com" + tail)
    if address and not scope.refusal(address):
        assert address.startswith("http://example.com/help/")
