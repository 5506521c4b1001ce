"""A misbehaving site, and a crawl of it into one folder."""

import pytest

from cornucopia.sources.web import crawl as crawl_module
from cornucopia.sources.web.crawl import crawl
from cornucopia.sources.web.settings import CrawlSettings
from cornucopia.sources.web.store import Store
from web_site import web_site


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(crawl_module, "BACKOFF", 0.01)
    with web_site() as running:
        yield running


@pytest.fixture
def run(tmp_path, site):
    """Crawl the site into one folder; returns address -> reason of what is done or refused."""

    def once(**settings):
        given = {"start": [f"{site.url}/"], "allow_private": True, "rate": 1000, "retries": 1, **settings}
        once.left = crawl(
            CrawlSettings(**given), tmp_path, resolve=settings.pop("resolve", None) or crawl_module.look_up
        )
        with Store(tmp_path, write=False) as store:
            once.pages = {p.address.removeprefix(site.url): p for p in store.pages()}
            once.bodies = {address: store.body(p) for address, p in once.pages.items()}
            known = [*store.known("done"), *store.known("refused")]
            return {one.address.removeprefix(site.url): one.reason for one in known if one.kind == "page"}

    return once
