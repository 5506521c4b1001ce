"""The local engine on a tiny random model: batches, adapters, ends, seeds, failures. Transformers is the reference."""

from __future__ import annotations

import pytest
import torch

from cornucopia.inference.engine import Request, Sampling
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.tokens.render import encode_prompt
from tiny_models import make_adapter, make_model, open_engines

QUESTIONS = ["什么是保险", "股票和基金有什么区别？请举例说明", "a", "贷款利率怎么算", "社保"]
REQUESTS = [Request(f"r{i}", Record(messages=(Message("user", q),))) for i, q in enumerate(QUESTIONS)]
SHORT = Sampling(max_new_tokens=20)


@pytest.fixture(scope="module", params=["slots", "padded"])
def engine(tiny, request):
    engine = open_engines(tiny, [None], template="fin_template", dtype="float32")[0]
    engine.shared.fast = request.param == "slots"
    return engine


def answers(engine, sampling=SHORT, requests=REQUESTS):
    return {reply.id: reply for reply in engine.generate(requests, sampling)}


def texts(engine, sampling=SHORT, requests=REQUESTS):
    return {name: reply.answer for name, reply in answers(engine, sampling, requests).items()}


def tokens_of(engine, number, sampling=SHORT):
    """The token ids of one greedy answer, from Transformers' own generate."""
    ids = encode_prompt(REQUESTS[number].record, engine.template, engine.tokenizer)
    output = engine.shared.base.generate(
        input_ids=torch.tensor([ids]), max_new_tokens=sampling.max_new_tokens, do_sample=False, pad_token_id=0
    )
    return output[0, len(ids) :].tolist()


def test_a_batch_answers_as_each_row_alone_and_as_transformers_does(engine):
    batch = answers(engine)
    for number, request in enumerate(REQUESTS):
        (alone,) = engine.generate([request], SHORT)
        assert alone.answer == batch[request.id].answer
        assert alone.prompt_tokens == batch[request.id].prompt_tokens
        reference = engine.tokenizer.decode(tokens_of(engine, number), skip_special_tokens=True)
        assert batch[request.id].answer == reference.strip().rstrip("\ufffd")


def test_a_pad_token_that_is_the_end_of_sequence_changes_nothing(engine):
    expected = texts(engine)
    pad = engine.tokenizer.pad_token
    engine.tokenizer.pad_token = engine.tokenizer.eos_token
    try:
        assert texts(engine) == expected
    finally:
        engine.tokenizer.pad_token = pad


def test_the_base_beside_adapters_answers_bit_for_bit_as_without(tiny, adapter, tmp_path):
    other = make_adapter(tiny, tmp_path / "other", seed=7)
    (plain,) = open_engines(tiny, [None], template="fin_template", dtype="float32")
    first, base, second = open_engines(tiny, [adapter, None, other], template="fin_template", dtype="float32")
    ids = torch.tensor([encode_prompt(REQUESTS[1].record, plain.template, plain.tokenizer)])
    with torch.inference_mode():
        logits = {e.adapter: e.shared.forward(e.adapter, input_ids=ids).logits for e in (first, base, second, base)}
        assert torch.equal(logits[None], plain.shared.forward(None, input_ids=ids).logits)
        assert not torch.equal(logits[None], logits[first.adapter])
        assert not torch.equal(logits[first.adapter], logits[second.adapter])
    mixed = [texts(e) for e in (first, base, second, first)]
    assert mixed[1] == texts(plain)
    assert mixed[0] == mixed[3] != mixed[1]
    assert mixed[0] == texts(open_engines(tiny, [adapter], template="fin_template", dtype="float32")[0])


def test_engines_of_one_base_can_be_used_in_turn_within_an_answer(tiny, adapter):
    base, tuned = open_engines(tiny, [None, adapter], template="fin_template", dtype="float32")
    expected = ["".join(e.stream(REQUESTS[0].record, SHORT)) for e in (base, tuned)]
    streams, shown = [e.stream(REQUESTS[0].record, SHORT) for e in (base, tuned)], ["", ""]
    while streams[0] or streams[1]:
        for i, stream in enumerate(streams):
            piece = next(stream, None) if stream else None
            shown[i] += piece or ""
            streams[i] = stream if piece is not None else None
    assert shown == expected


def test_every_id_of_an_eos_list_ends_an_answer(engine, monkeypatch):
    tokens = tokens_of(engine, 0)
    monkeypatch.setattr(engine.shared.base.generation_config, "eos_token_id", [2, tokens[6]])
    reply = answers(engine)["r0"]
    assert reply.finish_reason == "stop"
    assert reply.completion_tokens == tokens.index(tokens[6]) + 1


def test_a_stop_string_ends_the_answer_before_it(engine):
    whole = answers(engine)["r1"].answer
    stop = whole[5:8]
    reply = answers(engine, Sampling(max_new_tokens=20, stop=[stop]))["r1"]
    assert reply.answer == whole[: whole.index(stop)].strip()
    assert reply.finish_reason == "stop" and reply.completion_tokens < 20
    assert "".join(engine.stream(REQUESTS[1].record, Sampling(max_new_tokens=20, stop=[stop]))).strip() == reply.answer


def test_the_same_seed_and_row_give_the_same_answer_in_any_company(engine):
    sampling = Sampling(max_new_tokens=20, temperature=0.9, top_p=0.95, seed=5)
    together = texts(engine, sampling)
    assert texts(engine, sampling, REQUESTS[::-1]) == together
    assert {k: v for r in REQUESTS for k, v in texts(engine, sampling, [r]).items()} == together
    assert "".join(engine.stream(REQUESTS[0].record, sampling)).strip() == together["r0"]
    assert texts(engine, Sampling(max_new_tokens=20, temperature=0.9, top_p=0.95, seed=6)) != together
    assert together != texts(engine)


def test_a_low_temperature_is_greedy_and_sampling_follows_the_model_when_the_command_is_silent(engine, monkeypatch):
    greedy = texts(engine)
    assert texts(engine, Sampling(max_new_tokens=20, temperature=1e-6)) == greedy
    assert texts(engine, Sampling(max_new_tokens=20, temperature=0)) == greedy
    config = engine.shared.base.generation_config
    for name, value in {"do_sample": True, "temperature": 1.3, "top_k": 7, "max_new_tokens": 9}.items():
        monkeypatch.setattr(config, name, value)
    settled = engine.settings(Sampling())
    assert (settled.do_sample, settled.max_new_tokens, settled.top_k) == (True, 9, 7)
    assert engine.settings(Sampling(temperature=0)).do_sample is False
    assert engine.settings(Sampling(do_sample=False)).do_sample is False


def test_a_repetition_penalty_sees_each_row_alone(engine):
    sampling = Sampling(max_new_tokens=20, repetition_penalty=1.8)
    together = texts(engine, sampling)
    assert together == {k: v for r in REQUESTS for k, v in texts(engine, sampling, [r]).items()}
    assert together != texts(engine)


def test_beams_are_transformers_own(engine):
    ids = encode_prompt(REQUESTS[3].record, engine.template, engine.tokenizer)
    output = engine.shared.base.generate(
        input_ids=torch.tensor([ids]), max_new_tokens=12, num_beams=3, do_sample=False, pad_token_id=0
    )
    expected = engine.tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True).strip().rstrip("\ufffd")
    assert answers(engine, Sampling(max_new_tokens=12, num_beams=3))["r3"].answer == expected


def test_streamed_pieces_are_the_answer(engine):
    for request in REQUESTS:
        stream, shown = engine.stream(request.record, SHORT), []
        try:
            while True:
                shown.append(next(stream))
        except StopIteration as end:
            reply = end.value
        assert "".join(shown).strip() == reply.answer == answers(engine, SHORT, [request])[request.id].answer
        assert len(shown) > 1


def test_memory_that_runs_out_halves_the_batch(engine, monkeypatch):
    monkeypatch.setattr(engine.shared, "fast", False)
    expected, forward, sizes = texts(engine), engine.shared.forward, []

    def cramped(adapter, **inputs):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(adapter, **inputs)

    monkeypatch.setattr(engine.shared, "forward", cramped)
    assert texts(engine) == expected
    assert sizes[0] == 5


def test_a_row_that_fails_spoils_no_other(engine, monkeypatch):
    monkeypatch.setattr(engine.shared, "fast", False)
    expected, forward = texts(engine), engine.shared.forward
    bad = encode_prompt(REQUESTS[3].record, engine.template, engine.tokenizer)

    def cursed(adapter, **inputs):
        if any(row[-len(bad) :] == bad for row in inputs["input_ids"].tolist()):
            raise RuntimeError("boom")
        return forward(adapter, **inputs)

    monkeypatch.setattr(engine.shared, "forward", cursed)
    got = answers(engine)
    assert got["r3"].finish_reason == "error" and "boom" in got["r3"].error
    assert {name: reply.answer for name, reply in got.items() if name != "r3"} == {
        name: answer for name, answer in expected.items() if name != "r3"
    }


def test_a_question_longer_than_the_context_is_cut_or_fails_alone(tmp_path, capsys):
    (engine,) = open_engines(make_model(tmp_path / "m", context=160), [None], template="fin_template", dtype="float32")
    long = Request("long", Record(messages=(Message("user", "请总结"),), passages=(Passage("长" * 400),)))
    got = answers(engine, Sampling(max_new_tokens=30), [long, REQUESTS[2]])
    assert all(reply.prompt_tokens + reply.completion_tokens <= 160 for reply in got.values())
    assert got["long"].answer and "截短" in capsys.readouterr().err
    (engine,) = open_engines(make_model(tmp_path / "n", context=32), [None], template="fin_template", dtype="float32")
    assert answers(engine, SHORT, [long])["long"].finish_reason == "error"


def test_a_planned_group_given_alone_is_that_group_again(engine):
    requests = [Request(f"x{i}", Record(messages=(Message("user", "问" * (i % 9 + 1)),))) for i in range(40)]
    engine.batch_tokens, whole = 300, engine.batch_tokens
    try:
        groups = engine.plan(requests, SHORT)
        assert sorted(r.id for group in groups for r in group) == sorted(r.id for r in requests)
        assert len(groups) > 3 and all(engine.plan(group, SHORT) == [group] for group in groups)
    finally:
        engine.batch_tokens = whole


def test_our_own_loop_is_taken_whatever_the_model_calls_its_cache(engine, monkeypatch):
    """Transformers 5.24 renamed the argument; without our loop answers come several times slower."""
    monkeypatch.setattr(engine.shared, "fast", False)
    assert engine.batch_kind(engine._settled(SHORT))[0] == "padded"
    expected, shared = texts(engine), engine.shared
    forward, name = shared.base.forward, shared.cache_name
    other = "cache" if name == "past_key_values" else "past_key_values"

    def renamed(**inputs):
        inputs[name] = inputs.pop(other, None)
        return forward(**inputs)

    monkeypatch.setattr(shared.base, "forward", renamed)
    monkeypatch.setattr(shared, "accepts", (shared.accepts - {name}) | {other})
    monkeypatch.setattr(shared, "cache_name", other)
    assert engine.batch_kind(engine._settled(SHORT))[0] == "padded" and texts(engine) == expected


def test_a_call_that_the_model_writes_is_the_replys_and_is_not_shown(tiny, engine):
    from cornucopia.inference.generate import Row

    (caller,) = open_engines(tiny, [None], template="fin_tools", dtype="float32")
    assert caller.limits().tools and not engine.limits().tools
    text = "好的。\n<tool_call>loan(principal='50万')</tool_call>"
    ids = caller.tokenizer(text, add_special_tokens=False).input_ids
    tool = {"type": "function", "function": {"name": "loan", "parameters": {"type": "object"}}}
    settings = caller._settled(SHORT)
    row = Row(
        "a",
        [1],
        50,
        settings,
        tools=(tool,),
        reader=caller.template.calls(Record()),
        earlier=2,
        tokens=ids,
        finish="stop",
    )
    reply = caller.reply(row)
    (call,) = reply.tool_calls
    assert (reply.answer, reply.finish_reason) == ("好的。", "tool_calls")
    assert (call.name, call.arguments, call.id) == ("loan", '{"principal": "50万"}', "call00002")
    plain = caller.reply(Row("a", [1], 50, settings, tokens=ids, finish="stop"))
    assert plain.answer == text and not plain.tool_calls  # nothing was offered
