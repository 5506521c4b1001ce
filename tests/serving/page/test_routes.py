"""The page's files and what stands round them, without a browser."""

from __future__ import annotations

import re

import pytest

from cornucopia.serving.page.routes import _FILES
from running_server import running

KEY = "secret-key-of-the-first"


@pytest.fixture(scope="module")
def locked(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    (folder / "keys.txt").write_text(f"甲={KEY}\n", encoding="utf-8")
    (folder / "keys.txt").chmod(0o600)
    with running(model=[f"m={tiny}"], keys_file=str(folder / "keys.txt"), state=str(folder / "state")) as served:
        yield served


def test_the_page_and_its_files_come_without_a_key_and_nothing_else_does(locked):
    page = locked.http.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert locked.http.get("/page/page.js").headers["content-type"].startswith("text/javascript")
    assert locked.http.post("/", json={}).status_code == 401  # ChatGLM's path is no part of the page
    for path in ("/page/api/talks", "/page/../keys.txt", "/page/routes.py", "/page/", "/page/%2e%2e/settings.py"):
        assert locked.http.get(path).status_code == 401, path


def test_nothing_but_the_pages_own_files_may_run(locked):
    policy = locked.http.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    assert locked.http.get("/page/page.css").headers["x-content-type-options"] == "nosniff"


def test_a_file_that_is_known_is_not_sent_again(locked):
    first = locked.http.get("/page/page.js")
    again = locked.http.get("/page/page.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content


@pytest.mark.parametrize("name", ["routes.py", "..%2frouters.py", "%2fetc%2fpasswd", "page.js%00", "api"])
def test_a_name_that_is_no_file_of_the_page_is_refused(locked, name):
    assert locked.http.get(f"/page/{name}", headers={"authorization": f"Bearer {KEY}"}).status_code in (404, 405)


def test_the_files_hold_no_address_elsewhere_and_no_markup_made_of_text():
    for name, response in _FILES.items():
        text = response.body.decode()
        assert not re.findall(r"https?://(?!www\.w3\.org)", text), name
        assert not re.search(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


def test_another_sites_page_changes_nothing(locked):
    elsewhere = {"authorization": f"Bearer {KEY}", "origin": "http://evil.example"}
    assert locked.http.post("/page/api/talks", json={}, headers=elsewhere).status_code == 403


def test_the_page_is_found_behind_a_proxys_prefix():
    page = _FILES["page.html"].body.decode()
    assert not re.findall(r'(?:src|href)="/', page)
