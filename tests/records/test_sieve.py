"""The sieve says of every text what a search in it says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.records.clean.rule import many_screen, screen
from cornucopia.records.clean.stage import RULES
from cornucopia.records.privacy.find import KINDS, OPTIONAL, Finder
from cornucopia.records.sieve import Sieve, beginnings

PIECES = [
    *"ab3.、，。！？ \n\t\uffff\ud800\U0001f600\u0301\u200b９Ａ＠@<&-—一二京A",
    *(
        "微信",
        "加我",
        "扫码关注",
        "群\n",
        "群",
        "3. 买",
        "\n1. 甲",
        "\n3、乙",
        "关注",
        "需要请随时",
        "http",
        "????",
        "  \n",
    ),
    *(
        "13800138000",
        "138 0013 8000",
        "2023-10-12",
        "一三八零零一三八零零零",
        "卡号：123456",
        "姓名张三",
        "姓名是",
        "京A·12345",
    ),
    *("电话", "，010-12345678", "91110000600007000X", "住址", "祝您", "感谢您", "版权所有", "\x85", "\x1c"),
]
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=6)
NORMAL = [rule for rule in RULES if rule.name != "simplify"]


@given(TEXTS)
def test_what_cleaning_would_notice_is_seen_among_many_texts(texts: list[str]) -> None:
    one, many = screen(NORMAL), many_screen(NORMAL)
    missed = [text for text, seen in zip(texts, many(texts), strict=True) if one(text) and not seen]
    assert not missed


@pytest.mark.parametrize("rule", NORMAL, ids=lambda rule: rule.name)
@given(texts=TEXTS)
def test_each_rule_alone_is_seen_too(rule, texts: list[str]) -> None:
    seen = many_screen([rule])(texts)
    assert not [text for text, held in zip(texts, seen, strict=True) if rule.noticed(text) and not held]


@pytest.mark.parametrize("kinds", [set(KINDS), set(KINDS) - OPTIONAL, {"email"}], ids=["all", "usual", "email"])
@given(texts=TEXTS)
def test_what_is_personal_is_seen_among_many_texts(kinds: set[str], texts: list[str]) -> None:
    finder = Finder(kinds)
    seen = finder.likely_of(texts)
    assert not [text for text, held in zip(texts, seen, strict=True) if finder.likely(text) and not held]


PATTERNS = [
    "ab",
    "[^a]b",
    "a?b",
    "(?:a|bc){2}",
    "a{3,}b?",
    "(?<=a)b",
    "(?!b)[ab]",
    ".",
    "\\db",
    "a|bc|",
    "b*?a",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(texts=st.lists(st.text("abc3", max_size=8), max_size=5))
def test_any_shape_of_pattern_is_found(pattern: str, texts: list[str]) -> None:
    seen = Sieve([pattern]).touched(texts)
    assert not [text for text, held in zip(texts, seen, strict=True) if re.search(pattern, text) and not held]


def test_a_text_that_only_stands_beside_a_match_is_not_seen() -> None:
    assert Sieve(["微信[号：]"]).touched(["甲", "加微信号", "", "微", "信号", "微信"]) == [False, True, *[False] * 4]


def test_a_run_is_found_wherever_it_stands() -> None:
    sieve = Sieve(["@"], [("0-9 ", 4, "[0-9](?: ?[0-9]){3}")])
    assert sieve.touched(["12 3", "12 34", "  12345", "123", "4", "1  2  3"]) == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_pattern_gives_the_first_two_characters_of_its_matches() -> None:
    a, b, everything = ((97, 97),), ((98, 98),), ((0, 0x10FFFF),)
    assert beginnings("ab?") == {(a, b), (a, everything)}
