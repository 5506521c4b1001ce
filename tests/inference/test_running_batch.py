"""Rows that enter and leave a running batch: the answers are those of Transformers' own generate, in any company."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.generate import Row
from cornucopia.inference.running_batch import run
from cornucopia.records.schema import Message, Record
from tiny_models import open_engines

PROMPTS = [[5 + (i * j) % 200 for j in range(1, 4 + 7 * i % 23)] for i in range(9)]
GREEDY = Sampling(max_new_tokens=12, do_sample=False)
SAMPLED = Sampling(max_new_tokens=12, temperature=0.9, seed=3)


@pytest.fixture(scope="module")
def engine(tiny):
    return open_engines(tiny, [None], template="fin_template", dtype="float32")[0]


def rows_of(engine, sampling, limits=None):
    rows = [Row(str(i), prompt, (limits or [12] * 9)[i]) for i, prompt in enumerate(PROMPTS)]
    for row in rows:
        row.restart(sampling.seed)
    return rows


def generated(engine, prompt, limit):
    output = engine.shared.base.generate(
        input_ids=torch.tensor([prompt]), max_new_tokens=limit, do_sample=False, pad_token_id=0
    )
    return output[0, len(prompt) :].tolist()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(9)), st.lists(st.integers(1, 12), min_size=9, max_size=9), st.integers(1, 4))
def test_rows_that_enter_at_any_time_answer_as_alone(engine, order, limits, steps):
    rows = rows_of(engine, GREEDY, limits)
    batch, waiting = engine._batch(engine._settled(GREEDY)), [rows[i] for i in order]
    while waiting or batch.rows:
        if waiting:
            batch.admit([waiting.pop() for _ in range(min(len(waiting), 1 + steps % 2))])
        for _ in range(steps):
            if batch.rows:
                batch.step()
    for row in rows:
        assert row.finish is not None
        assert row.tokens == generated(engine, row.prompt, row.limit)[: len(row.tokens)]
        assert len(row.tokens) == row.limit or row.finish == "stop"


def test_a_sampled_answer_does_not_depend_on_who_was_there(engine):
    settled = engine._settled(SAMPLED)
    alone = []
    for row in rows_of(engine, SAMPLED):
        list(run(engine._batch(settled), deque([row]), 10_000, 1))
        alone.append(row.tokens)
    for most in (2, 3, 9):
        rows = rows_of(engine, SAMPLED)
        done = list(run(engine._batch(settled), deque(rows), 10_000, most))
        assert [row.tokens for row in rows] == alone and len(done) == 9


def test_places_that_become_free_are_taken_at_once(engine):
    limits = [2, 30, 2, 2, 2, 2, 2, 2, 2]
    rows, widths = rows_of(engine, GREEDY, limits), []
    batch = engine._batch(engine._settled(GREEDY))
    forward = batch._forward

    def counted(**inputs):
        widths.append(inputs["input_ids"].shape)
        return forward(**inputs)

    batch._forward = counted
    done = list(run(batch, deque(rows), 10_000, 3))
    assert len(done) == 9 and max(shape[0] for shape in widths) <= 3
    longest = next(index for index, row in enumerate(done) if row.id == "1")
    assert longest >= 6  # the others did not wait for the longest of the first batch


def test_a_group_is_refilled_and_a_resumed_one_computes_the_same(engine, monkeypatch):
    requests = [Request(f"x{i}", Record(messages=(Message("user", "问" * (i % 9 + 1)),))) for i in range(24)]
    monkeypatch.setattr(engine, "batch_tokens", 400)
    groups = engine.plan(requests, GREEDY)
    assert len(groups) > 1 and max(map(len, groups)) > 400 // 60
    whole = {reply.id: reply for reply in engine.generate(requests, GREEDY)}
    assert set(whole) == {request.id for request in requests}
    again = {reply.id: reply for group in groups for reply in engine.generate(group, GREEDY)}
    assert {k: (r.answer, r.finish_reason) for k, r in again.items()} == {
        k: (r.answer, r.finish_reason) for k, r in whole.items()
    }


def test_beam_search_holds_the_models_lock(engine, monkeypatch):
    import threading

    seen = []

    def busy(model, rows, settings, device):
        def take():
            seen.append(engine.shared.lock.acquire(blocking=False))

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        for row in rows:
            row.tokens, row.finish = [2], "stop"

    monkeypatch.setattr("cornucopia.inference.transformers_engine.beam_search", busy)
    record = Record(messages=(Message("user", "问"),))
    list(engine.stream(record, Sampling(num_beams=2)))
    list(engine.generate([Request("a", record)], Sampling(num_beams=2)))
    assert seen == [False, False]
