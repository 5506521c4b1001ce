"""The golden answer's likelihood, against the plain computation over full logits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.inference.engine import TokenSpan
from cornucopia.inference.scoring import answer_span
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.render import encode, encode_prompt
from tiny_models import open_engines

PAIRS = [
    ("什么是保险", "保险是一种风险转移。"),
    ("a", "b"),
    ("股票和基金有什么区别", "股票是所有权凭证，基金是集合投资。" * 3),
]
RECORDS = [Record(messages=(Message("user", q), Message("assistant", a))) for q, a in PAIRS]


def score_pairs(engine, records):
    return [(score.nats, score.tokens) for score in engine.score(records)]


def test_losses_are_those_of_full_logits_and_do_not_depend_on_the_batch(tiny, adapter):
    for engine in open_engines(tiny, [None, adapter], template="fin_template", dtype="float32"):
        got = score_pairs(engine, RECORDS)
        for record, (loss, count) in zip(RECORDS, got, strict=True):
            example = encode(record, engine.template, engine.tokenizer, 512)
            ids, labels = torch.tensor([example.input_ids]), torch.tensor(example.labels)
            with torch.inference_mode():
                logits = engine.shared.forward(engine.adapter, input_ids=ids).logits[0]
            full = torch.nn.functional.cross_entropy(logits[:-1], labels[1:], ignore_index=-100, reduction="sum")
            assert loss == pytest.approx(float(full), rel=1e-5)
            assert (
                count
                == example.supervised
                == len(engine.tokenizer(record.golden, add_special_tokens=False).input_ids) + 1
            )
            assert score_pairs(engine, [record])[0] == pytest.approx((loss, count), rel=1e-5)


def test_only_the_last_answer_of_a_conversation_is_scored(tiny):
    (engine,) = open_engines(tiny, [None], template="fin_template", dtype="float32")
    turns = (
        Message("user", "甲"),
        Message("assistant", "一二三四五六七"),
        Message("user", "乙"),
        Message("assistant", "八"),
    )
    ((_, count),) = score_pairs(engine, [Record(messages=turns)])
    assert count == 3 + 1  # three bytes and the end of sequence


def test_a_record_without_an_answer_scores_nothing(tiny):
    (engine,) = open_engines(tiny, [None], template="fin_template", dtype="float32")
    assert score_pairs(engine, [Record(messages=(Message("user", "问"),)), RECORDS[1]])[0] == (0.0, 0)


@given(st.lists(st.sampled_from([-100, 5]), max_size=12))
def test_answer_span_is_the_last_run_of_labels(labels):
    begin, end = answer_span(labels)
    assert all(label != -100 for label in labels[begin:end]) and all(label == -100 for label in labels[end:])
    assert begin == 0 or labels[begin - 1] == -100
    assert (begin == end) == (5 not in labels)


def test_the_answer_is_scored_after_the_thought_and_the_thought_is_not_counted(tiny):
    (engine,) = open_engines(tiny, [None], template="fin_template", dtype="float32")
    (record,) = RECORDS[:1]
    thinking = replace(record, messages=(record.messages[0], replace(record.messages[1], reasoning="先想主题")))
    ((loss, count),) = score_pairs(engine, [thinking])
    block = engine.tokenizer("<think>\n先想主题\n</think>\n\n", add_special_tokens=False).input_ids
    answer = [*engine.tokenizer(record.golden, add_special_tokens=False).input_ids, engine.tokenizer.eos_token_id]
    prompt = encode_prompt(record, engine.template, engine.tokenizer)
    ids = torch.tensor([[*prompt, *block, *answer]])
    with torch.inference_mode():
        scores = engine.shared.forward(None, input_ids=ids).logits[0, -len(answer) - 1 : -1]
    wanted = torch.nn.functional.cross_entropy(scores, torch.tensor(answer), reduction="sum")
    assert count == len(answer) and loss == pytest.approx(float(wanted), rel=1e-5)
    assert loss != pytest.approx(score_pairs(engine, [record])[0][0], rel=1e-3)


def test_given_spans_are_scored_with_their_greedy_positions(tiny):
    (engine,) = open_engines(tiny, [None], template="fin_template", dtype="float32")
    prompt = encode_prompt(RECORDS[0], engine.template, engine.tokenizer)
    written = engine.shared.base.generate(
        input_ids=torch.tensor([prompt]), max_new_tokens=6, do_sample=False, pad_token_id=0
    )[0].tolist()
    begin, end = len(prompt), len(written)
    changed = [*written[:-1], (written[-1] + 1) % 200]
    spans = [TokenSpan(written, begin, end), TokenSpan(changed, begin, end), TokenSpan(written, 1, 4),
             TokenSpan(written, begin, begin)]  # fmt: skip
    own, other, inside, nothing = engine.score(spans)
    assert own.all_greedy and own.tokens == end - begin and own.greedy == (True,) * own.tokens
    assert other.greedy == (True,) * (own.tokens - 1) + (False,) and not other.all_greedy and other.nats > own.nats
    with torch.inference_mode():
        logits = engine.shared.base(input_ids=torch.tensor([written])).logits[0]
    wanted = torch.tensor(written[1:4])
    plain = float(torch.nn.functional.cross_entropy(logits[:3], wanted, reduction="sum"))
    assert inside.nats == pytest.approx(plain, rel=1e-5)
    assert inside.greedy == tuple((logits[:3].argmax(-1) == wanted).tolist())
    assert (nothing.nats, nothing.tokens, nothing.all_greedy) == (0.0, 0, False)
