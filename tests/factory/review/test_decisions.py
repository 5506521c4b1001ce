"""Decisions survive, belong to what was read, and are carried out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cornucopia.core.errors import DataError
from cornucopia.factory.review.decisions import Decision, Decisions, edited, key_of, read_decisions
from cornucopia.factory.review.session import Session
from cornucopia.factory.review.stage import Reviewed, ReviewedConfig
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context

RECORDS = [
    Record(
        messages=(Message("user", f"第{n}问"), Message("assistant", f"第{n}答")),
        id=f"r{n}",
        domain="保险" if n % 2 else "基金",
        extra={"scores": {"judge": n / 10}},
    )
    for n in range(5)
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jsonl.review.jsonl"


def test_the_last_word_counts_and_is_read_again(path):
    first = Decisions(path)
    first.decide("k", Decision("accept"))
    first.decide("k", Decision("reject", note="数字不对"))
    first.decide("l", Decision("edit", {"1": "改过"}))
    first.close()
    again = Decisions(path)
    assert (again.get("k").verdict, again.get("k").note) == ("reject", "数字不对")
    assert again.get("l").turns == {"1": "改过"}
    again.decide("k", Decision(""))
    again.close()
    assert set(read_decisions(path)) == {"l"}


def test_a_cut_last_line_costs_no_other_decision(path):
    first = Decisions(path)
    first.decide("k", Decision("accept"))
    first.close()
    with path.open("ab") as file:
        file.write(b'{"key": "l", "verd')
    again = Decisions(path)
    again.decide("m", Decision("reject"))
    again.close()
    assert set(read_decisions(path)) == {"k", "m"}


def test_a_second_review_of_the_same_file_is_refused(path):
    first = Decisions(path)
    with pytest.raises(DataError, match="另一个审阅页"):
        Decisions(path)
    first.close()
    Decisions(path).close()


@pytest.mark.parametrize("line", ['{"verdict": "accept"}', "[1]", "{", '{"key": "a", "verdict": "accept", "x": 1}'])
def test_another_file_is_no_record_of_decisions(path, line):
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="不是审阅记录"):
        read_decisions(path)


def test_a_decision_belongs_to_what_was_read():
    record = RECORDS[0]
    assert key_of(record) == key_of(replace(record, id="another", origin="b.jsonl:7", extra={"scores": {"judge": 1}}))
    changed = replace(record, messages=(record.messages[0], Message("assistant", "别的答")))
    assert key_of(changed) != key_of(record)


def test_the_stage_carries_the_decisions_out(path):
    session = Session(RECORDS, decisions := Decisions(path))
    session.decide(0, Decision("accept"))
    session.decide(1, Decision("reject", note="不对"))
    session.decide(2, Decision("edit", {"1": "改后的答"}))
    decisions.close()
    outcome = Reviewed(ReviewedConfig(decisions=path)).apply(RECORDS, Context(path.parent))
    assert [record.id for record in outcome.kept] == ["r0", "r2", "r3", "r4"]
    assert outcome.kept[1].golden == "改后的答"
    assert outcome.kept[1].extra["review"]["verdict"] == "edit"
    assert [(dropped.record.id, dropped.detail) for dropped in outcome.dropped] == [("r1", "不对")]
    only = Reviewed(ReviewedConfig(decisions=path, undecided="drop")).apply(RECORDS, Context(path.parent))
    assert [record.id for record in only.kept] == ["r0", "r2"]
    with pytest.raises(DataError, match="找不到审阅记录"):
        Reviewed(ReviewedConfig(decisions=path.with_name("none"))).apply(RECORDS, Context(path.parent))


def test_what_is_left_and_in_which_order(path):
    session = Session(RECORDS, decisions := Decisions(path))
    session.decide(0, Decision("accept"))
    session.decide(3, Decision("reject"))
    assert session.queue() == [1, 2, 4]
    assert session.queue("all", domain="基金") == [0, 2, 4]
    assert session.queue("reject") == [3]
    assert session.queue("all", order="worst", words="第") == [0, 1, 2, 3, 4]
    assert session.queue("all", words="第4") == [4]
    with pytest.raises(DataError):
        session.decide(1, Decision("maybe"))  # nothing to take back
    assert session.undo() == 3
    assert session.undo() == 0
    assert session.undo() is None
    assert session.summary()["undecided"] == 5
    decisions.close()


def test_an_edit_that_changes_nothing_accepts_and_an_empty_one_is_refused(path):
    session = Session(RECORDS, decisions := Decisions(path))
    session.decide(0, Decision("edit", {"0": "第0问", "1": "第0答"}))
    assert decisions.get(key_of(RECORDS[0])).verdict == "accept"
    for turns in ({"1": "  "}, {"7": "没有这一轮"}):
        with pytest.raises(DataError):
            session.decide(1, Decision("edit", turns))
    with pytest.raises(DataError):
        session.decide(9, Decision("accept"))
    with pytest.raises(DataError):
        session.decide(0, Decision("maybe"))
    assert decisions.get(key_of(RECORDS[1])) is None
    decisions.close()


def test_a_document_is_edited_as_text():
    assert edited(Record(text="原文"), Decision("edit", {"text": "新文"})).text == "新文"
    with pytest.raises(DataError):
        edited(RECORDS[0], Decision("edit", {"text": "新文"}))
