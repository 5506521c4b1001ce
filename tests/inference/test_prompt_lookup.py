"""Guessing from the prompt: answers are what they are without, for all families, adapters, sampling, stops, schemas."""

from __future__ import annotations

import random

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.inference import prompt_lookup, slot_batch
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.generate import Row, settle
from cornucopia.inference.prompt_lookup import PromptLookup
from cornucopia.inference.scheduler import Scheduler
from cornucopia.inference.shared_model import SharedModel
from cornucopia.records.schema import Record
from random_models import SERVED, finish, generated, made
from tiny_models import make_adapter, open_engines


def prompts_of(seed, count=6):
    """Some with passages that come again, some with none."""
    numbers = random.Random(seed)
    passages = [[numbers.randrange(5, 250) for _ in range(numbers.randrange(3, 20))] for _ in range(3)]
    return [[5 + at, *passages[at % 3] * (1 + at % 4), *passages[at % 2][:2]] for at in range(count)]


def rows_of(prompts, sampling, limit, lookup):
    settled = settle(sampling, transformers.GenerationConfig(), frozenset({2}), ())
    return [Row(str(i), p, limit, settled, lookup=PromptLookup(p) if lookup else None) for i, p in enumerate(prompts)]


def batch_of(shared, most=4):
    return Scheduler(slot_batch.SlotBatch(shared.decoder(None), shared.stacks, 100_000, most))


def kept(rows):
    return sum(row.lookup.kept for row in rows)


@pytest.fixture
def always(monkeypatch):
    """Guess wherever there is something to guess by, paying or not."""
    monkeypatch.setattr(prompt_lookup, "NGRAM", 2)
    monkeypatch.setattr(prompt_lookup, "_best", lambda rate, rows, others: 1 + others % 5)


@pytest.mark.parametrize("family", SERVED)
def test_greedy_answers_are_those_of_generate(family, always, monkeypatch):
    monkeypatch.setattr(slot_batch, "CHUNK", 9)  # prompts in pieces, beside rows that guess
    for seed in range(2):
        model, prompts = made(family, SERVED[family] | {"initializer_range": 0.15}, seed), prompts_of(seed)
        expected = [generated(model, prompt, 30) for prompt in prompts]
        shared = SharedModel(model)
        line, rows = batch_of(shared), rows_of(prompts, Sampling(), 30, True)
        assert finish(line, rows) == expected
        assert kept(rows) and kept(rows) < sum(row.lookup.guessed for row in rows)
        # What a row left behind, the guesses that were wrong not among it, is the beginning of the next conversation.
        follow = [[*prompt, *answer, 9, 10] for prompt, answer in zip(prompts, expected, strict=True)]
        wanted = [generated(model, prompt, 12) for prompt in follow]
        assert finish(line, rows_of(follow, Sampling(), 12, True)) == wanted


OPTIONS = [{"do_sample": True, "temperature": 0.4}, {"repetition_penalty": 1.2}, {"do_sample": True, "top_k": 3}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_sampled_and_penalised_answers_are_what_they_are_without(options, always):
    shared, sampling = SharedModel(made("Llama", {"initializer_range": 0.15})), Sampling(seed=5, **options)
    with_it, without = (rows_of(prompts_of(1), sampling, 40, lookup) for lookup in (True, False))
    assert finish(batch_of(shared), with_it) == finish(batch_of(shared), without)
    assert sum(row.lookup.guessed for row in with_it)


def test_adapters_stops_scores_and_schemas_in_one_batch(tiny, adapter, tmp_path, always):
    adapters = [None, adapter, make_adapter(tiny, tmp_path / "other", seed=7)]
    options = [{}, {"stop": ["的"]}, {"json_schema": '{"type": "array", "items": {"type": "integer"}}'}]
    found = []
    for speculate in (False, True):
        engines = open_engines(tiny, adapters, template="fin_template", dtype="float32", speculate=speculate)
        live, told, tokens = engines[0].live(), {}, {}
        for number, prompt in enumerate(prompts_of(2, 9)):
            request = Request(str(number), Record(), tuple(prompt))
            sampling = Sampling(max_new_tokens=24, do_sample=False, **options[number // 3])
            live.submit(request, sampling, engine=engines[number % 3], logprobs=2)
        while live.busy:
            for event in live.step():
                told[event.id] = told.get(event.id, "") + event.piece
                own = tokens.setdefault(event.id, [])
                own += [(token.id, round(token.logprob, 3)) for token in event.tokens]
                if event.reply:
                    assert event.reply.finish_reason != "error" and event.reply.completion_tokens == len(own)
        found.append((told, tokens))
    assert found[0] == found[1]


def test_a_model_that_the_decoder_cannot_compute_answers_without_guesses():
    shared = SharedModel(made("Mistral", {"sliding_window": 16}))
    assert shared.decoder(None) is None and "滑动窗口" in shared.slow[None]


def test_it_guesses_where_text_is_quoted_and_not_where_none_is():
    numbers = random.Random(4)
    material, free = [numbers.randrange(1000) for _ in range(300)], [numbers.randrange(1000) for _ in range(300)]

    def steps(answer, rows):
        lookup, written, count = PromptLookup(material), 0, 0
        while written < len(answer):
            guess = lookup.guess(answer[:written], len(answer) - written - 1, rows, rows)
            right = next((i for i, token in enumerate(guess) if token != answer[written + i]), len(guess))
            written, count = written + 1 + right, count + 1
            lookup.guessed += len(guess)
        return count, lookup.guessed

    quoted, guessed = steps(material[20:120], 1)
    assert quoted < 25 and guessed < 110
    assert steps(free, 1) == (300, 0) and steps(free, 64) == (300, 0)
    assert steps(material[20:120], 64)[0] >= quoted


@given(
    st.lists(st.integers(0, 2), max_size=20), st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(0, 9)
)
@settings(max_examples=50)
def test_a_guess_is_no_longer_than_allowed_and_follows_what_stood_there(prompt, answer, most):
    lookup = PromptLookup(prompt)
    for end in range(1, len(answer) + 1):
        guess, text = lookup.guess(answer[:end], most, 1, 1), [*prompt, *answer[:end]]
        assert len(guess) <= most
        if guess:
            whole = [*text, *guess]  # each guessed token repeats what followed at some fixed distance before
            assert any(
                whole[len(text) :] == whole[len(text) - back : len(whole) - back] for back in range(1, len(text) + 1)
            )


def test_logits_of_a_guess_are_those_of_single_tokens():
    shared = SharedModel(made("Qwen3", SERVED["Qwen3"]))
    decoder = shared.decoder(None)
    from cornucopia.inference.decoder import Piece
    from cornucopia.inference.slots import Slots

    slots = Slots(decoder.count, decoder.shape, decoder.weight, budget=0, most=2, longest=64)
    ids, (one, other) = list(range(20, 40)), [slots.enter([5 + i], 40, None) for i in range(2)]
    decoder([Piece(one, ids[:10], 0), Piece(other, ids[:10], 0)])
    singly = torch.cat([decoder([Piece(one, ids[i : i + 1], i)]) for i in range(10, 20)])
    assert torch.allclose(decoder([Piece(other, ids[10:], 10, 10)]), singly, atol=1e-4)
