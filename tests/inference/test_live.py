"""Requests that enter and leave one by one, for an engine that only streams: order, cancel, failures, room."""

from __future__ import annotations

import threading
import time

import pytest

from cornucopia.core.errors import EndpointError, UsageError
from cornucopia.inference.engine import Engine, Limits, Reply, Request, Sampling
from cornucopia.inference.text import Thought
from cornucopia.records.schema import Message, Record

NOW = Sampling(max_new_tokens=5)


class Slow(Engine):
    """Says the question word by word when it is let; "坏" fails, "怪" fails in a way nobody expects."""

    def __init__(self, concurrency=2):
        self.gate, self.at_work, self.most, self.ended = threading.Event(), 0, 0, []
        self.concurrency, self.lock = concurrency, threading.Lock()

    def generate(self, requests, sampling):
        yield from ()

    def describe(self, sampling):
        return {}

    def limits(self):
        return Limits(concurrency=self.concurrency, streams=True)

    def stream(self, record, sampling):
        with self.lock:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        try:
            self.gate.wait(10)
            yield Thought("想")
            if record.question == "坏":
                raise EndpointError("服务坏了", where="这里")
            if record.question == "怪":
                raise ValueError("odd")
            for letter in record.question:
                yield letter
                if sampling.seed == 1:
                    time.sleep(0.02)
            return Reply("stream", record.question, "stop", 1, len(record.question), reasoning="想")
        finally:
            with self.lock:
                self.at_work -= 1
                self.ended.append(record.question)


def ask(name, text):
    return Request(name, Record(messages=(Message("user", text),)))


def finish(live):
    events = []
    while live.busy:
        events += live.step()
    return events


def test_pieces_and_replies_come_under_the_requests_own_ids():
    engine = Slow()
    live = engine.live()
    for n in range(5):
        live.submit(ask(f"r{n}", f"第{n}问"), NOW)
    assert live.busy == 5
    live.step()
    while engine.at_work < 2:
        time.sleep(0.01)
    engine.gate.set()
    events = finish(live)
    for n in range(5):
        own = [event for event in events if event.id == f"r{n}"]
        assert "".join(e.piece for e in own if not isinstance(e.piece, Thought)) == f"第{n}问"
        assert [e.piece for e in own if isinstance(e.piece, Thought)] == ["想"]
        assert [e.reply is not None for e in own] == [False] * (len(own) - 1) + [True]
        assert own[-1].reply.id == f"r{n}" and own[-1].reply.reasoning == "想"
    assert engine.most == 2 and live.step() == []


def test_a_failure_ends_its_own_request_alone():
    engine = Slow()
    engine.gate.set()
    live = engine.live()
    for text in ("坏", "好", "怪"):
        live.submit(ask(text, text), NOW)
    replies = {event.id: event.reply for event in finish(live) if event.reply}
    assert replies["好"].answer == "好" and replies["好"].finish_reason == "stop"
    assert replies["坏"].finish_reason == "error" and "服务坏了" in replies["坏"].error
    assert "ValueError: odd" in replies["怪"].error


def test_what_is_cancelled_is_never_heard_of_again_and_gives_its_place_back():
    engine = Slow(concurrency=1)
    live = engine.live()
    for name in ("a", "b", "c"):
        live.submit(ask(name, "长长长长长长"), NOW.model_copy(update={"seed": 1}))
    live.step()
    live.cancel("a")
    live.cancel("c")  # still waits
    live.cancel("nobody")
    live.submit(ask("a", "新的"), NOW)  # the id is free again
    engine.gate.set()
    events = finish(live)
    assert {event.id for event in events} == {"a", "b"}
    assert [e.reply.answer for e in events if e.reply] == ["长长长长长长", "新的"]
    live.submit(ask("z", "后来"), NOW)
    live.close()
    assert live.busy == 0 and live.step() == []


def test_what_it_cannot_do_is_refused_at_once():
    live = Slow().live()
    live.submit(ask("a", "问"), NOW)
    with pytest.raises(UsageError, match="已经在回答"):
        live.submit(ask("a", "问"), NOW)
    with pytest.raises(UsageError, match="对数概率"):
        live.submit(ask("b", "问"), NOW, logprobs=3)
    with pytest.raises(UsageError, match="词元"):
        live.submit(Request("c", Record(), ids=(1, 2)), NOW)
    assert not live.serves(Slow())
    live.close()
