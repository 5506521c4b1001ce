"""Other wordings of the training questions: whose they are, that none leaks a held-out question, and the cards."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path

import pytest

from cornucopia.records.overlap import normalized, overlap
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Record

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "instruction_data"


def rows(name):
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def wordings():
    return rows("wordings.jsonl")


@pytest.fixture(scope="module")
def cards_module():
    spec = importlib.util.spec_from_file_location("nano_cards", ROOT / "recipes" / "nano" / "cards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_belongs_to_a_training_record_and_none_repeats(wordings, cards_module):
    facts = {row["id"] for row in rows("fin_data.json") if row["kind"] in cards_module.KINDS}
    assert len({row["id"] for row in wordings}) == len(wordings)
    assert {row["id"] for row in wordings} == facts
    every = [normalized(ask) for row in wordings for ask in row["ask"]]
    assert len(every) == len(set(every)) > 3 * len(facts) * 0.98
    assert not set(every) & {normalized(row["instruction"]) for row in rows("fin_data.json")}


def test_none_is_a_held_out_question(wordings):
    asked = [Record(messages=[Message("user", ask)]) for row in wordings for ask in row["ask"]]
    assert not overlap(asked, read_records(str(DATA / "infer.json")).records, threshold=0.5)


def test_cards_hold_answers_and_pieces_of_questions_only(wordings, cards_module):
    record = next(row for row in rows("fin_data.json") if row["id"] == wordings[0]["id"])
    plain = list(cards_module.headings(record, None, random.Random(1)))
    other = list(cards_module.headings(record, wordings[0]["ask"], random.Random(1)))
    assert len(plain) == cards_module.CARDS and len(other) == cards_module.EACH * (len(wordings[0]["ask"]) + 1)
    assert all(word in record["instruction"] for heading in plain for word in heading.split(" "))
    texts = "".join(wordings[0]["ask"]) + record["output"]
    assert all(word in texts for heading in other for word in heading.split(" "))
    assert record["instruction"] not in plain + other
