"""Rewards: right answers get all of it, wrong ones none, and a row that gives nothing to judge by is told."""

from __future__ import annotations

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError
from cornucopia.finance.problems import generate
from cornucopia.records.episode import Episode, Turn
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.training.rewards import REWARDS
from cornucopia.training.rewards.reward import checkable, judge, weights

SETTINGS = types.SimpleNamespace(length_target=10)
PROBLEMS = generate(57, seed=5)
TOOL = {"type": "function", "function": {"name": "equal_payment"}}


def row_of(problem, **fields):
    turns = (Message("user", problem.question), Message("assistant", problem.answer))
    return Record(turns, extra={"calculator": problem.calculator, "inputs": problem.inputs}, **fields)


def said(row, answer, *before, finish="stop", tokens=5):
    return Episode(row.prompt(), (*before, Message("assistant", answer)), (Turn((1,), (2,) * tokens),), finish)


def score(name, row, episode):
    verdict = REWARDS[name].check(row, episode, SETTINGS)
    return None if verdict is None else verdict.score


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.calculator)
def test_the_worked_answer_of_every_calculator_gets_all_and_a_wrong_one_nothing(problem):
    row = row_of(problem)
    assert score("calculator", row, said(row, problem.answer)) == 1
    assert score("calculator", row, said(row, "大约是3.21万元。")) == 0
    assert score("calculator", row, said(row, "")) == 0
    assert score("format", row, said(row, problem.answer)) == score("conduct", row, said(row, problem.answer)) == 1


def test_material_counts_what_was_given_and_what_tools_gave_back():
    row = Record(
        (Message("user", "营收多少？"), Message("assistant", "12.5亿元")), passages=(Passage("营收12.5亿元。"),)
    )
    assert score("material", row, said(row, "营收是12.5亿元。")) == 1
    assert score("material", row, said(row, "营收是13.5亿元。")) == 0 == score("material", row, said(row, "不好说。"))
    assert score("numbers", row, said(row, "12.5亿元")) == 1 and score("numbers", row, said(row, "1.5亿元")) == 0
    asked = Record((Message("user", "月供多少？"),), tools=(TOOL,))
    result = Message("tool", "月供：5000.5元")
    assert score("material", asked, said(asked, "月供5000.5元", result)) == 1
    assert score("tool", asked, said(asked, "月供5000.5元", result)) == 1
    assert score("tool", asked, said(asked, "月供5000.5元", Message("tool", "错误：没有"))) == 0
    assert score("tool", asked, said(asked, "月供5000.5元")) == 0


def test_form_conduct_and_length():
    row = Record((Message("user", "能保本吗？"),))
    for answer in ("", "好</think>", "<tool_call>a(", "好的好的" * 9):
        assert score("format", row, said(row, answer)) == 0
    assert score("format", row, said(row, "好", finish="length")) == 0
    assert score("conduct", row, said(row, "我们保证收益，稳赚不赔。")) == 0
    assert [score("length", row, said(row, "好", tokens=n)) for n in (3, 10, 15, 20, 99)] == [1, 1, 0.5, 0, 0]


def test_weights_are_read_and_what_is_wrong_with_them_is_told():
    assert weights(["calculator", "format = 0.25"], REWARDS) == {"calculator": 1.0, "format": 0.25}
    for given_names, told in ((["calculater"], "calculator"), ([], "calculator"), (["format=-1"], "format=0.5"),
                              (["format=x"], "大于 0"), (["length=inf"], "大于 0")):  # fmt: skip
        with pytest.raises(ConfigError, match=told):
            weights(given_names, REWARDS)


def test_the_score_is_the_weighted_mean_of_what_applies():
    row = row_of(PROBLEMS[0])
    chosen = {"calculator": 3.0, "format": 1.0, "material": 5.0}  # the last has nothing to look at
    assert judge(row, said(row, "好"), chosen, REWARDS, SETTINGS).score == 0.25
    assert judge(row, said(row, "好", finish="error"), chosen, REWARDS, SETTINGS).score == 0
    assert judge(row, said(row, PROBLEMS[0].answer), chosen, REWARDS, SETTINGS).score == 1


def test_a_row_with_nothing_to_check_is_known_as_such():
    plain = Record((Message("user", "什么是保险？"), Message("assistant", "一种安排。")))
    assert not checkable(plain, {"calculator": 1, "format": 1}, REWARDS, SETTINGS)
    assert not checkable(plain, {"numbers": 1}, REWARDS, SETTINGS)
    assert checkable(plain, {"format": 1}, REWARDS, SETTINGS)
    assert checkable(row_of(PROBLEMS[0]), {"calculator": 1}, REWARDS, SETTINGS)


@given(st.text(max_size=60), st.sampled_from(["stop", "length", "tool_calls", "error"]), st.integers(0, 50))
def test_no_answer_breaks_a_reward(answer, finish, tokens):
    row = row_of(PROBLEMS[1], tools=(TOOL,), passages=(Passage("3%"),))
    judged = judge(row, said(row, answer, finish=finish, tokens=tokens), dict.fromkeys(REWARDS, 1.0), REWARDS, SETTINGS)
    assert 0 <= judged.score <= 1 and set(judged.verdicts) == set(REWARDS)
