"""What a server counts, in Prometheus' text form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from cornucopia.serving.answering import Answering
    from cornucopia.serving.shelf import Shelf

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Meters:
    """Counters of one server.

    Args:
        shelf: whose models are counted.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._all = CollectorRegistry()
        self._requests = Counter(
            "cornucopia_requests", "Requests by path and HTTP status.", ("path", "status"), registry=self._all
        )
        self._tokens = Counter("cornucopia_tokens", "Tokens by model and kind.", ("model", "kind"), registry=self._all)
        self.unwritten = Counter(
            "cornucopia_log_lost", "Lines of the log that could not be written.", registry=self._all
        )
        self._whole = Histogram(
            "cornucopia_answer_seconds", "From request to the answer's end.", ("model",), buckets=SECONDS,
            registry=self._all,
        )  # fmt: skip
        self._first = Histogram(
            "cornucopia_first_piece_seconds", "From request to the first piece of an answer.", ("model",),
            buckets=SECONDS, registry=self._all,
        )  # fmt: skip
        waiting = Gauge("cornucopia_waiting", "Requests in work or waiting.", ("model",), registry=self._all)
        loaded = Gauge("cornucopia_loaded", "Whether a model is in memory.", ("model",), registry=self._all)
        for name in shelf.table:
            waiting.labels(name).set_function(lambda name=name: shelf.waiting(name))  # type: ignore[misc]
            loaded.labels(name).set_function(lambda name=name: name in shelf.loaded)  # type: ignore[misc]
        memory = Gauge("cornucopia_memory_bytes", "Memory of the server's process.", registry=self._all)
        memory.set_function(lambda: psutil.Process().memory_info().rss)

    def request(self, path: str, status: int) -> None:
        """Count a request. `path` is a route's, never what a caller made up."""
        self._requests.labels(path, str(status)).inc()

    def answered(self, answering: Answering, now: float) -> None:
        """Count the answers that are over."""
        model, replies = answering.served.name, answering.replies.values()
        self._tokens.labels(model, "prompt").inc(max((reply.prompt_tokens for reply in replies), default=0))
        self._tokens.labels(model, "completion").inc(sum(reply.completion_tokens for reply in replies))
        self._whole.labels(model).observe(now - answering.begun)
        if answering.first:
            self._first.labels(model).observe(answering.first - answering.begun)

    def text(self) -> bytes:
        """All counts."""
        return generate_latest(self._all)
