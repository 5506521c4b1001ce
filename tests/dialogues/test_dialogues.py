"""The bundled dialogues keep their rules; every fault is told with its file and id."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cornucopia.records.overlap import near_duplicates, overlap
from cornucopia.records.read import read_records
from cornucopia.sources.handbook import articles
from dialogue_rules import DOMAINS, KINDS, RULES, VOICES, answers, asked_alone, edges

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "instruction_data" / "dialogues"
LEAST, LEAST_CALLS = 600, 380
FILES = [HOME / f"{name}.jsonl" for name in DOMAINS if (HOME / f"{name}.jsonl").exists()]
ASKED_BEFORE = 0.5  # likeness of two questions from which one gives the other away


def read(path):
    result = read_records(path, rejects=False, objective="sft")
    assert not result.rejects and not result.notes, (path.name, result.rejects, result.notes)
    return result.records


@pytest.fixture(scope="module")
def texts():
    return {article.id: article for article in articles(ROOT / "handbook")}


@pytest.fixture(scope="module")
def dialogues():
    return [record for path in FILES for record in read(path)]


@pytest.fixture(scope="module")
def held_out():
    return read(ROOT / "instruction_data" / "infer.json")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_dialogue_keeps_the_rule(path, rule, texts):
    found = [f"{path.name} {record.id}: {told}" for record in read(path) for told in rule(record, texts)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_has_one_mould(path):
    """Of the answers of a file at most 3 %, or three, begin or end alike."""
    records = read(path)
    most = max(3, sum(len(answers(record)) for record in records) * 3 // 100)
    for told, side in (("开头", 0), ("结尾", 1)):
        counts = Counter(edge for record in records for edge in edges(record)[side])
        often = {text: count for text, count in counts.items() if count > most}
        assert not often, f"{path.name} 的{told}太多相同：{often}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_some_go_long(path):
    """A tenth of a file at the least runs to six rounds, a tenth holds an answer of 300 characters."""
    records = read(path)
    rounds = sum(sum(turn.role == "user" for turn in record.messages) >= 6 for record in records)
    long = sum(max(len(turn.content) for turn in answers(record)) >= 300 for record in records)
    assert min(rounds, long) * 10 >= len(records), f"{path.name}：6 轮以上 {rounds} 段，有 300 字回答 {long} 段"


def test_nothing_else_lies_in_the_folder():
    assert {path.name for path in HOME.iterdir()} == {path.name for path in FILES}


def test_ids_are_unique_and_there_are_enough(dialogues):
    counts = Counter(record.id for record in dialogues)
    assert [name for name, count in counts.items() if count > 1] == []
    assert len(dialogues) >= LEAST
    assert sum(bool(record.tools) for record in dialogues) >= LEAST_CALLS


def test_every_kind_and_voice_and_domain_is_there(dialogues):
    assert {record.kind for record in dialogues} == KINDS
    assert {record.extra["voice"] for record in dialogues} == VOICES
    assert {record.domain for record in dialogues} == set(DOMAINS.values())


def test_no_dialogue_is_told_twice(dialogues):
    pairs = near_duplicates(dialogues, threshold=0.3)
    assert not pairs, [(dialogues[p.left].id, dialogues[p.right].id, p.similarity) for p in pairs]


def test_first_questions_are_different(dialogues):
    first = [asked_alone(record)[0] for record in dialogues]
    pairs = near_duplicates(first, threshold=ASKED_BEFORE)
    assert not pairs, [(first[p.left].id, first[p.right].id, first[p.left].question) for p in pairs]


def test_no_held_out_question_is_asked(dialogues, held_out):
    asked = [one for record in dialogues for one in asked_alone(record)]
    pairs = overlap(asked, held_out, threshold=ASKED_BEFORE)
    assert not pairs, [(asked[p.left].id, held_out[p.right].id, asked[p.left].question) for p in pairs]
