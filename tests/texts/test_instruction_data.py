"""The bundled questions and answers: whole, sourced, unique, and held-out questions not given away."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from cornucopia.finance.calculator import find
from cornucopia.records.overlap import near_duplicates, overlap
from cornucopia.records.read import read_records
from cornucopia.records.rephrase import read_wordings, rephrase
from cornucopia.records.sameness import comparable, normalized

ROOT = Path(__file__).resolve().parents[2]
ORIGINAL_DOMAINS = {"保险", "理财", "股票", "基金", "贷款", "信用卡", "社保"}
DOMAINS = ORIGINAL_DOMAINS | {"税务债券与宏观"}
TRAINING_KINDS = {"qa", "calc", "task", "multi-turn", "conduct"}
HELD_OUT_KINDS = {"paraphrase", "unseen", "conduct", "calc", "task"}
REFERENCES = {"article", "of", "task", "calculator", "inputs", "topic"}
MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
YEAR = re.compile(r"(?<!\d)(19|20)\d\d(?!\d)")


@pytest.fixture(scope="module")
def training():
    return read_whole("fin_data.json")


@pytest.fixture(scope="module")
def held_out():
    return read_whole("infer.json")


@pytest.fixture(scope="module")
def both(training, held_out):
    return [*training, *held_out]


def read_whole(name):
    """The records of a file that must have no bad row and no note (doubled id, other encoding)."""
    result = read_records(ROOT / "instruction_data" / name, rejects=False, objective="sft")
    assert not result.rejects and not result.notes
    return result.records


def told(pairs, left, right):
    """Pairs as a reader can find them."""
    return [(left[p.left].id, right[p.right].id, p.similarity) for p in pairs]


def test_every_record_has_its_provenance(both):
    for record in both:
        assert record.domain in DOMAINS, record.id
        assert record.source.strip() and MONTH.fullmatch(record.as_of), record.id
        assert all(message.content.strip() for message in record.messages), record.id
        assert [m.role for m in record.messages] == ["user", "assistant"] * (len(record.messages) // 2), record.id
        assert record.id != record.origin, f"{record.origin} has no id of its own"


def test_kinds(training, held_out):
    assert {record.kind for record in training} == TRAINING_KINDS
    assert {record.kind for record in held_out} == HELD_OUT_KINDS
    tasks = {record.extra["task"] for record in training if record.kind == "task"}
    assert tasks == {record.extra["task"] for record in held_out if record.kind == "task"} and len(tasks) >= 7


def test_ids_are_unique(both):
    doubled = [name for name, count in Counter(record.id for record in both).items() if count > 1]
    assert not doubled


def test_enough_of_every_domain(training, held_out):
    counts = Counter(record.domain for record in training)
    assert len(training) >= 210 and all(counts[domain] >= 30 for domain in ORIGINAL_DOMAINS), counts
    assert len(held_out) >= 35 and {record.domain for record in held_out} >= ORIGINAL_DOMAINS


def test_answers_are_neither_scraps_nor_essays(both):
    wrong = [(record.id, len(record.golden)) for record in both if not 30 <= len(record.golden) <= 400]
    assert not wrong


def test_training_questions_are_different(training):
    pairs = near_duplicates(training)
    assert not pairs, told(pairs, training, training)


def test_held_out_questions_are_different(held_out):
    pairs = near_duplicates(held_out)
    assert not pairs, told(pairs, held_out, held_out)


def test_no_held_out_question_is_in_training(training, held_out):
    pairs = overlap(training, held_out, threshold=0.5)
    assert not pairs, told(pairs, training, held_out)
    assert not {comparable(r) for r in training} & {comparable(r) for r in held_out}


def test_references_lead_somewhere(training, both):
    by_id = {record.id: record for record in training}
    for record in both:
        article, origin = record.extra.get("article"), record.extra.get("of")
        assert set(record.extra) <= REFERENCES, (record.id, record.extra)
        assert article is None or (ROOT / "handbook" / f"{article}.md").is_file(), (record.id, article)
        assert origin is None or (origin in by_id and by_id[origin].domain == record.domain), (record.id, origin)
        assert (record.kind == "paraphrase") == (origin is not None), record.id


def test_every_answer_can_be_traced_to_a_dated_source_or_a_calculator(both):
    untraced = [r.id for r in both if not YEAR.search(r.source) and "calculator" not in r.extra]
    assert not untraced


def test_every_calculated_answer_can_be_calculated_again(both):
    rows = [record for record in both if record.kind == "calc"]
    assert rows
    for record in rows:
        calculator = find(record.extra["calculator"])
        result = calculator.solve(calculator.inputs.build(record.extra["inputs"], where=record.id))
        assert any(value.text() in record.golden for value in result.values.values()), record.id


def test_other_wordings_are_of_facts_and_many_and_give_no_held_out_question_away(training, held_out):
    wordings = read_wordings(ROOT / "instruction_data" / "wordings.json")
    assert set(wordings) == {record.id for record in training if record.kind in {"qa", "conduct", "multi-turn"}}
    asked = [text for texts in wordings.values() for text in texts]
    assert min(map(len, wordings.values())) >= 14 and len(set(asked)) == len(asked) == 19_193
    own = {comparable(record) for record in training}
    assert not [text for text in asked if normalized(text) in own], "asked already, maybe with another answer"
    more = list(rephrase(training, wordings, 0))
    assert not told(overlap(more, held_out), more, held_out)


def test_answers_address_the_reader_in_one_way(both):
    answers = [(r.id, m.content) for r in both if r.kind != "task" for m in r.messages if m.role == "assistant"]
    assert not [name for name, text in answers if "您" in text], "您 belongs to the letters that tasks ask for"


def test_no_fact_is_older_than_the_source_it_stands_on(both):
    dated = re.compile(r"〔(20\d\d)〕|公告(20\d\d)年|[（，](20\d\d)年")
    for record in both:
        if record.kind in {"qa", "conduct", "multi-turn", "paraphrase", "unseen"}:
            years = [max(groups) for groups in dated.findall(record.source)]
            assert max(years, default="") <= record.as_of[:4], (record.id, record.as_of, record.source)


def test_nothing_that_has_ended_is_called_the_rule_of_today(both):
    ended = re.compile(r"(?:现行|目前)[^。；]*(?:到|至)20(?:1\d|2[0-5])年")
    assert not [record.id for record in both if record.kind not in {"calc", "task"} and ended.search(record.golden)]
