"""Similarity of Chinese on characters, and the pool that only new texts get into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.factory.write.likeness import Pool


def slow(one: str, other: str) -> float:
    rows = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            rows[i][j] = rows[i - 1][j - 1] + 1 if a == b else max(rows[i - 1][j], rows[i][j - 1])
    return 2 * rows[-1][-1] / (len(one) + len(other)) if one and other else 0.0


@given(st.lists(st.text("甲乙丙丁a1", max_size=150), min_size=1, max_size=8), st.text("甲乙丙丁a1戊", max_size=200))
def test_the_fast_way_is_the_textbook_one(pool, text):
    likeness = Pool(2.0)
    for one in pool:
        likeness.add(one)
    alike = [slow(one, text) for one in pool]
    similarity, most, mean = likeness.nearest(text)
    assert similarity == pytest.approx(max(alike)) and slow(most, text) == pytest.approx(similarity)
    assert mean == pytest.approx(sum(alike) / len(alike))


def test_a_pool_grows_beyond_its_first_room():
    pool = Pool(1.0)
    texts = [chr(0x4E00 + n) * (n % 70 + 1) for n in range(300)]
    assert all(pool.take(text)[0] for text in texts)
    assert [pool.nearest(text)[:2] for text in texts] == [(1.0, text) for text in texts]


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
