"""The crawl against a local site that misbehaves in every way met so far."""

import gzip
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.sources.web.store import Store
from web_site import page, web_site


def test_robots_are_obeyed_and_their_delay_kept(site, run):
    site.pages |= {
        "/robots.txt": (200, {"Content-Type": "text/plain"}, "User-agent: *\nDisallow: /private\nCrawl-delay: 0.1\n"),
        "/": page("/private/a", "/a", "/b"),
        "/a": page(),
        "/b": page(),
    }
    assert run() == {"/": "", "/a": "", "/b": "", "/private/a": "robots"}
    asked = sorted(moment for moments in site.times.values() for moment in moments)
    assert all(later - earlier > 0.09 for earlier, later in pairwise(asked))
    assert "/private/a" not in site.hits


def test_rules_for_this_robot_by_name(site, run):
    rules = "User-agent: *\nDisallow: /\n\nUser-agent: CornucopiaBot\nDisallow: /no\n"
    site.pages |= {"/robots.txt": rules, "/": page("/no", "/yes"), "/yes": page()}
    assert run() == {"/": "", "/yes": "", "/no": "robots"}
    assert site.headers["/"][0]["user-agent"].startswith("CornucopiaBot/")


def test_while_robots_cannot_be_had_nothing_is_asked_and_later_it_is(site, run):
    site.pages |= {"/robots.txt": (503, {}, ""), "/": page()}
    assert run() == {} and site.paths == []
    assert "robots.txt" in next(iter(run.left.values()))
    del site.pages["/robots.txt"]
    assert run() == {"/": ""}


def test_robots_that_moved_outside_forbid(site, run):
    with web_site() as other:
        site.pages |= {"/robots.txt": (301, {"Location": f"{other.url}/robots.txt"}, ""), "/": page()}
        assert run() == {} and other.hits == []


def test_the_allow_list_is_never_left(site, run):
    with web_site() as other:
        other.pages["*"] = page(text="不该来的地方")
        port = other.host.rpartition(":")[2]
        away = [
            f"{other.url}/link",
            f"//{other.host}/relative",
            f"http://{site.host}@{other.host}/userinfo",
            f"http://{other.host}\\@{site.host}/backslash",
            f"http://2130706433:{port}/number",
            f"http://0x7f.1:{port}/hex",
            f"http://localhost:{port}/name",
            f"http://[::ffff:127.0.0.1]:{port}/mapped",
            f"{site.url}/../redirect",
        ]
        base = f'<base href="{other.url}/base/"><link rel="canonical" href="{other.url}/canonical">'
        base += f'<meta http-equiv="refresh" content="0; url={other.url}/refresh"><link rel="next" href="/next">'
        site.pages |= {
            "/": page(*away, "/moves", "/based", "/frame"),
            "/redirect": (302, {"Location": f"{other.url}/redirected"}, ""),
            "/moves": (307, {"Location": f"//{other.host}/moved"}, ""),
            "/based": page("relative", head=base),
            "/frame": f'<iframe src="{other.url}/frame"></iframe>',
            "/robots.txt": f"Sitemap: {other.url}/map.xml\nSitemap: {site.url}/map.xml\n",
            "/map.xml": f"<urlset><url><loc>{other.url}/mapped</loc></url><url><loc>{site.url}/in</loc></url></urlset>",
            "/in": page(),
        }
        reasons = run()
        assert other.hits == []
        assert reasons["/in"] == reasons["/based"] == "" and reasons["/moves"] == "redirect"
        assert sum(reason == "outside" for reason in reasons.values()) >= 10


def test_private_addresses_are_refused_whatever_the_name_server_says(site, tmp_path, run):
    with pytest.raises(ConfigError, match="起点不在允许范围里"):
        run(allow=["example.com"])
    reasons = run(allow_private=False, retries=0)
    assert reasons == {} and site.hits == [] and "内网" in next(iter(run.left.values()))


def test_a_prefix_keeps_the_crawl_below_it(site, run):
    site.pages |= {"/help/": page("/help/a", "/admin", "../admin", "/help/%2e%2e/admin"), "/help/a": page()}
    site.pages["/sitemap.xml"] = (302, {"Location": "/admin"}, "")
    reasons = run(start=[f"{site.url}/help/"], allow=[f"{site.host}/help/"])
    assert reasons == {"/help/": "", "/help/a": "", "/admin": "outside"} and "/admin" not in site.hits


def test_depth_pages_and_patterns(site, run):
    site.pages["*"] = lambda handler: (200, {}, page(*(f"{handler.path.rstrip('/')}/{x}" for x in "xy")))
    assert len([r for r in run(depth=1, sitemap=False).values() if not r]) == 3
    assert len([r for r in run(depth=2, sitemap=False, exclude=["x/y$"]).values() if not r]) == 6
    assert run(depth=9, sitemap=False, pages=7) and len(site.paths) == 7


def test_an_endless_calendar_ends(site, run):
    site.pages["*"] = lambda handler: (200, {}, page(f"/day/{int(handler.path.rpartition('/')[2] or 0) + 1}"))
    run(depth=5)
    assert site.paths == ["/", "/day/1", "/day/2", "/day/3", "/day/4", "/day/5"]


def test_redirect_loops_and_long_chains_end(site, run):
    site.pages |= {
        "/": page("/self", "/one", "/far", "/far/0"),
        "/self": (301, {"Location": "/self#again"}, ""),
        "/one": (302, {"Location": "/two"}, ""),
        "/two": (302, {"Location": "/one?utm_source=x"}, ""),
        "*": lambda handler: (302, {"Location": f"/far/{int(handler.path[5:]) + 1}"}, ""),
        "/far": (302, {"Location": "/end"}, ""),
        "/end": page(),
    }
    reasons = run(sitemap=False)
    assert reasons["/self"] == reasons["/two"] == "loop" and reasons["/end"] == ""
    assert list(reasons.values()).count("loop") == 3 and len(site.hits) < 25


def test_nofollow_in_its_three_places(site, run):
    site.pages |= {
        "/": page("/meta", "/header", "/other").replace("</body>", '<a rel="nofollow" href="/marked">x</a></body>'),
        "/meta": page("/from-meta", head='<meta name="robots" content="noindex, nofollow">'),
        "/header": (200, {"X-Robots-Tag": "CornucopiaBot: nofollow"}, page("/from-header")),
        "/other": (200, {"X-Robots-Tag": "otherbot: nofollow"}, page("/from-other")),
        "/from-other": page(),
    }
    assert run(sitemap=False) == {"/": "", "/meta": "", "/header": "", "/other": "", "/from-other": ""}
    assert run.pages["/meta"].about["reserved"] == ["noindex"]


def test_sitemaps_gzipped_indexed_and_broken(site, run):
    def urls(*paths):
        return "<urlset>" + "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in paths) + "</urlset>"

    index = "".join(
        f"<sitemap><loc>{site.url}/{name}</loc></sitemap>" for name in ("a.xml.gz", "b.xml", "bad.xml", "bomb.xml.gz")
    )
    lol = '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]>' + urls("/&b;")
    site.pages |= {
        "/": page(),
        "/sitemap.xml": f"<sitemapindex>{index}<sitemap><loc>{site.url}/lol.xml</loc></sitemap></sitemapindex>",
        "/a.xml.gz": (200, {"Content-Type": "application/gzip"}, gzip.compress(urls("/one", "/two").encode())),
        "/b.xml": urls("/three"),
        "/bad.xml": urls("/four")[:-10],
        "/lol.xml": lol,
        "/bomb.xml.gz": (200, {}, gzip.compress(b"\0" * 60_000_000)),
        **{path: page() for path in ("/one", "/two", "/three", "/four")},
    }
    reasons = run()
    assert {path for path in ("/one", "/two", "/three", "/four") if reasons.get(path) == ""} == {
        "/one",
        "/two",
        "/three",
        "/four",
    }
    assert not any("lollol" in address for address in reasons)


def test_pages_keep_what_they_are_known_by(site, run):
    head = '<link rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">'
    head += '<link rel="canonical" href="/first">'
    site.pages |= {"/": page("/copy"), "/copy": page(head=head), "/first": page(head=head)}
    run(sitemap=False)
    kept = run.pages["/copy"]
    assert kept.about["licence"] == "CC BY-SA 4.0" and kept.about["canonical"] == f"{site.url}/first"
    assert len(kept.sha256) == 64 and kept.fetched_at.endswith("Z")


def test_nothing_is_asked_twice_and_a_refresh_asks_for_changes(site, run):
    def tagged(handler):
        if handler.headers.get("If-None-Match") == '"v1"':
            return (304, {}, "")
        return (200, {"ETag": '"v1"'}, page("/b"))

    site.pages |= {"/": tagged, "/b": page(text="旧")}
    run(sitemap=False)
    run(sitemap=False)
    assert site.hits == ["/robots.txt", "/", "/b"]
    site.pages["/b"] = page(text="新")
    assert run(sitemap=False, refresh="all") == {"/": "", "/b": ""}
    assert site.hits[3:] == ["/robots.txt", "/", "/b"] and "新" in run.bodies["/b"].decode()
    assert "if-none-match" in site.headers["/"][1]
    site.pages["/b"] = None
    assert run(sitemap=False, refresh="all")["/b"] == "404" and set(run.pages) == {"/"}
    site.pages["/b"] = page()
    assert run(sitemap=False, refresh="errors") == {"/": "", "/b": ""} and site.hits.count("/") == 3


def test_a_page_that_has_moved_by_the_refresh_is_kept_once(site, run):
    site.pages |= {"/": page("/old"), "/old": page(text="正文")}
    run(sitemap=False)
    site.pages |= {"/old": (301, {"Location": "/new"}, ""), "/new": page(text="正文")}
    assert run(sitemap=False, refresh="all") == {"/": "", "/old": "redirect", "/new": ""}
    assert set(run.pages) == {"/", "/new"}


def test_a_deeper_run_goes_on_from_a_shallow_one(site, run):
    site.pages |= {"/": page("/a"), "/a": page("/b"), "/b": page()}
    assert run(depth=1, sitemap=False)["/b"] == "depth"
    assert run(depth=2, sitemap=False) == {"/": "", "/a": "", "/b": ""}
    assert site.paths == ["/", "/a", "/b"]


def test_killed_anywhere_a_crawl_goes_on_and_asks_nothing_twice(site, run, tmp_path):
    site.pages |= {"/": page(*(f"/{n}" for n in range(20)))}
    site.pages |= {f"/{n}": page(f"/{n}/x", text=f"第{n}页") for n in range(20)}
    site.pages |= {f"/{n}/x": page() for n in range(20)}
    code = "import sys; from cornucopia.sources.web.crawl import crawl; "
    code += "from cornucopia.sources.web.settings import CrawlSettings; "
    code += f"crawl(CrawlSettings(start=['{site.url}/'], allow_private=True, rate=25, sitemap=False), sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    kills = 0
    for wanted in (5, 20):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
        while len(site.paths) < wanted and process.poll() is None:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    reasons = run(sitemap=False)
    assert kills == 2 and len(reasons) == 41 and set(reasons.values()) == {""}
    assert len(site.paths) <= 41 + kills  # only what was under way at a kill is asked again
    assert all(run.bodies[path] == site.pages[path].encode() for path in run.pages)


def test_one_process_at_a_time_and_damage_is_told(site, run, tmp_path):
    site.pages |= {"/": page("/a.txt"), "/a.txt": (200, {"Content-Type": "text/plain"}, "文字")}
    with Store(tmp_path), pytest.raises(DataError, match="另一个进程"):
        run()
    run(sitemap=False)
    next((tmp_path / "files").iterdir()).write_text("改过")
    with pytest.raises(DataError, match="不见了或改动过"):
        run()
    Path(tmp_path / "crawl.sqlite").write_bytes(b"junk" * 1000)
    for left in ("crawl.sqlite-wal", "crawl.sqlite-shm"):
        (tmp_path / left).unlink(missing_ok=True)
    with pytest.raises(DataError, match="打不开"):
        run()


def test_several_hosts_go_side_by_side_within_the_limit(site, run, tmp_path):
    with web_site() as other:
        site.pages["*"] = other.pages["*"] = page()
        run(start=[f"{site.url}/a", f"{other.url}/b"], pages=1, sitemap=False)
        assert len(site.paths + other.paths) == 1
