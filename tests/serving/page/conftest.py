"""One browser for the tests of the page."""

from __future__ import annotations

import pytest

from browser import find_browser, open_browser


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium; tests that use it are skipped where there is none."""
    if find_browser() is None:
        pytest.skip("no Chromium")
    with open_browser() as browser:
        yield browser
