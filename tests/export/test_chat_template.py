"""A template as jinja gives, token for token, what our own rendering gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.export.chat_template import as_jinja, chat_template
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.tokens.chat_template import ChatTemplate
from cornucopia.tokens.render import encode_prompt
from cornucopia.tokens.template import TEMPLATES, PromptTemplate, resolve_template
from tiny_models import make_tokenizer

NAMES = sorted(path.stem for path in TEMPLATES.glob("*.json"))
# Words without control names, which a chat template cannot tell from the control token itself.
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<\x00"), min_size=1, max_size=12)
TALK = st.lists(st.tuples(WORDS, WORDS), max_size=2)


def asked(tokenizer, record):
    messages = [{"role": message.role, "content": message.content} for message in record.messages]
    documents = [{"text": passage.text} for passage in record.passages] or None
    return tokenizer.apply_chat_template(messages, documents=documents, add_generation_prompt=True, return_dict=False)


def conversation(system, talk, question, passages):
    messages = [Message("system", system)] if system else []
    for user, answer in talk:
        messages += [Message("user", user), Message("assistant", answer)]
    return Record(messages=(*messages, Message("user", question)), passages=tuple(Passage(text) for text in passages))


@pytest.fixture(scope="module")
def tokenizer(small: Path):
    from cornucopia.models.tokenizer import load_tokenizer

    return load_tokenizer(small)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(system=st.one_of(st.just(""), WORDS), talk=TALK, question=WORDS, passages=st.lists(WORDS, max_size=2))
def test_the_ids_are_those_of_our_rendering(name, tokenizer, system, talk, question, passages):
    template = resolve_template(name, tokenizer)
    tokenizer.chat_template = chat_template(template, tokenizer)
    record = conversation(system, talk, question, passages)
    assert asked(tokenizer, record) == encode_prompt(record, template, tokenizer)


@settings(max_examples=40)
@given(head=WORDS, middle=WORDS, tail=WORDS, question=WORDS, material=WORDS)
def test_any_text_may_stand_in_a_template(head, middle, tail, question, material):
    with_, without = f"{head}{{instruction}}{middle}{{input}}{tail}", f"{tail}{{instruction}}{head}"
    template, tokenizer = PromptTemplate("own", with_, without, "x"), make_tokenizer()
    tokenizer.chat_template = as_jinja(template, bos=False)
    for passages in ([], [material]):
        record = conversation("", [], question, passages)
        assert asked(tokenizer, record) == encode_prompt(record, template, tokenizer)


def test_a_template_without_a_place_for_material_gets_a_section_of_its_own():
    template, tokenizer = PromptTemplate("own", "问{instruction}答", "问{instruction}答：", "答"), make_tokenizer()
    tokenizer.chat_template = as_jinja(template, bos=False)
    record = conversation("", [], "利率", ["一年期 1.1%"])
    assert asked(tokenizer, record) == encode_prompt(record, template, tokenizer)


def test_a_models_own_template_is_kept_and_gets_the_bos_that_our_rendering_adds(tokenizer):
    own = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    for bos in ("", "{{ bos_token }}"):
        tokenizer.chat_template = bos + own
        template = ChatTemplate(tokenizer)
        record = conversation("", [], "你好", [])
        ids = encode_prompt(record, template, tokenizer)
        tokenizer.chat_template = chat_template(template, tokenizer)
        assert asked(tokenizer, record) == ids
        assert tokenizer.chat_template.count("bos_token") == 1
    plain = make_tokenizer()
    plain.chat_template = own
    assert chat_template(ChatTemplate(plain), plain) == own
