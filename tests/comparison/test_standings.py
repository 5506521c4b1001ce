"""Votes counted: ratings with what must be told, and preference pairs that training reads."""

from __future__ import annotations

import dataclasses

from cornucopia.comparison.standings import columns_of, preference_records, standings
from cornucopia.comparison.votes import Battle, Side, Vote
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.write import write_records


def battle(number=1, a="基座", b="调优后"):
    prompt = Record.build(
        {
            "messages": (Message("user", "你好"), Message("assistant", "您好。"), Message("user", f"第{number}问")),
            "passages": (Passage("材料在此。"),),
        }
    )
    return Battle(f"局{number}{a}{b}", prompt, Side(a, f"{a}答{number}"), Side(b, f"{b}答{number}"))


def votes(*cast, left="a"):
    """(battle number, voter, verdict) each."""
    return [Vote(battle(number), voter, verdict, left, "") for number, voter, verdict in cast]


def test_both_bad_counts_as_a_tie_and_is_told():
    counted = standings(votes((1, "王", "b"), (2, "王", "bad"), (3, "李", "a"), (4, "李", "b")))
    best = counted.table.ratings[0]
    assert (best.name, best.wins, best.ties, best.losses) == ("调优后", 2, 1, 1)
    assert (counted.votes, counted.voters, counted.battles, counted.bad) == (4, 2, 4, 1)
    columns, rows = columns_of(counted)
    assert rows[0][:2] == ["1", "调优后"] and len(columns) == len(rows[0])


def test_votes_on_one_question_weigh_as_one_that_was_asked_often():
    many = [(number, f"人{voter}", "ba"[number % 3 == 0]) for number in range(6) for voter in range(8)]
    apart = [Vote(battle(n), voter, verdict, "a", "") for n, (_, voter, verdict) in enumerate(many)]
    together, alone = (standings(given).table.ratings[0] for given in (votes(*many), apart))
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_a_leaning_to_one_side_is_told():
    leaning = votes(*[(number, "王", "ab"[number % 10 == 0]) for number in range(40)])
    assert any("偏向一边" in note for note in standings(leaning).notes)
    fair = [dataclasses.replace(vote, left="ab"[number % 2]) for number, vote in enumerate(leaning)]
    assert not any("偏向一边" in note for note in standings(fair).notes)


def test_pairs_follow_the_majority():
    cast = [
        (1, "王", "b"),
        (1, "李", "b"),
        (1, "张", "a"),
        (2, "王", "tie"),
        (3, "王", "a"),
        (3, "李", "b"),
        (4, "王", "bad"),
    ]
    records, left_out = preference_records(votes(*cast))
    (record,) = records
    assert record.golden == "调优后答1" and record.rejected == ((Message("assistant", "基座答1"),),)
    assert record.extra["preference"] == {
        "way": "votes", "votes": 2, "against": 1, "chosen": "调优后", "rejected": "基座",
    }  # fmt: skip
    assert left_out == {"不分高下": 2, "两种意见一样多": 1}


def test_answers_that_are_the_same_or_empty_give_no_pair():
    same, empty = (
        dataclasses.replace(battle(n), a=Side("基座", text), b=Side("调优后", f" {text}"))
        for n, text in ((1, "答"), (2, ""))
    )
    empty = dataclasses.replace(empty, b=Side("调优后", "有"))
    records, left_out = preference_records([Vote(one, "王", "b", "a", "") for one in (same, empty)])
    assert not records and left_out == {"两个回答一样": 1, "有一个回答是空的": 1}


def test_pairs_are_read_as_they_were_voted_on(tmp_path):
    path = tmp_path / "偏好.jsonl"
    records, _ = preference_records(votes((1, "王", "a"), (2, "王", "b")))
    assert write_records(path, records, "preference") == []
    read = read_records(path, rejects=False, objective="preference").records
    assert [(r.messages, r.passages, r.rejected) for r in read] == [
        (r.messages, r.passages, r.rejected) for r in records
    ]  # fmt: skip
