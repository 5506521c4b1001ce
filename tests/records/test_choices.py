"""Options in every common shape stand under the question, the answer is the right letters, and no guess is silent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.choices import FROM_ZERO
from cornucopia.records.formats import to_record

TEXTS = ["央行", "券商", "基金公司"]
SHOWN = "谁发行？\nA. 央行\nB. 券商\nC. 基金公司"
OPTIONS = {
    "list": {"choices": TEXTS},
    "lettered texts": {"options": ["A. 央行", "B、券商", "(C) 基金公司"]},
    "numbered texts": {"options": ["1. 央行", "2. 券商", "3. 基金公司"]},
    "mapping": {"options": dict(zip("ABC", TEXTS, strict=True))},
    "small letters": {"选项": dict(zip("abc", TEXTS, strict=True))},
    "text and label": {"choices": {"text": TEXTS, "label": ["1", "2", "3"]}},
    "pairs": {"options": [{"key": k, "value": v} for k, v in zip("ABC", TEXTS, strict=True)]},
    "single keys": {"options": [{k: v} for k, v in zip("ABC", TEXTS, strict=True)]},
    "only texts": {"choices": [{"text": text} for text in TEXTS]},
    "lists": {"choices": [[k, v] for k, v in zip("ABC", TEXTS, strict=True)]},
    "JSON text": {"choices": json.dumps(TEXTS, ensure_ascii=False)},
    "JSON mapping": {"options": json.dumps(dict(zip("ABC", TEXTS, strict=True)))},
    "lines of one text": {"options": "A. 央行\nB. 券商\nC. 基金公司"},
    "one line": {"options": "A、央行 B、券商 C、基金公司"},
    "a single name": {"option": dict(zip("ABC", TEXTS, strict=True))},
    "a capital": {"Choices": TEXTS},
    "columns": dict(zip("ABC", TEXTS, strict=True)) | {"D": ""},
    "named columns": {"选项A": "央行", "选项B": "券商", "选项C": "基金公司"},
    "numbered columns": {"option1": "央行", "option2": "券商", "option3": "基金公司"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("answer", ["B", "b", "(B)", "券商", "B. 券商", ["B"]])
def test_every_shape_of_options_and_answer(options, answer):
    record, name = to_record({"question": "谁发行？", **options, "answer": answer})
    assert (record.question, record.golden, record.kind, name) == (SHOWN, "B", "choice", "choice")
    assert not record.extra


@pytest.mark.parametrize("key", ["answerKey", "AnswerKey", "correct_answer", "answer_idx", "output", "答案", "label"])
def test_the_answer_under_its_names(key):
    assert to_record({"question": "谁发行？", "choices": TEXTS, key: "C"})[0].golden == "C"


def test_a_number_is_a_label_where_there_are_numbers_and_counts_from_0_where_there_are_none():
    told: set[str] = set()
    assert to_record({"question": "谁？", **OPTIONS["text and label"], "answerKey": "2"}, told=told)[0].golden == "B"
    assert to_record({"question": "谁？", **OPTIONS["numbered columns"], "answer": 3}, told=told)[0].golden == "C"
    assert told == set()
    for answer in (1, "1", [1]):
        assert to_record({"question": "谁？", "choices": TEXTS, "answer": answer}, told=told)[0].golden == "B"
    assert told == {FROM_ZERO}


@pytest.mark.parametrize("answer", [["A", "C"], "AC", "A、C", "C,A", ["央行", "基金公司"], '["A", "C"]', [0, 2]])
def test_several_answers(answer):
    golden = to_record({"question": "谁？", "choices": TEXTS, "answer": answer})[0].golden
    assert sorted(letter for letter in golden if letter in "ABC") == ["A", "C"] and len(golden) == 2


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        (TEXTS, 3, "从 1 数起"), (TEXTS, 9, "不是其中一个"), (TEXTS, "E", "不是其中一个"), (TEXTS, True, "读不懂"),
        (["2", "0", "1"], 1, "分不清"), (["B", "A"], "A", "分不清"), (TEXTS, ["A", "别的"], "不都是选项"),
        (["一个"], "A", "选项读不懂"), ({"text": TEXTS, "label": ["A", "B"]}, "A", "选项读不懂"),
        ([{"A": "甲"}, {"A": "乙"}], "A", "选项读不懂"), ({"x": 1, "yy": 2}, "A", "选项读不懂"),
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_refused(options, answer, message):
    with pytest.raises(DataError, match=message):
        to_record({"question": "谁？", "options": options, "answer": answer})


def test_an_answer_in_words_stays_and_options_in_the_question_are_not_doubled():
    record, _ = to_record({"question": SHOWN, "choices": TEXTS, "answer": "应选券商，因为它承销。", "解析": "略"})
    assert (record.question, record.golden, record.extra) == (SHOWN, "应选券商，因为它承销。", {"解析": "略"})
    assert to_record({"instruction": "谁？", "options": TEXTS})[0].golden == ""


@given(st.lists(st.text(min_size=1), min_size=2, max_size=6), st.one_of(st.integers(-1, 8), st.text(), st.booleans()))
def test_anything_is_read_or_refused(options, answer):
    try:
        record, _ = to_record({"question": "问", "choices": options, "answer": answer})
    except DataError:
        return
    assert record.messages[0].content.startswith("问")


def test_options_in_one_text_that_cannot_be_told_apart_are_refused():
    with pytest.raises(DataError, match="options 里的选项读不懂"):
        to_record({"question": "谁发行？", "options": "央行，券商，基金公司", "answer": "B"})


@pytest.mark.parametrize("label", ["宏观", True, "easy"])
def test_a_label_that_points_at_no_option_is_no_answer(label):
    assert to_record({"question": "谁发行？", "choices": TEXTS, "label": label})[0].golden == ""
