"""Answers as models write them, read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.evaluation.extract import read_labels, read_letters, read_names

LETTERS, OPTIONS = list("ABCD"), ["央行", "商业银行", "证监会", "保险公司"]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("Ｂ", "B"),
        ("B.", "B"),
        ("B. 商业银行", "B"),
        ("（B）", "B"),
        ("【B】", "B"),
        ("选B", "B"),
        ("答案：B", "B"),
        ("答案是B。", "B"),
        ("正确答案为 (B)", "B"),
        ("正确答案是：**B**", "B"),
        ("故选：B", "B"),
        ("因此选B。", "B"),
        ("所以，本题应选B项", "B"),
        ("应该选B", "B"),
        ("The answer is B.", "B"),
        ("Answer: B", "B"),
        (r"\boxed{B}", "B"),
        (r"所以 \boxed{\text{B}}", "B"),
        ('{"answer": "B"}', "B"),
        ('{"答案": "B"}', "B"),
        ("商业银行", "B"),
        ("答案：商业银行", "B"),
        ("先看A，央行不放贷；再看C，它是监管。因此答案是B。", "B"),
        ("答案：A\n不对，重新想。\n答案：B", "B"),
        ("B选项正确", "B"),
        ("", None),
        ("不知道", None),
        ("A和B都有道理", None),
        ("答案：AB", None),
        ("答案：E", None),
        ("这是A股的问题", None),
        ("选择GDP增速", None),
        ("QDII和BTC", None),
        ("CPI上升", None),
        ("B2B平台", None),
        ("先看A，再看C。", None),
    ],
)
def test_one_letter(text, letter):
    assert read_letters(text, LETTERS, OPTIONS) == letter


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("ABD", "ABD"),
        ("A、B、D", "ABD"),
        ("A, B和D", "ABD"),
        ("答案：BAD", "ABD"),
        ("正确选项是A、C。", "AC"),
        ("选ABCD", "ABCD"),
        ("A B D", "ABD"),
        ("答案：ABE", None),
        ("都不对", None),
        ("答案是 A；C", "AC"),
        ("因此，应选：A及D", "AD"),
    ],
)
def test_several_letters(text, letters):
    assert read_letters(text, LETTERS, OPTIONS, several=True) == letters


@given(st.text(alphabet="ABCDE答案是选：，、。 \n()xyz123", max_size=24))
def test_only_letters_that_were_offered_are_read(text):
    found = read_letters(text, LETTERS, OPTIONS)
    assert found is None or (found in LETTERS and found in text.upper())


LABELS = ["持股", "被持股", "收购", "unknown"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("持股", ["持股"]),
        ("被持股", ["被持股"]),
        ("关系：被持股。", ["被持股"]),
        ("两者是收购关系", ["收购"]),
        ('{"关系": "收购"}', ["收购"]),
        ("Unknown", ["unknown"]),
        ("可能是持股或收购", None),
        ("不是持股。答案：收购", ["收购"]),
        ("没有", None),
        ("", None),
    ],
)
def test_labels(text, label):
    assert read_labels(text, LABELS) == label


def test_several_labels_keep_the_order_of_the_list():
    assert read_labels("外国；公司", ["中国", "公司", "外国"], several=True) == ["公司", "外国"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("甲平台", {"甲平台"}),
        ("甲平台；乙公司", {"甲平台", "乙公司"}),
        ("负面主体：甲平台、乙公司。", {"甲平台", "乙公司"}),
        ("无", set()),
        ("没有负面主体", set()),
        ('["甲平台"]', {"甲平台"}),
        ('{"主体": ["甲平台", "乙公司"]}', {"甲平台", "乙公司"}),
        ("分析如下\n主体：“甲平台”", {"甲平台"}),
        ("", None),
    ],
)
def test_names(text, names):
    assert read_names(text, "无") == names
