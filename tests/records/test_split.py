"""The split is exact, stable under reordering, and never puts one question on both sides."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message, Record
from cornucopia.records.split import split_records


def record(question: str, answer: str = "答") -> Record:
    return Record((Message("user", question), Message("assistant", answer)))


RECORDS = [record(f"问题{n}") for n in range(40)]


def names(records):
    return {record.question for record in records}


@pytest.mark.parametrize(("size", "count"), [(0, 0), (1, 1), (12, 12), (39, 39), (0.1, 4), (0.001, 1), (0.99, 39)])
def test_sizes(size, count):
    train, validation = split_records(RECORDS, size)
    assert len(validation) == count
    assert names(train) | names(validation) == names(RECORDS) and len(train) + len(validation) == 40


def test_order_does_not_matter_and_the_seed_does():
    shuffled = random.Random(0).sample(RECORDS, 40)
    assert names(split_records(shuffled, 8)[1]) == names(split_records(RECORDS, 8)[1])
    assert names(split_records(RECORDS, 8, seed=1)[1]) != names(split_records(RECORDS, 8)[1])
    assert [r.question for r in split_records(shuffled, 8)[0]] == [
        r.question for r in shuffled if r.question in names(split_records(RECORDS, 8)[0])
    ]


@given(st.lists(st.sampled_from("甲乙丙丁戊"), min_size=2, max_size=30), st.integers(1, 10))
def test_a_question_never_stands_on_both_sides(questions, size):
    try:
        train, validation = split_records([record(q, str(n)) for n, q in enumerate(questions)], size)
    except DataError:
        return
    assert not names(train) & names(validation)
    assert 0 < len(validation) <= size


@pytest.mark.parametrize("size", [40, 1200])
def test_larger_than_the_data_says_what_fits(size):
    with pytest.raises(DataError, match=r"(?s)40 条.*至多 39 条，建议 4 条"):
        split_records(RECORDS, size)


@pytest.mark.parametrize("size", [-1, 1.5, -0.2])
def test_nonsense_sizes(size):
    with pytest.raises(DataError, match="比例"):
        split_records(RECORDS, size)


def test_one_record_and_a_single_question():
    with pytest.raises(DataError, match="只能是 0"):
        split_records(RECORDS[:1], 1)
    with pytest.raises(DataError, match="1 个不同的问题"):
        split_records([RECORDS[0]] * 5, 2)
    assert split_records(RECORDS[:1], 0.1) == (RECORDS[:1], [])
