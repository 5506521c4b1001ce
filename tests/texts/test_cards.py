"""The index cards that the bundled model is trained on: pieces of training questions with their answers, no more."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def rows(name):
    text = (ROOT / "instruction_data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("nano_cards", ROOT / "recipes" / "nano" / "cards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_card_holds_pieces_of_its_question_and_the_answer(module):
    for record in rows("fin_data.json")[:200]:
        for card in module.cards(record, random.Random(record["id"])):
            heading, answer = card["text"].split("\n", 1)
            assert answer == record["output"] and card["source"] == record["id"]
            words = heading.removeprefix(f"〔{record['domain']}〕").split(" ")
            assert words and all(word in record["instruction"] for word in words)


def test_no_held_out_record_becomes_a_card(module, tmp_path):
    module.main(ROOT / "instruction_data" / "fin_data.json", tmp_path / "cards.jsonl")
    cards = [json.loads(line) for line in (tmp_path / "cards.jsonl").read_text(encoding="utf-8").splitlines()]
    facts = [row for row in rows("fin_data.json") if row["kind"] in module.KINDS]
    assert len(cards) == module.CARDS * len(facts)
    answers = {row["output"] for row in rows("infer.json")}
    assert not [card for card in cards if card["text"].split("\n", 1)[1] in answers]


def test_the_same_file_every_time(module, tmp_path):
    for name in ("a", "b"):
        module.main(ROOT / "instruction_data" / "fin_data.json", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
