"""Both answers of a pair follow the same prompt, and nothing but them is trained."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.pairs import encode_marked, encode_pairs, prompt_length
from cornucopia.tokens.render import BAD, GOOD, IGNORE, NEXT
from cornucopia.tokens.template import resolve_template
from tiny_models import make_tokenizer

TOKENIZER = make_tokenizer()
TEMPLATE = resolve_template("fin_template", TOKENIZER)
WORDS = st.text("金融保险a ", min_size=1, max_size=40).filter(str.strip)


def record(*turns, rejected="坏", **fields):
    messages = tuple(Message("user" if place % 2 == 0 else "assistant", text) for place, text in enumerate(turns))
    return Record(messages, rejected=((Message("assistant", rejected),),), **fields)


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS, WORDS, WORDS, WORDS, st.integers(150, 400))
def test_one_prompt_two_answers(first, answer, question, chosen, rejected, cutoff):
    asked = record(first, answer, question, chosen, rejected=rejected)
    if chosen == rejected:
        return
    try:
        (example,) = encode_pairs(asked, TEMPLATE, TOKENIZER, cutoff)
    except DataError:
        return
    one, two = example.sequences()
    lengths = [prompt_length(sequence) for sequence in (one, two)]
    assert lengths[0] == lengths[1] and one.input_ids[: lengths[0]] == two.input_ids[: lengths[0]]
    assert max(len(one.input_ids), len(two.input_ids)) <= cutoff
    assert two.labels[0] == NEXT and one.labels[0] == IGNORE
    for sequence, said in ((one, chosen), (two, rejected)):
        trained = [label for label in sequence.labels if label >= 0]
        assert (said + "</s>").startswith(TOKENIZER.decode(trained)) or TOKENIZER.decode(trained).startswith("�")
        assert trained == sequence.input_ids[lengths[0] :]


def test_earlier_answers_are_read():
    (example,) = encode_pairs(record("甲", "乙", "丙", "丁"), TEMPLATE, TOKENIZER, 512)
    assert TOKENIZER.decode([label for label in example.sequences()[0].labels if label >= 0]) == "丁</s>"


def test_several_rejected_answers_are_several_pairs():
    asked = record("问", "好")
    asked = Record(asked.messages, rejected=((Message("assistant", "坏"),), (Message("assistant", "更坏"),)))
    assert len(encode_pairs(asked, TEMPLATE, TOKENIZER, 512)) == 2


def test_marked_answers():
    plain = [Record(record("问", "答").messages, label=label) for label in (True, False)]
    (good,), (bad,) = (encode_marked(one, TEMPLATE, TOKENIZER, 512) for one in plain)
    assert (good.labels[0], bad.labels[0]) == (GOOD, BAD) and good.input_ids == bad.input_ids
    assert good.supervised == bad.supervised == len("答".encode()) + 1


def test_a_pair_is_a_good_answer_and_a_bad_one():
    good, bad = encode_marked(record("问", "好", rejected="坏"), TEMPLATE, TOKENIZER, 512)
    assert (good.labels[0], bad.labels[0]) == (GOOD, BAD)
    assert [TOKENIZER.decode([i for i in e.labels if i >= 0]) for e in (good, bad)] == ["好</s>", "坏</s>"]


@pytest.mark.parametrize("made", [record("问", "同", rejected="同"), Record(record("问", "答").messages)])
def test_nothing_to_compare(made):
    with pytest.raises(DataError):
        encode_pairs(made, TEMPLATE, TOKENIZER, 512)
    with pytest.raises(DataError):
        encode_marked(Record(made.messages), TEMPLATE, TOKENIZER, 512)
