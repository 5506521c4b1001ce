"""`cornucopia data crawl`: pages into a folder, and a table of what became of each address."""

import re
from pathlib import Path

import yaml

from cornucopia.cli.data_crawl import CrawlCommand
from cornucopia.cli.main import main
from cornucopia.factory.intake.crawl import CrawlConfig
from web_site import page, web_site

FAST = ["--allow-private", "--rate", "1000", "--retries", "0", "--no-sitemap"]


def test_the_table_tells_what_became_of_every_address(tmp_path, capsys):
    with web_site() as site:
        site.pages |= {
            "/robots.txt": "User-agent: *\nDisallow: /private\n",
            "/": page("/a", "/private", "/missing", "https://other.example/x", "/big"),
            "/a": page(),
            "/big": (200, {"Content-Length": "30000000"}, b""),
        }
        command = ["data", "crawl", f"{site.url}/", "--allow", site.host, "--out", str(tmp_path / "pages"), *FAST]
        assert main(command) == 0
        told = capsys.readouterr()
        for words in (
            "抓到",
            "html 2",
            "robots.txt 不许",
            "允许范围之外",
            "HTTP 404",
            "太大",
            "https://other.example/x",
        ):
            assert words in told.out
        assert "kind: crawl" in told.err
        asked = len(site.hits)
        assert main(command) == 0 and len(site.hits) == asked


def test_mistakes_are_told_with_what_to_do(tmp_path, capsys):
    assert main(["data", "crawl", "--out", str(tmp_path)]) == 1
    assert "起点" in capsys.readouterr().err
    assert main(["data", "crawl", "https://a.example/", "--allow", "b.example", "--out", str(tmp_path)]) == 1
    assert "--allow a.example" in capsys.readouterr().err
    assert main(["data", "crawl", "https://a.example/"]) != 0


def test_a_private_address_is_refused_with_the_flag_that_allows_it(tmp_path, capsys):
    with web_site() as site:
        assert main(["data", "crawl", f"{site.url}/", "--out", str(tmp_path), "--retries", "0"]) == 0
        assert "--allow-private" in capsys.readouterr().err and site.hits == []


def test_what_the_page_of_documentation_names_exists():
    text = (Path(__file__).parents[2] / "docs" / "crawl.md").read_text(encoding="utf-8")
    names = set(CrawlCommand.model_fields)
    flags = {flag.removeprefix("no-").replace("-", "_") for flag in re.findall(r"--([a-z][a-z-]+)", text)}
    assert flags and flags <= names
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        for source in yaml.safe_load(block)["sources"]:
            source.pop("kind")
            assert CrawlConfig.build(source)
