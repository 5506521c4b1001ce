"""Perplexity is that of the answer's tokens, by token and by character; IFD compares it with the answer alone."""

from __future__ import annotations

import math

import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.factory.perplexity import Perplexity, PerplexityConfig
from cornucopia.inference.engine import TokenSpan
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context
from tiny_models import make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


def stage(model, **settings):
    return Perplexity(PerplexityConfig.build({"base": str(model), "device": "cpu", "dtype": "float32", **settings}))


RECORDS = [
    Record((Message("user", "什么是年金险？"), Message("assistant", "按期给付的保险。")), id="a"),
    Record((Message("user", "贵吗？"), Message("assistant", "看保额。")), id="b", extra={"scores": {"quality": 0.5}}),
    Record((Message("user", "没有回答的问题"),), id="c"),
    Record(text="一篇公告。" * 60, id="d"),
]


def test_the_numbers_are_the_models_own(model, tmp_path):
    made = stage(model)
    outcome = made.apply(RECORDS, Context(tmp_path))
    assert [record.id for record in outcome.kept] == ["a", "b", "c", "d"]
    first, second, unanswered, document = (record.extra for record in outcome.kept)
    engine = made._engine
    score = engine.score([RECORDS[0]])[0]
    assert first["scores"]["perplexity"] == pytest.approx(math.exp(score.nats / score.tokens), rel=1e-3)
    assert first["scores"]["perplexity_char"] == pytest.approx(math.exp(score.nats / 8), rel=1e-3)
    answer = engine.tokenizer("按期给付的保险。", add_special_tokens=False).input_ids
    alone = [1, *answer, 2]
    without = engine.score([TokenSpan(alone, 1, len(alone))])[0]
    assert first["scores"]["ifd"] == pytest.approx(score.nats / without.nats, rel=1e-3)
    assert second["scores"]["quality"] == 0.5 and "ifd" in second["scores"]
    assert unanswered == {} and outcome.counts["unscored"] == 1
    assert "ifd" not in document["scores"] and document["tokens"] > 512  # longer than the model reads at once


def test_a_batch_changes_nothing(model, tmp_path):
    together = stage(model).apply(RECORDS, Context(tmp_path)).kept
    for record, one in zip(RECORDS, together, strict=True):
        (alone,) = stage(model).apply([record], Context(tmp_path)).kept
        for name, value in one.extra.get("scores", {}).items():
            assert alone.extra["scores"][name] == pytest.approx(value, rel=1e-3)


def test_limits_drop_by_name(model, tmp_path):
    none = stage(model, max_perplexity=1.0001).apply(RECORDS, Context(tmp_path))
    assert {drop.rule for drop in none.dropped} == {"max_perplexity"} and [r.id for r in none.kept] == ["c"]
    hard = stage(model, max_ifd=0.0001).apply(RECORDS[:2], Context(tmp_path))
    assert [drop.rule for drop in hard.dropped] == ["max_ifd"] * 2
    easy = stage(model, min_ifd=100, ifd=True).apply(RECORDS[:2], Context(tmp_path))
    assert [drop.rule for drop in easy.dropped] == ["min_ifd"] * 2
    assert not stage(model, min_ifd=100, ifd=False).apply(RECORDS[:2], Context(tmp_path)).dropped


def test_an_endpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "x")
    made = Perplexity(PerplexityConfig.build({"base": "http://127.0.0.1:9/v1#m", "key_env": "SOME_KEY"}))
    with pytest.raises(ConfigError) as caught:
        made.apply(RECORDS[:1], Context(tmp_path))
    assert "本地模型" in str(caught.value)


def test_the_model_belongs_to_the_resume_key(model):
    assert stage(model).inputs() == [model]
