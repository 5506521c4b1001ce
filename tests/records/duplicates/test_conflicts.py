"""The same question answered differently: all stay unless a rule chooses, and the user sees the groups."""

import json

import pytest
from tests.records.duplicates.conftest import asked

from cornucopia.records.schema import Record

RECORDS = [
    asked("公积金贷款首套利率是多少？", "五年以上为2.85%。", "a:1", score=0.5),
    asked("社保断缴怎么办", "可以补缴。", "a:2"),
    asked("公积金贷款首套利率是多少", "五年以上为3.1%，二套为3.575%。", "b:1", score=0.9),
    asked("公积金贷款首套利率是多少", "五年以上为 2.85% 。", "b:2"),
    asked("公积金贷款首套利率是多少", "", "b:3"),
]


def shown(made):
    path = made.folder / "report" / "conflicts.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def test_conflicts_stay_and_are_shown_with_the_numbers_that_differ(run):
    made = run(RECORDS, shard=2)
    assert made.rules() == [("b:2", "exact")]
    (group,) = shown(made)
    assert [(a["origin"], a["kept"], a["numbers"]) for a in group["answers"]] == [
        ("a:1", True, ["2.85%"]),
        ("b:1", True, ["3.1%", "3.575%"]),
    ]
    assert group["numbers_differ"] and group["question"] == "公积金贷款首套利率是多少？"


@pytest.mark.parametrize(("keep", "gone"), [("first", "b:1"), ("longest", "a:1"), ("best", "a:1")])
def test_a_rule_can_choose_the_answer_that_stays(run, keep, gone):
    made = run(RECORDS, keep=keep)
    assert [(one.record.origin, one.rule) for one in made.dropped if one.rule == "conflict"] == [(gone, "conflict")]
    assert [a["kept"] for a in shown(made)[0]["answers"]].count(True) == 1


@pytest.mark.parametrize("scope", ["question+answer", "text"])
def test_conflicts_are_seen_whatever_is_compared(run, scope):
    assert len(shown(run(RECORDS, scope=scope))) == 1


def test_good_and_bad_answers_to_one_question_are_no_conflict(run):
    made = run([asked("利率", "3%", "1", label=True), asked("利率", "9%", "2", label=False), Record(text="利率")])
    assert made.dropped == [] and shown(made) == []


def test_a_conflict_with_the_existing_set_names_it(run, tmp_path):
    file = tmp_path / "old.jsonl"
    file.write_text(json.dumps({"instruction": "公积金贷款首套利率是多少", "output": "3%"}) + "\n", "utf-8")
    (group,) = shown(run(RECORDS[:1], against=[file]))
    assert group["known"] == ["old.jsonl:1"]
    made = run(RECORDS[:1], against=[file], keep="first")
    assert made.rules() == [("a:1", "conflict")]


def test_groups_of_many_shards_come_in_order_and_a_second_finish_changes_nothing(run):
    records = [asked(f"问题{n % 5}号怎么办理", f"答{n}", f"{n}") for n in range(20)]
    made = run(records, shard=3)
    groups = shown(made)
    assert [group["question"] for group in groups] == [f"问题{n}号怎么办理" for n in range(5)]
    assert all([a["origin"] for a in g["answers"]] == [str(n + 5 * k) for k in range(4)] for n, g in enumerate(groups))
    assert len(shown(run(records, shard=20))) == 5
