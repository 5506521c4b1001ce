"""What nano reads: every fact has its own topic word, nothing held out is read, the same files every time."""

from __future__ import annotations

import importlib
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.tokens.reasoning import split_reasoning

ROOT = Path(__file__).resolve().parents[2]
NANO = ROOT / "base_models" / "nano"


@pytest.fixture(scope="module")
def load():
    """The build's scripts as modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "recipes" / "nano"))
        patch.chdir(ROOT)
        yield importlib.import_module


@pytest.fixture(scope="module")
def facts(load):
    return load("facts")


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(NANO)


@pytest.fixture(scope="module")
def read(facts):
    return facts.wordings()


def held_out_questions():
    lines = (ROOT / "instruction_data" / "infer.json").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["instruction"] for line in lines if line.strip()}


def test_no_held_out_question_is_read(facts, read):
    _, asked, kept = read
    texts = {text for wordings in asked.values() for text in wordings}
    assert not texts & held_out_questions()
    assert not texts & set(kept.values()) and not set(kept.values()) & held_out_questions()
    lines = {line for row in facts.texts() for line in row["text"].split("\n")}
    assert not lines & (held_out_questions() | set(kept.values()))


def test_every_fact_has_many_wordings_and_some_have_one_kept_back(facts, read):
    rows, asked, kept = read
    assert len(rows) >= 1200 and set(asked) == {fact["id"] for fact in rows}
    assert min(map(len, asked.values())) >= 10 and len(kept) == facts.HELD


def test_a_topic_is_a_word_that_no_other_fact_has(read, tokenizer):
    rows, asked, _ = read
    topics = [fact["topic"] for fact in rows]
    assert len(set(topics)) == len(rows)
    assert all(len(topic) > 1 and all("一" <= c <= "鿿" for c in topic) for topic in topics)
    single = sum(len(tokenizer.encode(topic, add_special_tokens=False)) == 1 for topic in topics)
    assert single >= 0.97 * len(topics)
    shared = sum(sum(fact["topic"] in text for text in [*asked[fact["id"]], fact["output"]]) >= 2 for fact in rows)
    assert shared >= 0.8 * len(rows)


def test_a_topic_is_the_word_its_wordings_share_and_one_given_stays(load, tokenizer):
    rows = [{"id": "a", "output": "犹豫期内退保"}, {"id": "b", "output": "提前还款"}]
    asked = {"a": ["犹豫期退保", "犹豫期多久"], "b": ["提前还款收费吗", "提前还房贷"]}
    topics = load("topics").topics(rows, asked, tokenizer)
    assert topics["a"] in "犹豫期退保" and topics["b"] in "提前还款收费房贷"
    rows[0]["topic"] = topics["b"]
    again = load("topics").topics(rows, asked, tokenizer)
    assert again["a"] == topics["b"] and again["b"] not in (topics["b"], None)


def test_words_are_left_out_but_never_all(facts, tokenizer):
    text = "刚买的保险后悔了，多久之内退能拿回全部保费？"
    rng = random.Random(0)
    thinned = [facts.thinned(text, tokenizer, rng) for _ in range(200)]
    assert all(thinned) and len(set(thinned)) > 100 and text in thinned
    assert all(set(one) <= set(text) for one in thinned)


def test_the_same_lines_every_time_and_each_wording_in_every_pass(facts, read, tokenizer):
    rows, asked, _ = read
    some = rows[:20]
    made = list(facts.index(some, asked, tokenizer))
    assert made == list(facts.index(some, asked, tokenizer))
    assert Counter(row["source"] for row in made) == {
        fact["id"]: facts.PASSES * len(asked[fact["id"]]) for fact in some
    }
    topic = {fact["id"]: fact["topic"] for fact in some}
    assert all(row["output"] == topic[row["source"]] and row["complete"] is False for row in made)


def test_answers_stand_behind_their_topic_among_index_lines(facts, read, tokenizer):
    rows, asked, _ = read
    some = rows[:20]
    made = facts.answers(some, asked, tokenizer)
    assert made == facts.answers(some, asked, tokenizer)
    whole = [row for row in made if row.get("complete", True)]
    assert Counter(row["source"] for row in whole) == {fact["id"]: facts.TOLD for fact in some}
    by_id = {fact["id"]: fact for fact in some}
    for row in whole:
        assert split_reasoning(row["output"], opened=True) == (
            by_id[row["source"]]["topic"],
            by_id[row["source"]]["output"],
        )
    assert len(made) - len(whole) == facts.AGAIN * sum(len(asked[fact["id"]]) for fact in some)
