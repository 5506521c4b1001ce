"""What came, went and changed is found whatever the order and the format, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.cli.data_diff import run
from cornucopia.core.errors import CornucopiaError
from cornucopia.records.diff import Comparison, pieces
from cornucopia.records.schema import Message, Record
from cornucopia.records.write import write_records


def qa(name: str, question: str, answer: str, **fields) -> Record:
    return Record((Message("user", question), Message("assistant", answer)), id=name, **fields)


OLD = [qa(f"q{n}", f"第{n}个问题", f"第{n}个回答，按合同办。", domain="保险") for n in range(20)]


def compare(tmp_path, left, right, *, to=("openai", "alpaca"), **settings):
    for name, records, form in (("a.jsonl", left, to[0]), ("b.jsonl", right, to[1])):
        assert write_records(tmp_path / name, records, form) == []
    compared = Comparison(tmp_path / "a.jsonl", tmp_path / "b.jsonl", **settings)
    return list(compared.changes()), compared.counts


def test_the_same_in_another_format_and_order_is_the_same(tmp_path):
    changes, counts = compare(tmp_path, OLD, OLD[::-1])
    assert changes == [] and counts.same == 20


def test_added_removed_and_changed(tmp_path):
    new = [*OLD[:5], *OLD[6:], qa("new", "新问题", "新答案")]
    new[2] = replace(
        new[2], messages=(new[2].messages[0], Message("assistant", "第2个回答，按法律办。")), domain="基金"
    )
    changes, counts = compare(tmp_path, OLD, new)
    assert [(c.kind, c.id) for c in changes] == [("changed", "q2"), ("removed", "q5"), ("added", "new")]
    assert changes[0].fields == {
        "answer": ("第2个回答，按合同办。", "第2个回答，按法律办。"), "domain": ("保险", "基金")
    }  # fmt: skip
    assert (changes[0].left, changes[1].left, changes[2].right) == ("a.jsonl:3", "a.jsonl:6", "b.jsonl:20")
    assert (counts.left, counts.right, counts.same, counts.by_field) == (20, 20, 18, {"answer": 1, "domain": 1})


def test_without_ids_questions_pair_them(tmp_path):
    left = [replace(record, id="") for record in OLD]
    right = [replace(left[0], messages=(left[0].messages[0], Message("assistant", "别的"))), *left[1:]]
    changes, _ = compare(tmp_path, left, right[::-1])
    assert [(c.kind, list(c.fields)) for c in changes] == [("changed", ["answer"])]


def test_a_new_id_alone_is_a_change_of_id(tmp_path):
    changes, _ = compare(tmp_path, OLD, [replace(OLD[0], id="别名"), *OLD[1:]])
    assert [c.fields for c in changes] == [{"id": ("q0", "别名")}]


def test_doubles_are_counted_one_by_one(tmp_path):
    twice = [replace(OLD[0], id="") for _ in range(3)]
    changes, counts = compare(tmp_path, twice, twice[:1])
    assert [c.kind for c in changes] == ["removed", "removed"] and counts.same == 1


def test_ignored_fields_do_not_count(tmp_path):
    right = [replace(record, as_of="2025-01", extra={"scores": {"quality": 0.5}}) for record in OLD]
    changes, _ = compare(tmp_path, OLD, right, ignore=["as_of", "extra.scores"])
    assert changes == []
    assert len(compare(tmp_path, OLD, right, ignore=["as_of"])[0]) == 20


def test_turns_marks_and_tools_are_compared(tmp_path):
    left = [qa("a", "问", "答")]
    right = [replace(left[0], messages=(left[0].messages[0], replace(left[0].messages[1], learnt=False)))]
    changes, _ = compare(tmp_path, left, right, to=("openai", "openai"))
    assert list(changes[0].fields) == ["answer.marks"]


def test_one_side_empty_of_what_the_other_has(tmp_path):
    changes, counts = compare(tmp_path, OLD[:1], OLD[1:])
    assert counts.added == 19 and counts.removed == 1 and len(changes) == 20


@given(st.text(max_size=60), st.text(max_size=60))
def test_pieces_lead_from_one_text_to_the_other(before, after):
    runs = list(pieces(before, after))
    assert "".join(text for tag, text in runs if tag != "+") == before
    assert "".join(text for tag, text in runs if tag != "-") == after


def test_long_texts_are_compared_by_line():
    before = "".join(f"第{n}行\n" for n in range(2000))
    runs = list(pieces(before, before.replace("第7行", "第七行", 1)))
    assert [(tag, text) for tag, text in runs if tag != " "] == [("-", "第7行\n"), ("+", "第七行\n")]


def test_the_command(tmp_path, capsys):
    write_records(tmp_path / "a.jsonl", OLD, "openai")
    write_records(
        tmp_path / "b.csv", [*OLD[:-1], qa("q19", "第19个问题", "第19个回答，按规定办。", domain="保险")], "alpaca"
    )
    assert run([str(tmp_path / "a.jsonl"), str(tmp_path / "b.csv")]) == 1
    out = capsys.readouterr().out
    assert "按[-合同-]{+规定+}办" in out and "改动 1" in out
    assert run([str(tmp_path / "a.jsonl"), str(tmp_path / "a.jsonl")]) == 0
    capsys.readouterr()
    run([str(tmp_path / "a.jsonl"), str(tmp_path / "b.csv"), "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["fields"]["answer"][1] == "第19个回答，按规定办。" and rows[-1]["changed"] == 1
    with pytest.raises(CornucopiaError):
        run([str(tmp_path / "a.jsonl")])
