"""Rows that enter and leave a running batch: the answers are those of Transformers' own generate, in any company."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.inference import scheduler
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.scheduler import Scheduler
from cornucopia.records.schema import Message, Record
from tiny_models import open_engines

PROMPTS = [[5 + (i * j) % 200 for j in range(1, 4 + 7 * i % 23)] for i in range(9)]
GREEDY = Sampling(max_new_tokens=12, do_sample=False)
SAMPLED = Sampling(max_new_tokens=12, temperature=0.9, seed=3)


@pytest.fixture(scope="module", params=["slots", "padded"])
def engine(tiny, request):
    engine = open_engines(tiny, [None], template="fin_template", dtype="float32")[0]
    engine.shared.fast = request.param == "slots"
    assert engine.batch_kind(engine.row(Request("a", Record(), (1,)), GREEDY).settings)[0] == request.param
    return engine


def rows_of(engine, sampling, limits=None):
    rows = [engine.row(Request(str(i), Record(), tuple(prompt)), sampling) for i, prompt in enumerate(PROMPTS)]
    for row, limit in zip(rows, limits or [12] * 9, strict=True):
        row.limit = limit
    return rows


def batch_of(engine, most=9, budget=10_000, at_once=True):
    engine.batch_tokens = budget
    batch = engine.open_batch(engine.batch_kind(rows_of(engine, GREEDY)[0].settings), at_once=at_once)
    batch.most = most
    return batch


def run(batch, rows):
    line, done = Scheduler(batch), []
    for row in rows:
        line.add(row)
    while line.busy:
        done += [row for row in line.step() if row.finish]
    return done


def generated(engine, prompt, limit):
    output = engine.shared.base.generate(
        input_ids=torch.tensor([prompt]), max_new_tokens=limit, do_sample=False, pad_token_id=0
    )
    return output[0, len(prompt) :].tolist()


@settings(max_examples=25, deadline=None)
@given(
    st.permutations(range(9)),
    st.lists(st.integers(1, 12), min_size=9, max_size=9),
    st.integers(1, 4),
    st.integers(0, 8),
)
def test_rows_that_enter_and_leave_at_any_time_answer_as_alone(engine, order, limits, steps, leaver):
    rows = rows_of(engine, GREEDY, limits)
    line, waiting, gone = Scheduler(batch_of(engine)), [rows[i] for i in order], set()
    while waiting or line.busy:
        for _ in range(1 + steps % 2):
            if waiting:
                line.add(waiting.pop())
        for _ in range(steps):
            line.step()
        if not waiting and not gone:
            line.remove(rows[leaver])
            gone.add(rows[leaver])
    for row in rows:
        assert row.tokens == generated(engine, row.prompt, row.limit)[: len(row.tokens)]
        assert len(row.tokens) == row.limit or row.finish == "stop" or row in gone


def test_a_sampled_answer_does_not_depend_on_who_was_there(engine):
    alone = []
    for row in rows_of(engine, SAMPLED):
        run(batch_of(engine, 1), [row])
        alone.append(row.tokens)
    for most in (2, 3, 9):
        rows = rows_of(engine, SAMPLED)
        assert len(run(batch_of(engine, most), rows)) == 9 and [row.tokens for row in rows] == alone


def test_places_that_become_free_are_taken_at_once(engine):
    rows = rows_of(engine, GREEDY, [2, 30, 2, 2, 2, 2, 2, 2, 2])
    line, most, done = Scheduler(batch_of(engine, 3, at_once=False)), 0, []
    for row in rows:
        line.add(row)
    while line.busy:
        served = line.step()
        most = max(most, len(served))
        done += [row for row in served if row.finish]
    assert len(done) == 9 and most <= 3
    longest = next(index for index, row in enumerate(done) if row.id == "1")
    assert longest >= 6  # the others did not wait for the longest of the first batch


def test_what_fails_is_found_and_the_others_go_on_from_where_they_were(engine):
    rows = rows_of(engine, GREEDY)
    batch, bad = batch_of(engine), rows[4]
    step = batch.step

    def cursed():
        if bad in batch.rows and len(rows[0].tokens) >= 2:
            raise RuntimeError("boom")
        return step()

    batch.step = cursed
    run(batch, rows)
    assert bad.finish == "error" and "boom" in bad.error
    for row in rows:
        if row is not bad:
            assert row.tokens == generated(engine, row.prompt, row.limit)[: len(row.tokens)] and row.finish != "error"


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

    monkeypatch.setattr("cornucopia.inference.running_batch.beam_search", busy)
    record = Record(messages=(Message("user", "问"),))
    list(engine.stream(record, Sampling(num_beams=2)))
    list(engine.generate([Request("a", record)], Sampling(num_beams=2)))
    assert seen == [False, False]


def test_a_row_that_does_not_fit_the_memory_alone_gets_the_reason_and_harms_no_other(engine, monkeypatch):
    monkeypatch.setattr(engine.shared, "room", lambda: 60)
    rows = rows_of(engine, GREEDY)
    rows[4].limit = 4000
    run(batch_of(engine, most=2), rows)
    assert rows[4].finish == "error" and "60 个词元" in rows[4].error and "--max-new-tokens" in rows[4].error
    for row in rows[:4] + rows[5:]:
        assert row.tokens == generated(engine, row.prompt, 12), row.error


def test_rows_wait_for_memory_that_others_hold(engine, monkeypatch):
    rows, most = rows_of(engine, GREEDY), []

    def room():
        return 150 - sum(len(row.prompt + row.tokens) for row in rows if row.tokens and row.finish is None)

    monkeypatch.setattr(engine.shared, "room", room)
    batch = batch_of(engine)
    step = batch.step
    monkeypatch.setattr(batch, "step", lambda: most.append(len(batch.rows)) or step())
    run(batch, rows)
    assert max(most) < 9 and all(row.tokens == generated(engine, row.prompt, 12) for row in rows)


def test_after_memory_ran_out_the_batch_grows_again(engine, monkeypatch):
    monkeypatch.setattr(scheduler, "CALM", 3)
    batch = batch_of(engine, most=4)
    line, step, failures = Scheduler(batch), batch.step, [torch.OutOfMemoryError("CUDA out of memory")]

    def failing():
        if failures and len(batch.rows) == 4:
            raise failures.pop()
        return step()

    monkeypatch.setattr(batch, "step", failing)
    rows = rows_of(engine, GREEDY)
    for row in rows:
        line.add(row)
    sizes = []
    while line.busy:
        line.step()
        sizes.append(batch.most)
    assert sizes[0] == 2 and sizes[-1] == 4
    assert all(row.tokens == generated(engine, row.prompt, 12) for row in rows)


def test_why_a_model_is_slow_is_told_once(tiny, adapter, capsys, monkeypatch):
    engines = open_engines(tiny, [None, adapter], template="fin_template", dtype="float32")
    monkeypatch.setattr(engines[0].shared, "_unfit", lambda name: "结构不同")
    for engine in [*engines, *engines]:
        assert engine.shared.decoder(engine.adapter) is None
    told = capsys.readouterr().err
    assert told.count("比解码器慢：结构不同") == 1 and told.count("键值缓存：一批最多") == 1
