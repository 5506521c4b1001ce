"""The reward stage: every answer of a record scored, ranked and sifted; export of what it scores with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cornucopia.adapters.reward import open_reward
from cornucopia.core.errors import CornucopiaError
from cornucopia.export.plan import ExportOptions
from cornucopia.export.run import export
from cornucopia.factory.reward import RewardConfig, RewardScore
from cornucopia.models.spec import ModelSpec
from cornucopia.records.formats import to_record
from cornucopia.records.stage import Context

ROWS = [
    {"id": f"r{n}", "instruction": f"问题{n}", "chosen": "好" * (n % 3 + 1), "rejected": ["坏答" * (n % 2 + 1), "差"]}
    for n in range(4)
]


@pytest.fixture(scope="module")
def judge(small, tmp_path_factory):
    """A reward model's adapter with random weights, as PEFT writes it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(small, num_labels=1, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="SEQ_CLS", init_lora_weights=False)
    folder = tmp_path_factory.mktemp("judge") / "adapter"
    get_peft_model(model, config).save_pretrained(folder)
    return folder


def done(small, judge, rows, **settings):
    config = RewardConfig(base=str(small), adapter=str(judge), template="fin_template", dtype="float32", **settings)
    records = [to_record(dict(row))[0] for row in rows]
    return records, RewardScore(config).apply(records, Context(Path(), seed=0))


def test_answers_are_scored_and_the_best_comes_first(small, judge):
    records, plain = done(small, judge, ROWS)
    _, ranked = done(small, judge, ROWS, best_first=True)
    assert plain.counts["agrees"] + plain.counts["disagrees"] == 4 == len(plain.kept)
    assert ranked.counts["reordered"] == plain.counts["disagrees"] > 0
    for record, before, after in zip(records, plain.kept, ranked.kept, strict=True):
        assert (before.messages, before.rejected) == (record.messages, record.rejected)
        scores = after.extra["scores"]
        assert scores["reward_margin"] >= 0 and scores["reward"] >= before.extra["scores"]["reward"]
        assert 0 < scores["reward_sigmoid"] < 1
        assert {a[-1].content for a in (after.messages, *after.rejected)} == {
            a[-1].content for a in (record.messages, *record.rejected)
        }


def test_low_scores_and_small_margins_go(small, judge):
    _, plain = done(small, judge, ROWS)
    found = [one.extra["scores"] for one in plain.kept]
    middle = sorted(one["reward"] for one in found)[2]
    _, outcome = done(small, judge, ROWS, min_reward=middle)
    assert len(outcome.kept) == 2 and {one.rule for one in outcome.dropped} == {"min_reward"}
    _, outcome = done(small, judge, ROWS, min_margin=0)
    assert len(outcome.kept) == sum(one["reward_margin"] >= 0 for one in found)


def test_what_has_no_answer_stays_unscored(small, judge):
    _, outcome = done(small, judge, [{"instruction": "只有问题"}, {"text": "一篇文章"}, ROWS[0]])
    assert outcome.counts["unscored"] == 2 and len(outcome.kept) == 3


def test_merged_it_scores_the_same(small, judge, tmp_path):
    made = export(ExportOptions(base=str(small), adapter=[str(judge)], out=str(tmp_path / "whole")))
    assert made["scores"]
    card = (tmp_path / "whole" / "README.md").read_text("utf-8")
    assert "AutoModelForSequenceClassification" in card and "chat" not in card
    records = [to_record(dict(row))[0] for row in ROWS]
    settings = {"template": "fin_template", "dtype": "float32", "device": "cpu"}
    apart = open_reward(ModelSpec(base=str(small), adapter=str(judge), **settings)).score(records)
    whole = open_reward(ModelSpec(base=str(tmp_path / "whole"), **settings)).score(records)
    assert whole == pytest.approx(apart, abs=1e-4)
    assert len(json.loads((tmp_path / "whole" / "config.json").read_text("utf-8"))["id2label"]) == 1
    with pytest.raises(CornucopiaError, match="GGUF"):
        export(ExportOptions(base=str(small), adapter=[str(judge)], out=str(tmp_path / "x.gguf"), gguf="f16"))
