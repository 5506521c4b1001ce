"""Near duplicates are exactly those a comparison of every pair finds."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.records.overlap import GRAM, near_duplicates, overlap
from cornucopia.records.sameness import normalized
from cornucopia.records.schema import Message, Record


def records(*questions: str) -> list[Record]:
    return [Record((Message("user", question),)) for question in questions]


def slow_similarity(left: str, right: str) -> float:
    grams = [{t[i : i + GRAM] for i in range(max(len(t) - GRAM, 0) + 1)} for t in (normalized(left), normalized(right))]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def test_punctuation_width_and_case_do_not_count():
    pairs = near_duplicates(records("什么是 ETF 基金？", "什么是ＥＴＦ基金", "社保断缴怎么办"))
    assert [(pair.left, pair.right, pair.similarity) for pair in pairs] == [(0, 1, 1.0)]


def test_an_edited_question_is_found_and_another_is_not():
    base = "个人住房贷款提前还款需要支付违约金吗"
    pairs = near_duplicates(records(base, "请问" + base + "呢", "公司缴纳的社会保险费可以税前扣除吗"))
    assert [(pair.left, pair.right) for pair in pairs] == [(0, 1)]


texts = st.lists(st.text("贷款利率是多少", min_size=1, max_size=14), min_size=2, max_size=12, unique_by=normalized)


@settings(max_examples=200, deadline=None)
@given(texts, st.sampled_from([0.3, 0.5, 0.6, 0.8, 1.0]))
def test_the_same_pairs_as_comparing_all(questions, threshold):
    found = {(pair.left, pair.right) for pair in near_duplicates(records(*questions), threshold)}
    every = itertools.combinations(range(len(questions)), 2)
    assert found == {(a, b) for a, b in every if slow_similarity(questions[a], questions[b]) >= threshold}


@settings(max_examples=100, deadline=None)
@given(texts, texts)
def test_overlap_lists_pairs_across_only(left, right):
    found = {(pair.left, pair.right) for pair in overlap(records(*left), records(*right), 0.6)}
    every = itertools.product(range(len(left)), range(len(right)))
    assert found == {(a, b) for a, b in every if slow_similarity(left[a], right[b]) >= 0.6}


def test_equal_texts_pair_with_the_first_only():
    pairs = near_duplicates(records("利率", "利率", "利率"))
    assert [(pair.left, pair.right) for pair in pairs] == [(0, 1), (0, 2)]
    assert [(p.left, p.right) for p in overlap(records("利率", "其他"), records("问", "利率", "利率"))] == [
        (0, 1),
        (0, 2),
    ]


def test_nothing_and_documents():
    assert near_duplicates([]) == [] and overlap([], []) == []
    assert near_duplicates([Record(text="同一篇公告"), Record(text="同一篇公告。")])[0].similarity == 1.0
