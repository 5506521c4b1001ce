"""Marks of "do not learn this", however they are spelt, on a turn and on a whole row."""

from __future__ import annotations

import pytest

from cornucopia.core.errors import DataError
from cornucopia.records.formats import to_record
from cornucopia.records.objectives import fits

OFF = [{"weight": 0.0}, {"Weight": "0"}, {"train": "False"}, {"learn": "no"}, {"mask": True}, {"ignore_loss": 1}]
ON = [{"weight": 1.0}, {"loss": "true"}, {"trainable": "1"}, {"masked": "false"}, {"mask": 0}]


def row(mark):
    turns = [("human", "分红险是什么"), ("gpt", "不知道"), ("human", "再想想"), ("gpt", "带分红的保险")]
    return {"conversations": [{"from": who, "value": text} | (mark if text == "不知道" else {}) for who, text in turns]}


@pytest.mark.parametrize(("mark", "learnt"), [*((m, False) for m in OFF), *((m, True) for m in ON)])
def test_a_turns_mark_is_read_in_every_spelling(mark, learnt):
    answers = [m for m in to_record(row(mark))[0].messages if m.role == "assistant"]
    assert [m.learnt for m in answers] == [learnt, None] and not answers[0].extra


@pytest.mark.parametrize("mark", [{"weight": 0.4}, {"weight": -1}, {"loss_mask": 1}, {"trained_on": False}])
def test_a_mark_that_is_not_understood_is_refused(mark):
    with pytest.raises(DataError, match="第 2 轮的"):
        to_record(row(mark))


@pytest.mark.parametrize("mark", [{"weight": 0}, {"train": False}, {"train": "false"}, {"loss": False}])
def test_a_whole_row_that_is_not_to_be_learnt(mark):
    record, _ = to_record({"instruction": "问", "output": "答", **mark})
    assert "整行标了不学" in fits(record, "sft") and record.extra == mark


def test_a_figure_of_the_row_is_no_mark():
    record, _ = to_record({"instruction": "亏损多少", "output": "没有亏损", "loss": 0, "weight": 0.5})
    assert fits(record, "sft") == ""


def test_thinking_in_a_list_is_not_lost_in_silence():
    with pytest.raises(DataError, match="reasoning"):
        to_record({"question": "问", "answer": "答", "thinking": ["先", "后"]})
    assert to_record({"question": "问", "answer": "答", "thinking": "先想"})[0].messages[-1].reasoning == "先想"
