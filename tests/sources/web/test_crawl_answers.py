"""Answers that are slow, broken, huge, refused or of another kind."""

import gzip
import time
import zlib
from email.utils import formatdate

import pytest

from cornucopia.sources.web import hosts as hosts_module
from web_site import drip, page


def test_slow_and_stalled_answers(site, run):
    site.pages |= {"/": page("/stalled", "/slow"), "/stalled": drip(5), "/slow": drip(0.05)}
    begun = time.monotonic()
    reasons = run(read_seconds=0.2, total_seconds=0.5, retries=0, sitemap=False)
    assert reasons == {"/": "", "/stalled": "timeout", "/slow": "timeout"}
    assert time.monotonic() - begun < 10


def broken(handler):
    """A body shorter than its Content-Length."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(page(text="前半").encode())


def chunked(handler):
    """A chunked body that breaks off."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"5\r\n<p>ab\r\nFF\r\n<p>")


def test_broken_answers_are_tried_again_and_told(site, run):
    packed = gzip.compress(page(text="压缩").encode())
    site.pages |= {
        "/": page("/cut", "/chunked", "/gzip", "/gzip-cut", "/no-gzip", "/deflate", "/junk", "/br", "/empty"),
        "/cut": broken,
        "/chunked": chunked,
        "/gzip": (200, {"Content-Encoding": "gzip"}, packed),
        "/gzip-cut": (200, {"Content-Encoding": "gzip"}, packed[:-20]),
        "/no-gzip": (200, {"Content-Encoding": "gzip"}, b"plain"),
        "/deflate": (200, {"Content-Encoding": "deflate"}, zlib.compress(page(text="压缩").encode())),
        "/junk": lambda handler: handler.wfile.write(b"\x00\xffnot http\r\n\r\n") and None,
        "/br": (200, {"Content-Encoding": "br"}, b"\x0b\x02\x80"),
        "/empty": (200, {"Content-Encoding": "gzip"}, b""),
    }
    reasons = run(sitemap=False)
    bad = {"/cut", "/chunked", "/gzip-cut", "/no-gzip", "/junk", "/br"}
    assert {address for address, reason in reasons.items() if reason == "broken"} == bad
    assert run.bodies["/gzip"] == run.bodies["/deflate"] == page(text="压缩").encode() and run.bodies["/empty"] == b""
    assert site.hits.count("/cut") == 2


def huge(handler):
    """50 MB without a Content-Length, a piece at a time; `sent` counts the pieces."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    for number in range(800):
        handler.wfile.write(b"<p>" + b"x" * 65533)
        huge.sent = number


def test_huge_pages_and_bombs_stop_at_the_limit(site, run):
    bomb = gzip.compress(b"\0" * 100_000_000)
    site.pages |= {
        "/": page("/huge", "/said", "/bomb", "/small"),
        "/huge": huge,
        "/said": (200, {"Content-Length": "50000000"}, b""),
        "/bomb": (200, {"Content-Encoding": "gzip"}, bomb),
        "/small": page(),
    }
    reasons = run(max_mb=1, sitemap=False, read_seconds=3)
    assert reasons == {"/": "", "/huge": "too_large", "/said": "too_large", "/bomb": "too_large", "/small": ""}
    assert huge.sent < 799 and set(run.pages) == {"/", "/small"}


def test_429_with_retry_after_makes_the_host_wait(site, run):
    answers = [(429, {"Retry-After": "1"}, ""), page("/a"), page()]
    site.pages |= {"/": lambda handler: answers.pop(0), "/a": lambda handler: answers.pop(0)}
    assert run(sitemap=False) == {"/": "", "/a": ""}
    first, second = site.times["/"]
    assert second - first >= 1


@pytest.mark.parametrize("asked", ["3600", formatdate(time.time() + 3600, usegmt=True)], ids=["seconds", "date"])
def test_a_long_wait_is_left_to_the_next_run(site, run, asked):
    site.pages |= {"/": page("/a", "/b"), "/a": (503, {"Retry-After": asked}, ""), "/b": page()}
    assert run(sitemap=False) == {"/": ""}
    assert "秒后再来" in next(iter(run.left.values())) and site.paths == ["/", "/a"]
    site.pages["/a"] = page()
    assert run(sitemap=False) == {"/": "", "/a": "", "/b": ""}
    assert site.paths == ["/", "/a", "/a", "/b"]


def test_a_host_without_answers_is_left_alone(site, run, monkeypatch):
    monkeypatch.setattr(hosts_module, "GIVE_UP", 2)
    site.pages |= {"/": page("/a", "/b", "/c", "/d"), "*": lambda handler: None}
    reasons = run(sitemap=False, retries=0)
    assert list(reasons.values()).count("broken") == 2 and "没有回答" in next(iter(run.left.values()))


def test_documents_are_kept_as_files_and_other_kinds_left(site, run, tmp_path):
    pdf = b"%PDF-1.4\n%%EOF"
    site.pages |= {
        "/": page("/a.pdf", "/b", "/picture", "/c.pdf", "/logo.png", "/note.txt"),
        "/a.pdf": (200, {"Content-Type": "application/octet-stream"}, pdf),
        "/b": (200, {"Content-Type": "application/pdf"}, pdf + b"2"),
        "/picture": (200, {"Content-Type": "image/png"}, b"\x89PNG"),
        "/c.pdf": (200, {"Content-Type": "application/pdf"}, page(text="文件不存在")),
        "/note.txt": (200, {"Content-Type": "text/plain"}, "说明"),
    }
    reasons = run(sitemap=False)
    assert {address: one.media for address, one in run.pages.items()} == {
        "/": "html",
        "/a.pdf": "pdf",
        "/b": "pdf",
        "/c.pdf": "html",
        "/note.txt": "txt",
    }
    assert reasons["/picture"] == "type" and reasons["/logo.png"] == "file" and "/logo.png" not in site.hits
    assert sorted(path.suffix for path in (tmp_path / "files").iterdir()) == [".pdf", ".pdf", ".txt"]
