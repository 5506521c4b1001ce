"""Pages of a site as records with their evidence; a second reading asks the site nothing."""

import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.factory.intake.crawl import CrawlConfig, CrawlIntake
from cornucopia.records.evidence import evidence_of
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.sources.web.pages import asked
from cornucopia.sources.web.store import Store
from web_site import page, web_site

FAQ = """<!doctype html><html><head><title>常见问题 - 某某保险</title><meta property="og:site_name" content="某某保险">
<meta property="article:modified_time" content="2026-03-04T10:00:00+08:00">
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head>
<body><nav>首页 产品</nav><h1>常见问题</h1>
<h3>犹豫期有多久？</h3><p>长期险一般不少于15天。</p><ul><li>纸质保单从签收算起</li><li>电子保单从次日算起</li></ul>
<h3>退保要带什么？</h3><p>带保单和身份证。</p></body></html>"""


@pytest.fixture
def site():
    with web_site() as running:
        running.pages |= {"/": page("/faq", "/copy", "/no"), "/faq": FAQ}
        running.pages["/copy"] = FAQ
        running.pages["/no"] = FAQ.replace("<head>", '<head><meta name="robots" content="noai">').replace("15", "10")
        yield running


def intake(site, **settings):
    given = {
        "start": [f"{site.url}/"],
        "allow_private": True,
        "rate": 1000,
        "sitemap": False,
        "name": "官网",
        **settings,
    }
    return CrawlIntake(CrawlConfig.build(given))


def test_pairs_carry_address_span_date_and_licence(site, tmp_path):
    items = list(intake(site).records(tmp_path, 1))
    records = [item for item in items if not isinstance(item, Reject)]
    assert [record.question for record in records] == ["犹豫期有多久？", "退保要带什么？"]
    first = records[0]
    assert first.golden == "长期险一般不少于15天。\n\n- 纸质保单从签收算起\n- 电子保单从次日算起"
    assert first.licence == "CC BY 4.0" and first.as_of == "2026-03-04"
    assert "某某保险" in first.source and first.source.endswith(("/faq", "/copy"))
    (evidence,) = evidence_of(first)
    with Store(tmp_path / "pages", write=False) as store:
        text = asked(store, store.page(evidence.document)).document.text
    assert text[evidence.start : evidence.end] == evidence.quote == first.golden and first.span == evidence.span
    assert first.id.startswith("官网:http") and first.extra["position"] == 1


def test_a_page_that_forbids_learning_is_a_reject_unless_told_otherwise(site, tmp_path):
    rejects = [item for item in intake(site).records(tmp_path, 1) if isinstance(item, Reject)]
    assert len(rejects) == 1 and "noai" in rejects[0].reason and rejects[0].path.endswith("/no")
    assert len(list(intake(site, obey_reserved=False).records(tmp_path, 1))) == 4


def test_read_again_it_asks_nothing_and_gives_the_same(site, tmp_path):
    first = list(intake(site).records(tmp_path, 1))
    asked_for = len(site.hits)
    assert list(intake(site).records(tmp_path, 1)) == first and len(site.hits) == asked_for
    ready = intake(site, start=[], folder=str(tmp_path / "pages"))
    assert list(ready.records(tmp_path / "other", 1)) == first and len(site.hits) == asked_for
    assert ready.inputs()[0].name == "crawl.sqlite"


def test_patterns_and_limit_choose_among_stored_pages(site, tmp_path):
    list(intake(site).records(tmp_path, 1))
    ready = {"start": [], "folder": str(tmp_path / "pages")}
    assert not list(intake(site, **ready, include=["/nowhere"]).records(tmp_path, 1))
    assert len(list(intake(site, **ready, limit=1).records(tmp_path, 1))) == 1


def test_texts_and_passages_say_where_they_stand(site, tmp_path):
    texts = [item for item in intake(site, as_records="text", size=0).records(tmp_path, 1) if isinstance(item, Record)]
    whole = next(record for record in texts if "犹豫期" in record.text)
    assert "首页 产品" not in whole.text and "- 纸质保单从签收算起" in whole.text and whole.as_of == "2026-03-04"
    parts = [
        item for item in intake(site, as_records="passages", size=30).records(tmp_path, 1) if isinstance(item, Record)
    ]
    parts = [record for record in parts if record.origin == whole.origin]
    assert len(parts) > 1 and all(record.kind == "passage" and record.licence == "CC BY 4.0" for record in parts)
    quotes = [evidence for record in parts for evidence in evidence_of(record)]
    assert all(whole.text[quote.start : quote.end] == quote.quote for quote in quotes)


def test_documents_are_read_by_their_readers(site, tmp_path):
    from docx import Document

    site.pages["/"] = page("/办法.docx", "/broken.docx")
    word = Document()
    word.add_heading("理财产品管理办法", 1)
    word.add_paragraph("犹豫期内可以撤销。")
    word.save(tmp_path / "a.docx")
    kind = {"Content-Type": "application/octet-stream"}
    site.pages["/%E5%8A%9E%E6%B3%95.docx"] = (200, kind, (tmp_path / "a.docx").read_bytes())
    site.pages["/broken.docx"] = (200, kind, (tmp_path / "a.docx").read_bytes()[:200])
    items = list(intake(site, as_records="text", include=["docx$"], obey_robots=False).records(tmp_path, 1))
    assert any(isinstance(item, Reject) and item.path.endswith("/broken.docx") for item in items)
    (record,) = (item for item in items if not isinstance(item, Reject))
    assert "犹豫期内可以撤销。" in record.text and record.source.endswith("/%E5%8A%9E%E6%B3%95.docx")


def test_what_is_missing_is_told_when_the_recipe_is_read(site, tmp_path):
    with pytest.raises(ConfigError, match="没有抓到的网页"):
        intake(site, folder=str(tmp_path))
    with pytest.raises(ConfigError, match="起点网址读不懂"):
        intake(site, start=[])
