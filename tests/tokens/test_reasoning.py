"""Thinking before the answer: written where the template wants it, trained with the answer, split off again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chat_models import BARE, CHATML, FORGETFUL, LLAMA, QWEN3, with_template
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.reasoning import CLOSE, OPEN, opens_block, split_reasoning, think_block
from cornucopia.tokens.render import IGNORE, encode, encode_prompt
from cornucopia.tokens.template import PromptTemplate, resolve_template

ASKED = Message("user", "能退吗？")
THOUGHT = Record((ASKED, Message("assistant", "能，全额。", reasoning="犹豫期")))
BLOCK = "<think>\n犹豫期\n</think>\n\n"
plain = st.text(max_size=30).filter(lambda text: OPEN not in text and CLOSE not in text)


def parts(example, tokenizer):
    """(text of the trained tokens, whole text)."""
    trained = [label for label in example.labels if label != IGNORE]
    return tokenizer.decode(trained), tokenizer.decode(example.input_ids)


@given(plain.filter(str.strip), plain, st.booleans())
def test_a_block_is_split_into_what_it_was_made_of(thought, answer, opened):
    assert split_reasoning(think_block(thought, opened=opened) + answer, opened=opened) == (
        thought.strip(),
        answer.strip(),
    )


@given(plain)
def test_text_without_a_block_is_all_answer(text):
    assert split_reasoning(text) == ("", text.strip())


def test_a_block_that_was_cut_off_leaves_no_answer():
    assert split_reasoning("<think>\n先看条") == ("先看条", "")
    assert split_reasoning("先看条", opened=True) == ("先看条", "")
    assert split_reasoning("答案里提到 <think> 两个字") == ("", "答案里提到 <think> 两个字")


@pytest.mark.parametrize("name", ["fin_template", "alpaca"])
def test_the_json_templates_write_it_before_the_answer_and_train_both(name, tokenizer):
    template = resolve_template(name, tokenizer)
    trained, whole = parts(encode(THOUGHT, template, tokenizer, 500), tokenizer)
    assert trained == BLOCK + "能，全额。</s>" and whole.endswith(trained)
    asked = tokenizer.decode(encode_prompt(THOUGHT, template, tokenizer))
    assert whole == asked + trained and "犹豫期" not in asked


def test_a_prompt_that_opens_the_block_has_its_mark_once(tokenizer):
    template = PromptTemplate("t", "{instruction}{input}\n<think>\n", "{instruction}\n<think>\n", "<think>\n")
    trained, whole = parts(encode(THOUGHT, template, tokenizer, 500), tokenizer)
    assert trained == "犹豫期\n</think>\n\n能，全额。</s>" and whole.count(OPEN) == 1
    assert opens_block(tokenizer.decode(encode_prompt(THOUGHT, template, tokenizer)))


@pytest.mark.parametrize("jinja", [QWEN3, CHATML, BARE, LLAMA])
def test_chat_templates_write_it_their_way_or_before_the_answer(jinja, tokenizer):
    tokenizer = with_template(tokenizer, jinja)
    template = resolve_template("chat", tokenizer)
    trained, whole = parts(encode(THOUGHT, template, tokenizer, 500), tokenizer)
    assert trained.strip().startswith(BLOCK + "能，全额。") and whole.count(OPEN) == 1
    assert trained.rstrip().endswith(tokenizer.eos_token)


def test_a_chat_template_that_cuts_it_away_is_refused(tokenizer):
    tokenizer = with_template(tokenizer, FORGETFUL)
    with pytest.raises(DataError, match="去掉了回答前的思考过程"):
        encode(THOUGHT, resolve_template("chat", tokenizer), tokenizer, 500)


def test_only_the_last_answers_thinking_is_read(tokenizer):
    turns = (*THOUGHT.messages, ASKED, Message("assistant", "好", reasoning="再想"))
    _, whole = parts(encode(Record(turns), resolve_template("fin_template", tokenizer), tokenizer, 900), tokenizer)
    assert "犹豫期" not in whole and whole.count(OPEN) == 1 and "再想" in whole


@pytest.mark.parametrize("jinja", ["", QWEN3, CHATML])
def test_it_can_be_read_without_being_trained(jinja, tokenizer):
    tokenizer = with_template(tokenizer, jinja) if jinja else tokenizer
    template = resolve_template("chat" if jinja else "fin_template", tokenizer)
    whole = encode(THOUGHT, template, tokenizer, 500)
    answer = encode(THOUGHT, template, tokenizer, 500, train_on_reasoning=False)
    assert answer.input_ids == whole.input_ids
    assert parts(answer, tokenizer)[0] == "能，全额。" + tokenizer.eos_token


@pytest.mark.parametrize("jinja", ["", QWEN3, LLAMA])
def test_a_text_that_breaks_off_has_no_end(jinja, tokenizer):
    tokenizer = with_template(tokenizer, jinja) if jinja else tokenizer
    template = resolve_template("chat" if jinja else "fin_template", tokenizer)
    record = Record((ASKED, Message("assistant", "能，")), complete=False)
    whole = encode(replace(record, complete=True), template, tokenizer, 500)
    broken = encode(record, template, tokenizer, 500)
    assert broken.input_ids == whole.input_ids[: len(broken.input_ids)]
    assert parts(broken, tokenizer)[0].strip() == "能，" and tokenizer.eos_token_id not in broken.labels
