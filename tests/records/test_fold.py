"""Many texts folded at once are what `normalized` makes of each; hashes tell texts, n-grams and numbers apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.records.fold import END, fold, gram_hashes, keys, mixed, number_hashes
from cornucopia.records.sameness import normalized

# what meets in finance texts, and what the rules look at
PIECES = [
    *"0123456789.,、/:-~*^(#)%‰万亿元<>≥±+¥$€£_|abzA年率，。：？（）％— \n\t\u3000—―−–…²⁹½㎡℃①Ⅳß한ﾊﾞé",
    "1,234,567",
    "e\u0301",
]
MIXED = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(MIXED, st.text(max_size=12)), max_size=8))
def test_folding_many_equals_normalizing_each(texts):
    folded = fold(texts)
    assert [folded.text(index) for index in range(len(texts))] == [normalized(text) for text in texts]
    assert len(folded.points) == sum(len(normalized(text)) + 1 for text in texts)


@pytest.mark.parametrize(
    "text",
    ["1,234.5", "0.1,234", "1,2345", "12,345,67", ",123", "1,234,", "年利率 3.85 ％", "2020 — 2023年", "甲——乙",
     "(1.5)万", "(1.5)年", "A-1", "3-5", "-5%", "!!", "……", "c#", "№5", "𝟏𝟐", "\U00030000.5", "", " "],
)  # fmt: skip
def test_folding_of_numbers_and_signs(text):
    assert fold(["前", text, "1", text]).text(1) == normalized(text) == fold([text]).text(0)


def test_joined_texts_are_one_and_a_missing_one_is_empty():
    folded = fold(["甲", "乙丙", "丁"]).joined(np.array([0, 2, 0, 1, 0]))
    assert [end - start for start, end in zip(folded.starts, folded.ends, strict=True)] == [0, 4, 0, 1, 0]
    assert (keys(folded) > 0).tolist() == [False, True, False, True, False]
    assert all(folded.points[folded.ends] == END)


def test_keys_tell_texts_apart():
    same = keys(fold(["年利率3%", "年 利率 ３％。", "年利率4%"]))
    assert same[0] == same[1] != same[2]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("甲乙丙丁1", max_size=9), max_size=6), st.integers(1, 6))
def test_gram_hashes_are_those_of_the_grams(texts, size):
    hashes, bounds = gram_hashes(fold(texts), size)
    alone = {}
    for index, text in enumerate(texts):
        grams = [text[at : at + size] for at in range(max(len(text) - size + 1, min(1, len(text))))]
        mine = hashes[bounds[index] : bounds[index + 1]]
        assert len(mine) == len(grams)
        for gram, value in zip(grams, mine, strict=True):
            assert alone.setdefault(gram, value) == value
    assert len(set(alone.values())) == len(alone)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("贷款100万30年", "贷款100万元30年吗", True),
        ("贷款100万30年", "贷款120万30年", False),
        ("利率3.5", "利率35", False),
        ("存款三个月", "存款六个月", False),
        ("问一下利率", "请问利率", True),
        ("12和3", "1和23", False),
        ("3和12", "12和3", False),
    ],
)
def test_number_hashes_tell_numbers_apart(one, two, same):
    first, second = number_hashes(fold([one, two]))
    assert (first == second) == same


def test_a_megabyte_and_close_values():
    text = "本公司2023年营业收入为1,234.56万元，同比增长3.5%。" * 30_000
    assert fold([text, "甲"]).text(0) == normalized(text)
    assert len(set(mixed(np.arange(1000, dtype=np.uint64)).tolist())) == 1000


def test_every_character_by_itself_and_between_digits():
    chars = [chr(code) for code in range(0x20100) if not 0xD800 <= code < 0xE000]
    texts = [f"a{char}7{char}%" for char in chars]
    folded = fold(texts)
    points = np.where(folded.points == END, ord("\n"), folded.points).astype("<u4")
    found = points.tobytes().decode("utf-32-le").split("\n")
    odd = [text for text, made in zip(texts, found, strict=False) if made != normalized(text)]
    assert odd == [] and len(found) == len(texts) + 1
