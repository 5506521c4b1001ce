"""`--fail-below`: what is not reached ends with exit code 1 and says who has what."""

from __future__ import annotations

import pytest

from comparison_fakes import FakeEngine, Lab, make_recipe, make_records
from cornucopia.comparison.gate import read_limits, shortfalls
from cornucopia.comparison.run import compare
from cornucopia.comparison.summary import summarise
from cornucopia.core.errors import ModelError, UsageError


def told(tmp_path, *limits, **answers):
    records = make_records(6)
    golden = {record.question: record.golden for record in records}
    engines = {"基座": FakeEngine(lambda q: "不知道"), "调优": FakeEngine(golden.get)} | answers
    recipe = make_recipe(tmp_path, *engines, fail_below=list(limits))
    return shortfalls(read_limits(recipe), summarise(compare(recipe, records, Lab(engines))))


def test_the_baseline_is_not_held_to_a_limit_without_a_name(tmp_path):
    assert told(tmp_path, "f1=0.9", "rouge_l=0.99", "字符F1=1") == []
    (short,) = told(tmp_path, "基座:f1=0.9")
    assert "「基座」的字符F1是 0." in short and "至少要 0.90" in short


def test_where_low_is_good_a_high_value_fails(tmp_path):
    assert told(tmp_path, "empty=0%", "perplexity=8") == []
    assert "至多要 1.00" in told(tmp_path, "perplexity=1")[0]


def test_no_score_is_no_pass(tmp_path):
    assert "「坏」的字符F1没有成绩" in told(tmp_path, "f1=0", 坏=ModelError("坏"))[0]


@pytest.mark.parametrize(
    ("limit", "what"),
    [("f1", "写法有误"), ("f1=x", "写法有误"), ("fi=0.3", "最接近的是 f1"), ("调忧:f1=0.3", "最接近的是 调优"),
     ("numbers=80", "80%")],
)  # fmt: skip
def test_a_wrong_limit_is_told_before_anything_is_asked(tmp_path, limit, what):
    with pytest.raises(UsageError, match=what):
        read_limits(make_recipe(tmp_path, "基座", "调优", fail_below=[limit]))
