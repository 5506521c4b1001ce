"""A record written by `pack` is the same record when read back, whatever it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.native import pack, unpack
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record, ToolCall

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
CALLS = st.builds(ToolCall, TEXT, TEXT, TEXT)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=TEXT,
    reasoning=TEXT,
    tool_calls=st.lists(CALLS, max_size=2).map(tuple),
    tool_call_id=TEXT,
    name=TEXT,
    images=st.lists(TEXT, max_size=2).map(tuple),
    learnt=st.sampled_from([None, True, False]),
    extra=st.dictionaries(TEXT, TEXT, max_size=2),
)
TURNS = st.lists(MESSAGES, max_size=3).map(tuple)
RECORDS = st.builds(
    Record,
    messages=TURNS,
    text=TEXT,
    tools=st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2).map(tuple),
    passages=st.lists(st.builds(Passage, TEXT, TEXT), max_size=2).map(tuple),
    rejected=st.lists(TURNS, max_size=2).map(tuple),
    label=st.sampled_from([None, True, False]),
    id=TEXT,
    domain=TEXT,
    span=TEXT,
    complete=st.booleans(),
    extra=st.dictionaries(TEXT, st.one_of(TEXT, st.integers(0, 9), st.lists(TEXT, max_size=2)), max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(RECORDS)
def test_nothing_is_lost(record):
    line = pack(record)
    assert b"\n" not in line
    assert unpack(line) == record


@pytest.mark.parametrize("line", [b"", b"[]", b'{"instruction": "a"}', b'{"messages": [1]}', b'{"passages": [["a"]]}'])
def test_another_line_is_refused(line):
    with pytest.raises(DataError):
        unpack(line)


def test_numbers_of_a_file_come_back_to_the_digit(tmp_path):
    line = (
        '{"question": "a", "answer": "b", "x": 1.5, "y": 1.10, "n": 123456789012345678901234567890, "deep": [0.00005]}'
    )
    (tmp_path / "a.jsonl").write_text(line, encoding="utf-8")
    (record,) = read_records(tmp_path / "a.jsonl", rejects=False).records
    back = unpack(pack(record))
    assert back == record
    assert str(back.extra["y"]) == "1.10" and back.extra["n"] == record.extra["n"]
    assert pack(replace(record, extra={"x": record.extra["x"]})).startswith(b"{")


@pytest.mark.parametrize("value", [2**64, -(2**70), "半个\ud800字", {"a\udfff": [1.5, 2**65]}])
def test_what_the_fast_encoder_refuses_is_kept_all_the_same(value):
    record = Record(messages=(Message("user", "问"),), extra={"x": value, "y": 0.1})
    line = pack(record)
    assert line.startswith(b" ") and b"\n" not in line and unpack(line) == record
