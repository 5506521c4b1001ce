"""What is written reads back as the same record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.formats import to_record
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.write import WRITERS, write_records

USER, REPLY, SYSTEM = Message("user", "问"), Message("assistant", "答"), Message("system", "规矩")


@pytest.mark.parametrize("to", ["alpaca", "sharegpt", "openai"])
def test_round_trip_through_a_file(tmp_path, to):
    records = [
        Record(
            (SYSTEM, Message("user", "早"), Message("assistant", "好"), USER, REPLY), id="a", domain="保险", source="法"
        ),
        Record((USER,), id="b", licence="CC0", as_of="2025-01", kind="qa", extra={"article": "第二条"}),
    ]
    assert write_records(tmp_path / "out.jsonl", records, to) == []
    back = read_records(tmp_path / "out.jsonl").records
    assert [replace(record, origin="") for record in back] == records


turns = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip), min_size=2
)


@given(
    turns.map(lambda texts: texts[: len(texts) // 2 * 2]),
    st.booleans(),
    st.sampled_from(["alpaca", "sharegpt", "openai"]),
)
def test_any_conversation_comes_back(texts, with_system, to):
    messages = [Message(("user", "assistant")[n % 2], text) for n, text in enumerate(texts)]  # type: ignore[arg-type]
    record = Record((SYSTEM, *messages) if with_system else tuple(messages))
    assert to_record(json.loads(json.dumps(WRITERS[to](record))))[0] == record


@pytest.mark.parametrize("to", ["alpaca", "sharegpt", "openai"])
def test_thinking_and_breaking_off_come_back(tmp_path, to):
    record = Record((USER, Message("assistant", "答", reasoning="先想")), id="a", complete=False)
    write_records(tmp_path / "out.jsonl", [record], to)
    assert [replace(r, origin="") for r in read_records(tmp_path / "out.jsonl").records] == [record]


def test_material_keeps_its_place_in_alpaca_and_follows_elsewhere():
    record = Record((Message("user", "总结"), REPLY), passages=(Passage("公告"),))
    assert WRITERS["alpaca"](record) == {"instruction": "总结", "input": "公告", "output": "答"}
    assert WRITERS["openai"](record)["messages"][0]["content"] == "总结\n公告"
    assert WRITERS["text"](record) == {"text": "总结\n公告\n答"}


def test_a_call_before_a_tool_turn_is_a_function_call_again():
    record = Record((USER, Message("assistant", "{}"), Message("tool", "3%"), REPLY))
    written = WRITERS["sharegpt"](record)["conversations"]
    assert [turn["from"] for turn in written] == ["human", "function_call", "observation", "gpt"]


def test_what_a_format_cannot_hold_is_returned_and_the_rest_written(tmp_path):
    records = [Record((USER, REPLY)), Record(text="公告", origin="a.txt:1"), Record((USER, USER, REPLY))]
    refused = write_records(tmp_path / "out.jsonl", records, "alpaca")
    assert [reject.path for reject in refused] == ["a.txt:1", ""]
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 1


def test_errors(tmp_path):
    with pytest.raises(DataError, match="alpaca"):
        write_records(tmp_path / "x", [], "alpca")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="写不了"):
        write_records(tmp_path / "file" / "x", [], "alpaca")
