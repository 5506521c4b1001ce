"""Similarity of Chinese on characters, and the pool that only new texts get into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.factory.write.likeness import Pool, rouge_l


def slow(one: str, other: str) -> float:
    rows = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            rows[i][j] = rows[i - 1][j - 1] + 1 if a == b else max(rows[i - 1][j], rows[i][j - 1])
    return 2 * rows[-1][-1] / (len(one) + len(other)) if one and other else 0.0


@given(st.text("甲乙丙丁a1", max_size=70), st.text("甲乙丙丁a1", max_size=70))
def test_the_fast_way_is_the_textbook_one(one, other):
    assert rouge_l(one, other) == pytest.approx(slow(one, other))
    assert rouge_l(one, other) == pytest.approx(rouge_l(other, one))


def test_only_new_texts_get_in():
    pool = Pool(0.7)
    assert pool.take("请解释什么是市盈率，并举一个例子。")[0]
    new, similarity, most, _ = pool.take("请解释什么是市净率，并举一个例子。")
    assert not new and similarity > 0.9 and most == "请解释什么是市盈率，并举一个例子。"
    assert pool.take("写一条提醒客户还款的短信。")[0]


def test_numbers_and_negations_tell_questions_apart():
    pool = Pool(0.8, details_tell=True)
    asked = ["放款满3个月后提前还款收费吗？", "放款满6个月后提前还款收费吗？", "放款不满3个月提前还款收费吗？"]
    assert all(pool.take(one)[0] for one in asked)
    assert not pool.take("放款满3个月以后提前还款收费吗")[0]
    assert not Pool(0.8).take("")[1]
