"""An engine whose answers are written in the test: by the question's words it talks, waits, fails."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from cornucopia.inference import open_engine
from cornucopia.inference.engine import Engine, Limits, Reply
from cornucopia.inference.text import Thought
from cornucopia.records.schema import ToolCall
from running_server import running


class Scripted(Engine):
    """`慢` one piece every 20 ms without end; `想` thinks first; `工具` calls a tool; `坏` raises; `字 X` says X."""

    def __init__(self):
        self.running = 0
        self.lock = threading.Lock()

    def generate(self, requests, sampling):
        raise NotImplementedError

    def describe(self, sampling):
        return {}

    def limits(self):
        return Limits(4096, 64, streams=True, tools=True)

    def stream(self, record, sampling):
        with self.lock:
            self.running += 1
        try:
            return (yield from self._said(record.question))
        finally:
            with self.lock:
                self.running -= 1

    def _said(self, asked):
        if asked.startswith("慢"):
            for _ in range(3000):
                time.sleep(0.02)
                yield "慢"
        if asked.startswith("坏"):
            yield "一"
            raise RuntimeError("out of memory")
        if asked.startswith("工具"):
            return Reply("", "", "tool_calls", 3, 4, tool_calls=(ToolCall("calc", '{"x": 1}', "c1"),))
        if asked.startswith("想"):
            yield Thought("想一想")
            yield "答"
            return Reply("", "答", "stop", 3, 2, reasoning="想一想")
        text = asked.removeprefix("字 ")
        yield from text
        return Reply("", text, "stop", len(asked), len(text))


@contextmanager
def scripted_server(**settings):
    """A server whose model is scripted; `engine` is its own."""
    engines = []

    def open_(specs):
        engines.extend(Scripted() for _ in specs)
        return engines[-len(specs) :]

    kinds = {"scripted": open_engine.Kind(lambda spec: spec.base.startswith("scripted"), open_)}
    patch = pytest.MonkeyPatch()
    patch.setattr(open_engine, "KINDS", kinds)
    with running(model=["m=scripted"], **settings) as served:
        served.chat("字 开始")
        served.engine = engines[0]
        yield served
    patch.undo()
