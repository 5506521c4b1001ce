"""The stage that compares answers with their sources."""

from __future__ import annotations

from cornucopia.records.evidence import Evidence
from cornucopia.records.ground import Ground, GroundConfig
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stage import Context


def record(answer, material="", quote=""):
    extra = {"evidence": [Evidence("d", quote).to_dict()]} if quote else {}
    turns = (Message("user", "多少？"), Message("assistant", answer))
    return Record(turns, passages=(Passage(material),) if material else (), extra=extra)


RECORDS = [
    record("利率3%，期限5年。", material="年利率3%，五年期。"),
    record("利率3%，期限6年。", material="年利率3%，五年期。"),
    record("利率3%。", quote="执行3%的利率。"),
    record("利率4%。"),
    record("没有数字。", material="材料。"),
    Record(text="整篇文章 3%"),
]


def run(tmp_path, **settings):
    return Ground(GroundConfig(**settings)).apply(RECORDS, Context(tmp_path))


def test_scores_and_reasons_are_kept(tmp_path):
    outcome = run(tmp_path)
    assert [one.extra.get("scores", {}).get("grounded") for one in outcome.kept] == [1.0, 0.5, 1.0, None, None, None]
    assert outcome.kept[1].extra["flaws"]["grounded"] == "出处里没有：数字「6年」"
    assert outcome.counts == {"grounded": 1} and not outcome.dropped


def test_what_the_source_lacks_goes_when_asked(tmp_path):
    outcome = run(tmp_path, drop=True)
    assert [(one.rule, one.detail) for one in outcome.dropped] == [("grounded", "出处里没有：数字「6年」")]
    assert not run(tmp_path, drop=True, least=0.5).dropped
    assert [one.rule for one in run(tmp_path, unsourced=True).dropped] == ["unsourced"]
