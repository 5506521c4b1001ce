"""A real `cornucopia serve` on a free port: uvicorn in a thread."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import httpx


class Running:
    """A server that runs: its address, and the lines of its log."""

    def __init__(self, url, lines):
        self.url, self.lines = url, lines
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60)

    def post(self, path, body, **options):
        return self.http.post(path, json=body, **options)

    def chat(self, text="你好", **more):
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 8, **more}
        return self.post("/v1/chat/completions", body)

    def metric(self, start):
        """The value on the line of /metrics that begins so, 0 where there is none."""
        lines = self.http.get("/metrics").text.splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start)), 0.0)


@contextmanager
def running(log=None, **settings):
    import uvicorn

    from cornucopia.cli.serve import _listening
    from cornucopia.serving.app import make_app
    from cornucopia.serving.settings import ServeSettings

    config = ServeSettings.build({"port": 0, **settings})
    lines = []
    app = make_app(config, log or (lambda line: lines.append(json.loads(line))))
    listening = _listening(config)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    served = Running(url, lines)
    try:
        yield served
    finally:
        served.http.close()
        server.should_exit = True
        thread.join(20)
        listening.close()


def until(true, seconds=10.0):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
