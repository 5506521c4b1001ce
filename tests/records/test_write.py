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


CALL = {"id": "c1", "type": "function", "function": {"name": "rate", "arguments": '{"年": 1.10}'}}
TOOL = {"type": "function", "function": {"name": "rate", "parameters": {"type": "object", "required": []}}}
OPENAI = [
    {
        "messages": [
            {"role": "system", "content": "守规矩"},
            {"role": "user", "content": "利率？", "name": "客户甲"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
            {"role": "tool", "content": "3%", "tool_call_id": "c1", "name": "rate"},
            {"role": "assistant", "content": "查过了", "tool_calls": [CALL], "reasoning_content": "先查"},
            {"role": "tool", "content": "3%", "tool_call_id": "c1"},
            {"role": "assistant", "content": "3%", "weight": 1, "timestamp": 5},
        ],
        "tools": [TOOL], "source": "法", "licence": "CC0", "span": "第三条", "score": 0.00005,
    },
    {"messages": [{"role": "user", "content": "问"}], "chosen": {"role": "assistant", "content": "好"},
     "rejected": {"role": "assistant", "content": "差"}},
    {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "差"}], "label": False},
    {"messages": [{"role": "user", "content": [
        {"type": "text", "text": "看"}, {"type": "image_url", "image_url": {"url": "a.png"}}]}]},
]  # fmt: skip


@pytest.mark.parametrize("row", OPENAI)
def test_openai_read_and_written_is_equal(row, tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert write_records(tmp_path / "out.jsonl", read_records(tmp_path / "in.jsonl").records, "openai") == []
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8")) == row


SHAREGPT = [
    {"conversations": [{"from": "human", "value": "利率？"},
                       {"from": "function_call", "value": '{"name": "rate", "arguments": "{}"}'},
                       {"from": "observation", "value": "3%"}, {"from": "gpt", "value": "3%", "weight": 1}],
     "tools": json.dumps([TOOL])},
    {"conversations": [{"from": "human", "value": "<image>看"}, {"from": "gpt", "value": "票"}], "images": ["a.png"]},
    {"conversations": [{"from": "human", "value": "问"}], "chosen": {"from": "gpt", "value": "好"},
     "rejected": [{"from": "gpt", "value": "差"}, {"from": "gpt", "value": "更差"}]},
    {"conversations": [{"from": "human", "value": "问"}, {"from": "gpt", "value": "", "tool_calls": [CALL]}]},
]  # fmt: skip


@pytest.mark.parametrize("row", SHAREGPT[:3])
def test_sharegpt_read_and_written_is_equal(row):
    written = WRITERS["sharegpt"](to_record(row)[0])
    assert json.loads(json.dumps(written)) == row


@pytest.mark.parametrize("row", [*OPENAI, *SHAREGPT])
@pytest.mark.parametrize("to", ["openai", "sharegpt", "alpaca", "text"])
def test_every_format_keeps_all_or_refuses(row, to, tmp_path):
    record = replace(to_record(row)[0], id="a")
    if write_records(tmp_path / "x.jsonl", [record], to):
        return
    (back,) = read_records(tmp_path / "x.jsonl").records
    assert replace(back, origin="") == (record if to != "text" else back)
    assert to != "text" or not (record.tools or record.rejected or record.label is not None)


def test_what_is_lost_is_named(tmp_path):
    (refused,) = write_records(tmp_path / "x.jsonl", [to_record(OPENAI[0])[0]], "alpaca")
    assert "名字" in refused.reason and "Alpaca" in refused.reason


def test_numbers_keep_their_form(tmp_path):
    text = '{"question": "几", "answer": 0.00005, "fee": 1.10, "sum": 12345678901234567.89, "as_of": 2024.10}'
    (tmp_path / "in.jsonl").write_text(text, encoding="utf-8")
    (record,) = read_records(tmp_path / "in.jsonl").records
    assert (record.golden, record.as_of) == ("0.00005", "2024.10")
    write_records(tmp_path / "out.jsonl", [record], "openai")
    assert '"fee": 1.10, "sum": "12345678901234567.89"' in (tmp_path / "out.jsonl").read_text(encoding="utf-8")


def test_material_keeps_its_place_in_alpaca_and_follows_elsewhere():
    record = Record((Message("user", "总结"), REPLY), passages=(Passage("公告"),))
    assert WRITERS["alpaca"](record) == {"instruction": "总结", "input": "公告", "output": "答"}
    assert WRITERS["openai"](record)["messages"][0]["content"] == "总结\n公告"
    assert WRITERS["text"](record) == {"text": "总结\n公告\n答"}
    given = replace(record, passages=(Passage("公告", "年报"), Passage("附注")))
    for known in (record, given):
        for to in ("alpaca", "openai", "sharegpt"):
            assert to_record(WRITERS[to](known))[0] == known


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
