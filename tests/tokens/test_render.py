"""The loss mask: exactly the answer and its end, whatever the template, tokenizer and length."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chat_models import BARE, CHATML, LLAMA, QWEN, with_template
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.tokens.render import IGNORE, encode, encode_many, encode_prompt, encode_text, starts_with_bos
from cornucopia.tokens.template import TEMPLATES, PromptTemplate, resolve_template
from tiny_models import make_tokenizer

BUNDLED = sorted(path.stem for path in TEMPLATES.glob("*.json"))
CHAT = {"chatml": CHATML, "llama": LLAMA, "bare": BARE}


def turn(question, answer):
    return (Message("user", question), Message("assistant", answer))


def given_text(question, answer, material):
    return Record(turn(question, answer), passages=(Passage(material),) if material else ())


CONVERSATIONS = {
    "single": Record(turn("等额本息怎么算？", "每月还款额相同。")),
    "material": given_text("归纳下文", "净值下跌。\n注意风险", "基金净值下跌3%。"),
    "turns": Record((*turn("什么是犹豫期", "15天。"), *turn("能退吗", "能，全额。"), *turn("然后", "好"))),
    "system": Record((Message("system", "你是理财顾问"), *turn("问", "答"))),
    "spaces": Record(turn(" 问  题 ", "  两格\n\n- 甲\n- 乙 😀 龘")),
    "braces": given_text("{input}与{instruction}", "{output}", "{instruction}"),
}


def trained_text(example, tokenizer):
    """The trained tokens as text, run by run."""
    runs, current = [], []
    for label in [*example.labels, IGNORE]:
        if label != IGNORE:
            current.append(label)
        elif current:
            runs.append(tokenizer.decode(current, skip_special_tokens=False, clean_up_tokenization_spaces=False))
            current = []
    return runs


def assert_labels_are_the_ids_or_ignored(example):
    assert len(example.labels) == len(example.input_ids)
    assert all(label in (IGNORE, i) for label, i in zip(example.labels, example.input_ids, strict=True))


@pytest.mark.parametrize("record", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("name", BUNDLED)
def test_the_answers_and_their_ends_are_trained_and_nothing_else(name, record, tokenizer):
    template = resolve_template(name, tokenizer)
    example = encode(record, template, tokenizer, 4096)
    answers = [m.content + "</s>" for m in record.messages if m.role == "assistant"]
    assert trained_text(example, tokenizer) == answers
    assert_labels_are_the_ids_or_ignored(example)
    assert example.input_ids[0] == tokenizer.bos_token_id and example.labels[0] == IGNORE
    assert example.input_ids.count(tokenizer.bos_token_id) == 1
    assert example.input_ids[-1] == example.labels[-1] == tokenizer.eos_token_id
    whole = "".join(part.text for part in template.segments(record, eos="</s>"))
    assert tokenizer.decode(example.input_ids[1:]) == whole


@pytest.mark.parametrize("record", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("jinja", CHAT.values(), ids=CHAT)
def test_chat_templates(jinja, record, tokenizer):
    if jinja is LLAMA and record is CONVERSATIONS["system"]:
        return  # this one has no system turn
    chat = with_template(tokenizer, jinja)
    example = encode(record, resolve_template("chat", chat), chat, 4096)
    runs, answers = trained_text(example, chat), [m.content for m in record.messages if m.role == "assistant"]
    ends = {CHATML: "<|im_end|>", LLAMA: " </s>", BARE: "\n</s>"}
    starts = " " if jinja is LLAMA else ""
    last = ends[jinja]
    inner = "\n" if jinja is BARE else last
    assert runs == [starts + answer + (last if i == len(answers) - 1 else inner) for i, answer in enumerate(answers)]
    assert_labels_are_the_ids_or_ignored(example)
    turns = sum(m.role == "user" for m in record.messages)
    assert example.input_ids.count(chat.bos_token_id) == (turns if jinja is LLAMA else 1)
    assert example.input_ids[:2].count(chat.bos_token_id) == 1


def test_a_template_that_adds_thinking_trains_the_last_answer_with_it(tokenizer):
    chat = with_template(tokenizer, QWEN)
    example = encode(CONVERSATIONS["turns"], resolve_template("chat", chat), chat, 4096)
    assert trained_text(example, chat)[-1] == "<think>\n\n</think>\n\n好<|im_end|>"
    assert "你是助手。" in chat.decode(example.input_ids)


@pytest.mark.parametrize("name", [*BUNDLED, "chat"])
def test_asking_gives_the_tokens_training_saw_before_the_answer(name, tokenizer):
    chat = with_template(tokenizer, CHATML) if name == "chat" else tokenizer
    template = resolve_template(name, chat)
    for record in CONVERSATIONS.values():
        example = encode(record, template, chat, 4096)
        first = max(i for i in range(1, len(example.labels)) if example.labels[i - 1] == IGNORE != example.labels[i])
        assert encode_prompt(record, template, chat) == example.input_ids[:first]


def test_a_token_across_the_border_belongs_to_the_prompt():
    """A merge of the prompt's last and the answer's first character must not put the prompt into the loss."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "</s>", *"问:答案", ":答", "答案", "案</s>"]
    backend = Tokenizer(
        models.BPE({p: i for i, p in enumerate(pieces)}, [(":", "答"), ("答", "案")], unk_token="<unk>")
    )
    merged = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>")
    template = PromptTemplate("t", "{instruction}:{input}", "{instruction}:", ":")
    example = encode(Record(turn("问", "答案")), template, merged, 99)
    assert [merged.decode([i]) for i in example.input_ids] == ["问", ":答", "案", "</s>"]
    assert example.labels == [IGNORE, IGNORE, *example.input_ids[2:]]


def test_offsets_that_leave_out_white_space_do_not_move_the_border(tmp_path):
    from tokenizers import processors

    plain = make_tokenizer()
    plain.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    plain.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    template = PromptTemplate("t", "{instruction}{input}答: ", "{instruction}答: ", "答:")  # ends with a space
    example = encode(Record(turn("问", "\n 好 \n")), template, loaded, 999)
    assert trained_text(example, loaded) == ["\n 好 \n</s>"]


def test_bos_only_where_the_tokenizer_adds_it(tokenizer):
    without = make_tokenizer()  # it has a BOS token and does not add it
    assert starts_with_bos(tokenizer) and not starts_with_bos(without)
    example = encode(CONVERSATIONS["single"], resolve_template("alpaca", without), without, 999)
    assert without.bos_token_id not in example.input_ids and without.bos_token_id not in encode_text("文", without)
    ids = encode_text("文", tokenizer)
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id and len(ids) > 2


def test_train_on_inputs_trains_the_prompt_and_not_bos(tokenizer):
    example = encode(
        CONVERSATIONS["single"], resolve_template("alpaca", tokenizer), tokenizer, 999, train_on_inputs=True
    )
    assert example.labels[1:] == example.input_ids[1:]


def long_record(question="怎么办", material="", answer="好。"):
    return replace(given_text(question, answer, material), origin="a.json:7")


@pytest.fixture(scope="module")
def fin(tokenizer):
    return resolve_template("fin_template", tokenizer)


HEAD = "下面是一个问题，运用金融财经知识来正确回答问题.\n### 问题:\n"


def test_the_material_is_shortened_first_and_from_its_end(tokenizer, fin):
    record = long_record(material="甲乙丙丁" * 50 + "尾")
    whole = len(encode(long_record(material="甲"), fin, tokenizer, 9999).input_ids)
    example = encode(record, fin, tokenizer, whole + 20)
    text = tokenizer.decode(example.input_ids[1:])
    assert example.truncated == "prompt" and len(example.input_ids) <= whole + 20
    assert text.startswith(HEAD + "怎么办\n### 材料:\n甲乙丙丁") and "尾" not in text
    assert text.endswith("\n### 回答:\n好。</s>")
    assert trained_text(example, tokenizer) == ["好。</s>"]


def test_without_material_the_question_is_shortened(tokenizer, fin):
    least = len(encode(long_record("怎"), fin, tokenizer, 9999).input_ids)
    example = encode(long_record("怎么办呢" * 40, "料" * 40), fin, tokenizer, least + 12)
    text = tokenizer.decode(example.input_ids[1:])
    assert text.startswith(HEAD + "怎么办呢") and text.endswith("\n### 回答:\n好。</s>") and "料" not in text
    assert example.truncated == "prompt" and len(example.input_ids) <= least + 12


def test_only_an_answer_that_cannot_fit_is_cut_and_loses_its_end(tokenizer, fin):
    question = "什么是等额本息"
    example = encode(long_record(question, "料" * 300, "按月还款额相同。" * 60), fin, tokenizer, 200)
    assert example.truncated == "answer" and len(example.input_ids) == 200
    text = tokenizer.decode(example.input_ids[1:])
    assert text.startswith(HEAD + question) and "### 回答:\n按月还款额相同。" in text  # the question stays whole
    assert tokenizer.eos_token_id not in example.input_ids and tokenizer.eos_token_id not in example.labels
    assert example.supervised > 60


def test_the_oldest_turns_go_first_and_the_system_turn_stays(tokenizer, fin):
    record = Record((Message("system", "守则"), *(m for i in range(9) for m in turn(f"问题{i}" * 4, f"回答{i}"))))
    example = encode(record, fin, tokenizer, 180)
    text = tokenizer.decode(example.input_ids[1:])
    assert text.startswith("守则\n") and "问题0" not in text and "问题8" * 4 in text
    assert trained_text(example, tokenizer)[-1] == "回答8</s>"


def test_no_room_for_an_answer_is_an_error_that_says_where(tokenizer, fin):
    with pytest.raises(DataError) as error:
        encode(long_record(), fin, tokenizer, 12)
    assert error.value.where == "a.json:7" and "--cutoff-len" in error.value.fix


def test_a_record_without_an_answer_is_an_error(tokenizer, fin):
    for record in (Record((Message("user", "问"),)), Record(text="文档"), Record(turn("问", ""))):
        with pytest.raises(DataError, match="没有回答"):
            encode(record, fin, tokenizer, 99)


def test_a_prompt_for_an_engine_is_shortened_by_the_same_rule(tokenizer, fin):
    ids = encode_prompt(long_record(material="料" * 200), fin, tokenizer, 120)
    text = tokenizer.decode(ids[1:])
    assert len(ids) <= 120 and text.endswith("### 回答:\n") and "怎么办\n### 材料:\n料料" in text
    with pytest.raises(DataError, match="超过"):
        encode_prompt(long_record(), fin, tokenizer, 5)


TEXTS = st.text(
    st.sampled_from("保险基金贷款利率一二%0123.，。\n \t:#<>▁/s{}") | st.characters(exclude_categories=["Cs"]),
    min_size=1, max_size=30,
)  # fmt: skip
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "<|im")


@settings(max_examples=150, deadline=None)
@given(question=TEXTS, material=st.one_of(st.just(""), TEXTS), answer=TEXTS, name=st.sampled_from([*BUNDLED, "chat"]))
def test_any_text_comes_back_from_its_trained_tokens(question, material, answer, name, tokenizer):
    if any(mark in part for mark in SPECIAL for part in (question, material, answer)):
        return  # text that spells a special token is read as one
    chat = with_template(tokenizer, CHATML) if name == "chat" else tokenizer
    template = resolve_template(name, chat)
    example = encode(given_text(question, answer, material), template, chat, 99999)
    trained = [label for label in example.labels if label != IGNORE]
    assert trained[-1] == chat.eos_token_id
    text = chat.decode(trained[:-1])
    if name != "chat" and not _border_is_a_token_border(template, question, material, answer, chat):
        assert answer.endswith(text) and len(answer) - len(text) <= 8
    else:
        assert text == answer


def _border_is_a_token_border(template, question, material, answer, tokenizer):
    before = "".join(s.text for s in template.segments(given_text(question, "", material).prompt(), eos=""))
    offsets = tokenizer(before + answer, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    return any(start == len(before) for start, _ in offsets)


@settings(max_examples=60, deadline=None)
@given(question=TEXTS, material=TEXTS, answer=TEXTS, room=st.integers(9, 120))
def test_no_length_is_exceeded_and_the_head_stays(question, material, answer, room, tokenizer):
    template = resolve_template("alpaca_short", tokenizer)
    try:
        example = encode(given_text(question, answer, material), template, tokenizer, room)
    except DataError:
        return
    assert len(example.input_ids) <= room and example.supervised > 0
    assert (example.input_ids[-1] == tokenizer.eos_token_id) or example.truncated == "answer"
    assert_labels_are_the_ids_or_ignored(example)


@pytest.mark.parametrize("jinja", ["", CHATML, QWEN, LLAMA])
@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.text(min_size=1, max_size=40), st.text(max_size=60), st.booleans()), max_size=6),
    cutoff=st.integers(30, 200),
)
def test_many_at_once_are_encoded_as_each_alone(tokenizer, jinja, rows, cutoff):
    tokenizer = with_template(tokenizer, jinja) if jinja else tokenizer
    template = resolve_template("chat" if jinja else "fin_template", tokenizer)
    records = [Record((Message("user", q), *([Message("assistant", a)] if a else [])), complete=c) for q, a, c in rows]

    def alone(record):
        try:
            return encode(record, template, tokenizer, cutoff)
        except DataError as error:
            return str(error)

    together = encode_many(records, template, tokenizer, cutoff)
    assert [str(one) if isinstance(one, DataError) else one for one in together] == [alone(r) for r in records]
