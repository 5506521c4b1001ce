"""Requests that enter and leave a local model's running batch: each as alone, with its own settings and adapter."""

from __future__ import annotations

import math

import pytest
import torch

from cornucopia.core.errors import UsageError
from cornucopia.inference.engine import Request, Sampling
from cornucopia.records.schema import Message, Record
from tiny_models import make_model, open_engines

SETTINGS = [
    Sampling(max_new_tokens=14, do_sample=False),
    Sampling(max_new_tokens=9, temperature=0.8, top_p=0.9, seed=4),
    Sampling(max_new_tokens=12, do_sample=False, repetition_penalty=1.7),
    Sampling(max_new_tokens=6, do_sample=False, num_beams=2),
]
QUESTIONS = ["什么是保险", "股票和基金有什么区别？", "a", "利率怎么算"]


def record(text):
    return Record(messages=(Message("user", text),))


@pytest.fixture(scope="module", params=[True, False], ids=["slots", "padded"])
def engines(tiny, adapter, request):
    engines = open_engines(tiny, [None, adapter], template="fin_template", dtype="float32")
    engines[0].shared.fast = request.param
    return engines


def finish(live):
    events = []
    while live.busy:
        events += live.step()
    return events


def test_mixed_requests_answer_as_alone_whenever_they_come(engines):
    live, events, expected = engines[0].live(), [], {}
    for number in range(8):
        engine, sampling, text = engines[number // 4], SETTINGS[number % 4], QUESTIONS[number % 4]
        (expected[f"r{number}"],) = engine.generate([Request(f"r{number}", record(text))], sampling)
        live.submit(Request(f"r{number}", record(text)), sampling, engine=engine)
        events += live.step()
    events += finish(live)
    replies = {event.id: event.reply for event in events if event.reply}
    assert len(replies) == 8 and live.step() == []
    for id, reply in replies.items():
        assert (reply.answer, reply.finish_reason) == (expected[id].answer, expected[id].finish_reason)
        assert "".join(e.piece for e in events if e.id == id).strip().rstrip("\ufffd") == reply.answer
        assert sum(len(e.tokens) for e in events if e.id == id) == reply.completion_tokens


def test_a_cancelled_request_frees_its_place_and_is_not_heard_of(engines):
    live = engines[0].live()
    for name in ("a", "b"):
        live.submit(Request(name, record(QUESTIONS[0])), SETTINGS[0])
    live.step()
    live.cancel("a")
    assert live.busy == 1
    (line,) = live._lines.values()
    live.step()
    assert line.busy == 1 and {event.id for event in finish(live)} == {"b"}
    live.cancel("a")
    live.close()
    assert live.busy == 0


def test_log_probabilities_are_the_models_own(engines):
    live, engine, prompt = engines[0].live(), engines[0], [5, 80, 41, 9]
    live.submit(Request("a", Record(), tuple(prompt)), Sampling(max_new_tokens=5, temperature=1.5, seed=2), logprobs=3)
    tokens = [token for event in finish(live) for token in event.tokens]
    ids = prompt + [token.id for token in tokens]
    with torch.inference_mode():
        logits = engine.shared.forward(None, input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
    for at, token in enumerate(tokens):
        place = logits[len(prompt) - 1 + at]
        assert math.isclose(token.logprob, float(place[token.id]), abs_tol=1e-3)
        assert [one.id for one in token.top] == place.topk(3).indices.tolist()
        assert token.text == engine.tokenizer.decode([token.id], skip_special_tokens=True)


def test_what_cannot_be_asked_ends_with_the_reason(tmp_path, engines):
    (small,) = open_engines(make_model(tmp_path / "m", context=32), [None], template="fin_template", dtype="float32")
    live = small.live()
    live.submit(Request("long", record("长" * 400)), SETTINGS[0])
    live.submit(Request("ids", Record(), tuple(range(5, 60))), SETTINGS[0])
    live.submit(Request("ok", Record(), (5, 6)), SETTINGS[0])
    replies = {event.id: event.reply for event in finish(live) if event.reply}
    assert [replies[name].finish_reason == "error" for name in ("long", "ids", "ok")] == [True, True, False]
    assert "55 个词元" in replies["ids"].error
    assert not live.serves(engines[0])
    with pytest.raises(UsageError, match="内存"):
        live.submit(Request("x", record("问")), SETTINGS[0], engine=engines[0])


def test_more_rows_than_places_wait_for_theirs(engines, monkeypatch):
    engine = engines[0]
    monkeypatch.setattr(engine, "batch_tokens", 600)
    live = engine.live()
    for number in range(9):
        live.submit(Request(str(number), record("问" * (number + 1))), SETTINGS[0])
    assert sum(1 for event in finish(live) if event.reply and event.reply.answer is not None) == 9
