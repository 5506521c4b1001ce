"""Statistics count what is there."""

from __future__ import annotations

import json

from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stats import Tally, compute_stats


def record(question: str, answer: str = "", **fields: str) -> Record:
    turns = (Message("user", question), *([Message("assistant", answer)] if answer else []))
    return Record(turns, **fields)


def test_counts_lengths_and_contradictions():
    stats = compute_stats(
        [
            record("什么是利率", "价格", domain="贷款", kind="qa"),
            record("什么是利率？", "利息的比率", domain="贷款"),
            record("什么是利率", "价格", domain="存款"),
            record("没有答案的问题"),
            Record(text="一篇公告"),
            Record(
                (Message("user", "早"), Message("assistant", "好"), Message("user", "再问")),
                passages=(Passage("材料"),),
            ),
        ]
    )
    assert (stats.records, stats.documents, stats.unanswered, stats.multi_turn) == (6, 1, 2, 1)
    assert stats.domains == {"（未标）": 3, "贷款": 2, "存款": 1}
    assert (stats.exact_duplicates, stats.contradictions) == (2, 1)
    assert stats.lengths["document"].total == 4 and stats.lengths["material"].count == 1
    assert (stats.lengths["answer"].minimum, stats.lengths["answer"].maximum) == (1, 5)
    json.dumps(stats.to_dict())


def test_near_duplicates_leave_out_equal_ones():
    base = "个人住房贷款提前还款需要支付违约金吗"
    stats = compute_stats([record(base, "要"), record(base, "要"), record("请问" + base, "要")])
    assert [(pair.left, pair.right) for pair in stats.near] == [(0, 2)]


def test_scores_flaws_licences_and_sources():
    scored = [
        record("问甲", "答", licence="CC0", source="保险法", **{"extra": {"scores": {"quality": n / 10}, "flaws": {}}})
        for n in range(11)
    ]
    scored[0].extra["flaws"] = {"ending": "断了"}
    stats = compute_stats(scored)
    assert stats.licences == {"CC0": 11} and stats.sources == {"保险法": 11} and stats.flaws == {"ending": 1}
    quality = stats.scores["quality"]
    assert (quality.count, quality.minimum, quality.median, quality.maximum) == (11, 0, 0.5, 1)
    json.dumps(stats.to_dict())


def test_tokens_are_counted_part_by_part():
    tally = Tally(measure=lambda text: 2 * len(text))
    tally.add(record("什么是利率", "价格"))
    stats = tally.stats()
    assert (stats.tokens["question"].total, stats.tokens["answer"].total) == (10, 4)


def test_only_the_first_records_are_compared_and_kept():
    tally = Tally(compared=2)
    base = "个人住房贷款提前还款需要支付违约金吗"
    for text in (base, "请问" + base, "您好" + base):
        tally.add(record(text, "长" * 1000))
    stats = tally.stats()
    assert stats.records == 3 and stats.compared == 2 and len(stats.near) == 1
    assert all(len(kept.messages) == 1 for kept in tally.asked)


def test_nothing_at_all():
    assert compute_stats([]).to_dict()["records"] == 0
