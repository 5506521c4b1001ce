"""A headless Chromium for tests, through chromedriver's W3C HTTP interface and plain httpx."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
    "--force-prefers-reduced-motion",
)  # fmt: skip


def find_browser() -> tuple[str, str] | None:
    """(browser, driver) on this machine, or None; CHROMIUM and CHROMEDRIVER choose others."""
    browser = os.environ.get("CHROMIUM") or next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """One page."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client, self._path = client, f"/session/{session}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        response = self._client.request(method, self._path + path, json=body if method == "POST" else None)
        value = response.json()["value"]
        assert response.is_success, value
        return value

    def open(self, url: str) -> None:
        """Load a page afresh (a change of the hash alone would not reload it)."""
        self.call("POST", "/url", {"url": "about:blank"})
        self.call("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, css: str) -> str:
        return next(iter(self.call("POST", "/element", {"using": "css selector", "value": css}).values()))

    def click(self, css: str) -> None:
        self.call("POST", f"/element/{self.find(css)}/click", {})

    def type(self, css: str, text: str) -> None:
        self.call("POST", f"/element/{self.find(css)}/value", {"text": text})

    def choose(self, css: str, value: str) -> None:
        """Choose an option of a select as a user would."""
        self.run("const s = document.querySelector(arguments[0]); s.value = arguments[1];"
                 "s.dispatchEvent(new Event('change', {bubbles: true}))", css, value)  # fmt: skip

    def resize(self, width: int, height: int) -> None:
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def screenshot(self, path: str | Path) -> None:
        Path(path).write_bytes(b64decode(self.call("GET", "/screenshot")))

    def console(self) -> list[dict[str, Any]]:
        """What the page wrote to the console, errors and blocked requests included, since the last call."""
        return self.call("POST", "/se/log", {"type": "browser"})


@contextlib.contextmanager
def open_browser(width: int = 1440, height: int = 1000) -> Iterator[Browser]:
    """Start a browser with a fresh profile."""
    found = find_browser()
    assert found, "no Chromium"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = subprocess.Popen([found[1], f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        try:
            arguments = [*_ARGUMENTS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
            options = {"binary": found[0], "args": arguments}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = _start(client, {"capabilities": {"alwaysMatch": wanted}})
            try:
                yield Browser(client, session)
            finally:  # else a failed test leaves its Chromium behind
                with contextlib.suppress(httpx.HTTPError):
                    client.delete(f"/session/{session}")
        finally:
            client.close()
            driver.terminate()
            driver.wait(10)


def _start(client: httpx.Client, body: dict[str, Any]) -> str:
    for _ in range(100):
        with contextlib.suppress(httpx.TransportError):
            response = client.post("/session", json=body)
            assert response.is_success, response.text
            return response.json()["value"]["sessionId"]
        time.sleep(0.1)
    raise AssertionError("chromedriver does not answer")
