"""What nano reads first: every fact has its own topic word, nothing held out is read, the same files every time."""

from __future__ import annotations

import importlib
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from cornucopia.models.tokenizer import load_tokenizer

ROOT = Path(__file__).resolve().parents[2]
NANO = ROOT / "base_models" / "nano"


@pytest.fixture(scope="module")
def index():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "recipes" / "nano"))
        patch.chdir(ROOT)
        yield importlib.import_module("index")


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(NANO)


@pytest.fixture(scope="module")
def read(index):
    return index.wordings()


def held_out_questions():
    lines = (ROOT / "instruction_data" / "infer.json").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["instruction"] for line in lines if line.strip()}


def test_no_held_out_question_is_read(read):
    _, asked, kept = read
    texts = {text for wordings in asked.values() for text in wordings}
    assert not texts & held_out_questions()
    assert not texts & set(kept.values()) and not set(kept.values()) & held_out_questions()


def test_every_fact_has_many_wordings_and_some_have_one_kept_back(index, read):
    facts, asked, kept = read
    assert len(facts) >= 1200 and set(asked) == {fact["id"] for fact in facts}
    assert min(map(len, asked.values())) >= 10 and len(kept) == index.HELD


def test_a_topic_word_is_one_token_that_no_other_fact_has(index, read, tokenizer):
    facts, asked, _ = read
    topic = index.topics(facts, asked, tokenizer)
    assert set(topic) == {fact["id"] for fact in facts} and len(set(topic.values())) == len(facts)
    for word in topic.values():
        assert len(tokenizer.encode("\n" + word, add_special_tokens=False)) == 2, word


def test_the_topic_word_is_the_one_its_wordings_share(index, tokenizer):
    facts = [{"id": "a", "output": "犹豫期内退保"}, {"id": "b", "output": "提前还款"}]
    asked = {"a": ["犹豫期退保", "犹豫期多久"], "b": ["提前还款收费吗", "提前还房贷"]}
    topic = index.topics(facts, asked, tokenizer)
    assert topic["a"] in "犹豫期退保" and topic["b"] in "提前还款收费房贷"


def test_words_are_left_out_but_never_all(index, tokenizer):
    text = "刚买的保险后悔了，多久之内退能拿回全部保费？"
    rng = random.Random(0)
    thinned = [index.thinned(text, tokenizer, rng) for _ in range(200)]
    assert all(thinned) and len(set(thinned)) > 100 and text in thinned
    assert all(set(one) <= set(text) for one in thinned)


def test_the_same_lines_every_time_and_each_wording_in_every_pass(index, read, tokenizer):
    facts, asked, _ = read
    some = facts[:20]
    made = list(index.index(some, asked, tokenizer))
    assert made == list(index.index(some, asked, tokenizer))
    times = Counter(row["source"] for row in made)
    assert times == {fact["id"]: index.PASSES * len(asked[fact["id"]]) for fact in some}
    topic = index.topics(some, asked, tokenizer)
    assert all(row["output"] == topic[row["source"]] for row in made)
