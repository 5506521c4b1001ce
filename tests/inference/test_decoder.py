"""The decoder beside Transformers: the same answers over families, adapters, chunks and shared beginnings."""

from __future__ import annotations

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.inference import slot_batch
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.scheduler import Scheduler
from cornucopia.inference.shared_model import SharedModel
from cornucopia.inference.slots import Slots, common
from cornucopia.records.schema import Record
from random_models import SERVED, SIZES, finish, generated, made
from tiny_models import make_adapter, make_tokenizer, open_engines

GREEDY = Sampling(max_new_tokens=10, do_sample=False)
REFUSED = {"Mistral": {"sliding_window": 16}, "Gemma2": {"head_dim": 8}, "Granite": {"attention_multiplier": 0.3,
           "residual_multiplier": 0.5}, "Olmo2": {}}  # fmt: skip
PROMPTS = [[5 + (7 * i + j * j) % 200 for j in range(3 + 9 * i)] for i in range(5)]


def answer(shared, batch, prompts, adapters=None, sampling=GREEDY, limit=10):
    from cornucopia.inference.generate import Row, settle

    settings = settle(sampling, transformers.GenerationConfig(), frozenset({2}), ())
    rows = [Row(str(i), p, limit, settings, (adapters or {}).get(i)) for i, p in enumerate(prompts)]
    return finish(Scheduler(batch), rows)


def slots_of(shared, budget=100_000, most=8):
    return slot_batch.SlotBatch(shared.decoder(None), shared.stacks, budget, most)


@pytest.mark.parametrize("family", SERVED)
def test_answers_are_those_of_generate(family, monkeypatch):
    model = made(family, SERVED[family])
    expected = [generated(model, prompt) for prompt in PROMPTS]
    shared = SharedModel(model)
    assert shared.decoder(None) is not None, shared.slow
    assert answer(shared, slots_of(shared), PROMPTS) == expected
    assert [generated(model, prompt) for prompt in PROMPTS] == expected  # its own weights are still its own
    monkeypatch.setattr(slot_batch, "CHUNK", 7)  # prompts in pieces, beside rows that answer
    assert answer(shared, slots_of(shared), PROMPTS) == expected
    assert answer(shared, slots_of(shared, most=2), PROMPTS) == expected
    assert answer(shared, slots_of(shared), PROMPTS[-1:]) == expected[-1:]  # steps in which no row gets a token


@pytest.mark.parametrize("family", REFUSED)
def test_what_is_computed_otherwise_is_left_to_the_model_with_the_reason(family):
    shared = SharedModel(made(family, REFUSED[family]))
    assert shared.decoder(None) is None and shared.slow[None]


def test_recurrent_and_odd_models_are_refused_without_an_accident():
    config = transformers.GPT2Config(vocab_size=260, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    assert SharedModel(transformers.GPT2LMHeadModel(config)).decoder(None) is None


def test_an_eight_bit_base_answers_as_it_does_alone(tiny):
    (engine,) = open_engines(tiny, [None], template="fin_template", dtype="float32", bits=8)
    row = engine.row(Request("a", Record(), tuple(PROMPTS[2])), GREEDY)
    assert engine.batch_kind(row.settings)[0] == "slots", engine.shared.slow


def test_adapters_in_one_batch_answer_as_each_alone(tiny, adapter, tmp_path):
    others = [make_adapter(tiny, tmp_path / str(seed), seed=seed) for seed in (7, 8)]
    engines = open_engines(tiny, [adapter, None, *others], template="fin_template", dtype="float32")
    shared, names = engines[0].shared, [engine.adapter for engine in engines]
    alone = []
    for engine in engines:
        shared.fast = False
        batch = engine.open_batch(engine.batch_kind(engine._settled(GREEDY)))
        alone.append(answer(shared, batch, PROMPTS, dict.fromkeys(range(5), engine.adapter)))
        shared.fast = True
        assert shared.decoder(engine.adapter) is not None, shared.slow
    assert len({str(tokens) for tokens in alone}) == 4
    prompts, adapters = PROMPTS * 4, {i: names[(i // 5 + i) % 4] for i in range(20)}
    together = answer(shared, slots_of(shared, most=20), prompts, adapters)
    assert together == [alone[(i // 5 + i) % 4][i % 5] for i in range(20)]


def test_an_adapter_of_another_kind_keeps_to_the_models_own_forward(tiny, tmp_path):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", use_dora=True, init_lora_weights=False)
    get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(tiny), config).save_pretrained(tmp_path / "dora")
    dora, base = open_engines(tiny, [tmp_path / "dora", None], template="fin_template", dtype="float32")
    kinds = [engine.batch_kind(engine._settled(GREEDY)) for engine in (dora, base)]
    assert kinds == [("padded", dora.adapter), ("slots", None)] and "dora" in dora.shared.slow[dora.adapter]


def test_what_prompts_begin_with_is_computed_once():
    model = made("Llama", {})
    shared, head = SharedModel(model), [9 + i % 90 for i in range(60)]
    prompts = [[*head, 5 + i, 100 + i] for i in range(6)]
    batch, computed = slots_of(shared), []
    decoder = batch._decoder

    class Counting:
        count, shape, weight, longest = decoder.count, decoder.shape, decoder.weight, decoder.longest

        def __call__(self, pieces, lora=None):
            computed.append(sum(len(piece.ids) for piece in pieces))
            return decoder(pieces, lora)

    batch._decoder = Counting()
    assert answer(shared, batch, prompts) == [generated(model, prompt) for prompt in prompts]
    assert sum(computed) < 62 + 5 * 2 + 6 * 10 + 10
    before = sum(computed)
    follow = [*prompts[2], *generated(model, prompts[2]), 7, 8]  # the conversation goes on
    assert answer(shared, batch, [follow]) == [generated(model, follow)]
    assert sum(computed) - before <= 4 + 10


def test_a_row_that_leaves_copies_nothing_and_gaps_are_closed():
    shared = SharedModel(made("Llama", {}))
    batch = slots_of(shared)
    answer(shared, batch, PROMPTS)
    (pool,) = batch._slots.pools.values()
    place = pool.keys[0].data_ptr()
    answer(shared, batch, PROMPTS[::-1])
    assert pool.keys[0].data_ptr() == place and not batch._slots.taken
    slots = Slots(1, (1, 2), torch.zeros(1), budget=2000, most=8, longest=200)
    at = {name: slots.enter([name], 4, None) for name in range(8)}
    for name, slot in at.items():
        slot.held = [name, name]
        slot.pool.keys[0][slot.index, :, :2] = name
    for name in (0, 1, 4, 6):
        at.pop(name).taken = False
    slots.close_gaps(at)
    assert sorted(slot.index for slot in at.values()) == [0, 1, 2, 3]
    assert all((slot.pool.keys[0][slot.index, :, :2] == name).all() for name, slot in at.items())


def test_long_rows_do_not_widen_short_ones_and_the_budget_holds():
    slots = Slots(1, (1, 2), torch.zeros(1), budget=1500, most=8, longest=5000)
    assert slots.enter([1], 100, None).pool.width == 256 and slots.enter([2], 600, None).pool.width == 1024
    assert slots.fits(200) is False and Slots(1, (1, 2), torch.zeros(1), budget=9, most=8, longest=50).fits(50)


@given(st.lists(st.integers(0, 2), max_size=12), st.lists(st.integers(0, 2), max_size=12), st.integers(0, 12))
def test_common_beginnings(first, second, most):
    expected = 0
    while expected < min(most, len(first), len(second)) and first[expected] == second[expected]:
        expected += 1
    assert common(first, second, most) == expected


def test_the_tokenizer_of_these_models_has_all_their_ids():
    assert len(make_tokenizer()) == SIZES["vocab_size"]
