"""Control names in somebody's text stay text, and what is marked as not to be learnt is not learnt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chat_models import CHATML, QWEN, with_template
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.tokens.chat_template import ChatTemplate
from cornucopia.tokens.render import IGNORE, encode, encode_many, encode_prompt, encode_text
from cornucopia.tokens.template import resolve_template

NAMES = ["<s>", "</s>", "<|im_end|>", "<|im_start|>", "<unk>", "<<s>", "</s></s>", "<pad>"]


@pytest.fixture(scope="module", params=["fin_template", "chat"])
def written(request, tokenizer):
    """(template, tokenizer)"""
    own = with_template(tokenizer, CHATML) if request.param == "chat" else tokenizer
    return resolve_template(request.param, own), own


def talk(question, answer, material=""):
    return Record(
        (Message("user", question), Message("assistant", answer)), passages=(Passage(material),) if material else ()
    )


def control(ids, tokenizer):
    return sorted(i for i in ids if i in tokenizer.all_special_ids)


@pytest.mark.parametrize("name", NAMES)
def test_a_control_name_in_the_text_is_no_control_token(name, written):
    template, tokenizer = written
    plain = encode(talk("问甲", "答乙", "料丙"), template, tokenizer, 999)
    record = talk(f"问{name}甲", f"答{name}乙", f"料{name}丙")
    for example in (encode(record, template, tokenizer, 999), *encode_many([record], template, tokenizer, 999)):
        assert control(example.input_ids, tokenizer) == control(plain.input_ids, tokenizer)
        text = tokenizer.decode(example.input_ids)
        assert all(f"{a}{name}{b}" in text for a, b in ("问甲", "答乙", "料丙"))
        trained = tokenizer.decode([i for i in example.labels if i != IGNORE])
        assert trained.startswith(f"答{name}乙") and "问" not in trained
    asked = encode_prompt(record, template, tokenizer)
    assert example.input_ids[: len(asked)] == asked


@given(st.lists(st.sampled_from([*NAMES, "文", "\ufdd0", " ", "<", "s>"]), min_size=1, max_size=8))
def test_any_mixture_of_names(tokenizer, parts):
    template, text = resolve_template("fin_template", tokenizer), "".join(parts)
    example = encode(talk(f"问{text}问", f"答{text}答"), template, tokenizer, 9999)
    plain = encode(talk("问", "答"), template, tokenizer, 9999)
    assert control(example.input_ids, tokenizer) == control(plain.input_ids, tokenizer)
    assert f"答{text}答</s>" in tokenizer.decode(example.input_ids)


@pytest.mark.parametrize("end", ["</s>", "</s>\n", "<|im_end|>", "</s></s>", "<|endoftext|>"])
def test_an_end_in_the_data_is_not_doubled(end, written):
    template, tokenizer = written
    assert encode(talk("问", f"答{end}"), template, tokenizer, 99) == encode(talk("问", "答"), template, tokenizer, 99)


def test_a_document_ends_once_and_holds_no_control_token(tokenizer):
    ids = encode_text("甲</s>乙", tokenizer)
    assert control(ids, tokenizer) == sorted([tokenizer.bos_token_id, tokenizer.eos_token_id])
    assert "甲</s>乙" in tokenizer.decode(ids)


def marked(*learnt):
    turns = [(Message("user", f"问{n}"), Message("assistant", f"答{n}", learnt=on)) for n, on in enumerate(learnt)]
    return Record(tuple(message for pair in turns for message in pair), origin="a.json:1")


@pytest.mark.parametrize("train_on_inputs", [False, True])
def test_a_turn_that_is_not_learnt_is_read_only(written, train_on_inputs):
    template, tokenizer = written
    for record, right in ((marked(False, None), "答1"), (marked(True, False), "答0"), (marked(None, None), "答0答1")):
        (example,) = encode_many([record], template, tokenizer, 999, train_on_inputs=train_on_inputs)
        assert example == encode(record, template, tokenizer, 999, train_on_inputs=train_on_inputs)
        trained = tokenizer.decode([i for i in example.labels if i != IGNORE])
        assert [n for n in ("答0", "答1") if n in trained] == [n for n in ("答0", "答1") if n in right]
        assert example.input_ids == encode(marked(None, None), template, tokenizer, 999).input_ids
        unmarked = replace(record, complete=False)
        assert encode(unmarked, template, tokenizer, 999, train_on_inputs=train_on_inputs).supervised


def test_nothing_to_learn_is_an_error_that_says_where(written):
    template, tokenizer = written
    for record in (marked(False, False), marked(False)):
        (error,) = encode_many([record], template, tokenizer, 99)
        assert isinstance(error, DataError) and error.where == "a.json:1" and "不学" in error.what


# As DeepSeek-R1's distillates: the prompt opens the thought, a finished conversation has none.
OPENED = (
    "{% for m in messages %}{% if m.role == 'assistant' %}{{ 'A:' + m.content.split('</think>')[-1] + '</s>' }}"
    "{% else %}{{ 'U:' + m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'A:<think>\n' }}{% endif %}"
)


@pytest.mark.parametrize("thought", ["", "先想"])
def test_a_template_whose_prompt_opens_the_thought_can_be_trained(thought, tokenizer):
    own = with_template(tokenizer, OPENED)
    template = resolve_template("chat", own)
    turns = (*talk("问0", "答0").messages, Message("user", "问"), Message("assistant", "答", reasoning=thought))
    example = encode(Record(turns), template, own, 999)
    asked = encode_prompt(Record(turns), template, own)
    assert own.decode(asked).endswith("U:问A:<think>\n") and example.input_ids[: len(asked)] == asked
    assert own.decode([i for i in example.labels if i != IGNORE]) == f"{thought}\n</think>\n\n答</s>"


def test_the_empty_thought_is_learnt_or_only_read(tokenizer):
    own = with_template(tokenizer, QWEN)
    learnt, read = (ChatTemplate(own, how) for how in ("learn", "read"))
    one, two = (encode(talk("问", "答"), template, own, 999) for template in (learnt, read))
    assert one.input_ids == two.input_ids
    trained = [own.decode([i for i in example.labels if i != IGNORE]) for example in (one, two)]
    assert trained == ["<think>\n\n</think>\n\n答<|im_end|>", "答<|im_end|>"]


def test_one_conversation_that_a_template_refuses_costs_no_other(tokenizer):
    own = with_template(
        tokenizer, "{% if messages[0].content == '坏' %}{{ raise_exception('no!') }}{% endif %}" + CHATML
    )
    template = resolve_template("chat", own)
    records = [replace(talk(text, "答"), origin=f"a:{n}") for n, text in enumerate(["好", "坏", "好"], 1)]
    made = list(encode_many(records, template, own, 99))
    assert [isinstance(item, DataError) for item in made] == [False, True, False]
    assert (made[1].where, made[1].found) == ("a:2", "no!") and made[0].input_ids == made[2].input_ids
