"""Likeness of texts with values computed by hand, and the laws they must keep."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.text_scores import bleu, character_f1, lcs_length, normalise, rouge_l, rouge_n

words = st.text(alphabet="保险金额%0.5，。 aＡ", max_size=12)


@pytest.mark.parametrize(("text", "left"), [
    ("ＡＢＣ１２３", "abc123"), ("年利率３．５％。", "年利率3.5%"), ("3.5% 不是 35%", "3.5%不是35%"),
    ("约 1,000 元", "约1000元"),
    ("（一）“保本”？！", "一保本"), ("结束.", "结束"), (".5", "5"), ("第1.条", "第1条"),
    ("\u3000\n\t", ""), ("¥100+", "¥100+"),
])  # fmt: skip
def test_normalise(text, left):
    assert normalise(text) == left


@pytest.mark.parametrize(("answer", "golden", "f1", "rouge"), [
    ("等待期90天", "等待期180天", 2 * 5 / 13, 2 * 5 / 13),  # shared: 等待期0天
    ("天气", "保险", 0, 0),
    ("险保", "保险", 1, 0.5),  # the same characters, in another order
    ("保保保", "保", 0.5, 0.5),
    ("", "保险", 0, 0), ("保险", "", 0, 0), ("", "", 1, 1), ("。", "", 1, 1),
    ("３．５％", "3.5%", 1, 1), ("35%", "3.5%", 2 * 3 / 7, 2 * 3 / 7),
])  # fmt: skip
def test_scores_by_hand(answer, golden, f1, rouge):
    assert character_f1(answer, golden) == pytest.approx(f1)
    assert rouge_l(answer, golden) == pytest.approx(rouge)


@given(words, words)
def test_laws_of_the_scores(left, right):
    for score in (character_f1, rouge_l):
        assert 0 <= score(left, right) <= 1 and score(left, right) == score(right, left) and score(left, left) == 1
    same = sorted(normalise(left)) == sorted(normalise(right))
    assert (character_f1(left, right) == 1) == same
    assert (rouge_l(left, right) == 1) == (normalise(left) == normalise(right))
    assert rouge_l(left, right) <= character_f1(left, right) + 1e-12


@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_bit_parallel_lcs_equals_the_table(left, right):
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert lcs_length(left, right) == table[-1][-1]


@pytest.mark.parametrize(("answer", "golden", "two"), [
    ("央行降准", "央行降息", 2 * 2 / 6),  # 央行 行降
    ("降准央行", "央行降准", 2 * 2 / 6),
    ("央", "央", 1), ("央", "行", 0), ("", "央行", 0),
    ("央行，降准", "央行降准", 1),
])  # fmt: skip
def test_rouge_2_by_hand(answer, golden, two):
    assert rouge_n(answer, golden, 2) == pytest.approx(two)


def test_bleu_by_hand():
    # 央行降息 against 央行降准: precisions 3/4, (2+1)/(3+1), (1+1)/(2+1), (0+1)/(1+1); no brevity penalty
    assert bleu("央行降息", "央行降准") == pytest.approx((3 / 4 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    # half as long: penalty exp(1 - 4/2); precisions 2/2, (1+1)/(1+1)
    assert bleu("央行", "央行降准") == pytest.approx(math.exp(-1))
    assert bleu("央行降准", "央行降准") == pytest.approx(1) and bleu("股票", "央行") == 0 and bleu("", "央行") == 0


@given(words, words)
def test_bleu_and_rouge_are_shares(left, right):
    for score in (bleu(left, right), rouge_n(left, right, 2)):
        assert 0 <= score <= 1 + 1e-12
    assert bleu(left, left) == pytest.approx(1) and rouge_n(left, left, 2) == 1
