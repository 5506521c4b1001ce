"""Whatever is converted comes back the same, through every format and kind of file, or is refused by name."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.formats import to_record
from cornucopia.records.lines import Lines, chosen, lines_of, rows_of
from cornucopia.records.native import native_row
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record, ToolCall
from cornucopia.records.write import WRITERS, _is_plain, plain_row, row_of, write_records

WORDS = st.sampled_from(
    ["问题", "答", "1.5%", "=1+1", "a\nb", "nan", "[]", '["x"]', "{", "A. 甲", " 空格 ", '"', "0", "是"]
)
TEXT = st.lists(WORDS, min_size=1, max_size=3).map("".join).filter(str.strip)
VALUES = st.one_of(TEXT, st.integers(-9, 9), st.booleans(), st.floats(0, 1), st.lists(TEXT, max_size=2))
KEYS = st.sampled_from(["article", "score", "题号", "A", "B", "question", "label2", "reasoning_x", "input"])
ANSWERS = st.builds(Message, st.just("assistant"), TEXT, reasoning=st.sampled_from(["", "想一想"]))
CALL = Message("assistant", "", tool_calls=(ToolCall("rate", '{"年": 1}', "c1"),))
TOOL = Message("tool", "3%", tool_call_id="c1")


@st.composite
def conversations(draw):
    turns = [Message("system", "守规矩")] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 1))):
        turns += [Message("user", draw(TEXT)), Message("assistant", draw(TEXT))]
    turns.append(Message("user", draw(TEXT)))
    turns += [CALL, TOOL] if draw(st.integers(0, 4)) == 0 else []
    answered = draw(st.booleans())
    turns += [draw(ANSWERS)] if answered else []
    pair = answered and draw(st.booleans())
    return Record(
        tuple(turns),
        passages=draw(st.sampled_from([(), (Passage("材料"),), (Passage("甲", "法"), Passage("乙"))])),
        rejected=((Message("assistant", "差"),),) if pair else (),
        label=draw(st.sampled_from([None, True, False])) if answered else None,
        id=draw(st.sampled_from(["a", "7"])),
        domain=draw(st.sampled_from(["", "保险"])),
        complete=draw(st.booleans()),
        extra=draw(st.dictionaries(KEYS, VALUES, max_size=2)),
    )


def same(left: Record, right: Record) -> bool:
    return replace(left, origin="") == replace(right, origin="")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(conversations(), min_size=1, max_size=4), st.sampled_from(sorted(set(WRITERS) - {"text", "record"})))
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet", "xlsx", "jsonl.gz", "csv.gz"])
def test_what_is_written_comes_back(tmp_path, kind, records, to):
    out = tmp_path / f"out.{kind}"
    records = [replace(record, id=f"{record.id}{number}") for number, record in enumerate(records)]
    refused = {reject.raw for reject in write_records(out, records, to)}
    kept = [record for record in records if written_as_reject(record) not in refused]
    assert len(kept) + len(refused) == len(records)
    if kept:
        back = read_records(out, rejects=False).records
        assert all(map(same, back, kept)) and len(back) == len(kept)


def written_as_reject(record: Record) -> str:
    from cornucopia.records.json_values import written

    return written(record.to_dict())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations())
def test_the_native_format_keeps_all(tmp_path, record):
    assert write_records(tmp_path / "a.jsonl", [replace(record, origin="原.csv:7")], "record") == []
    assert read_records(tmp_path / "a.jsonl").records == [replace(record, origin="原.csv:7")]


PLAIN = Record((Message("user", "问\nA. 甲\nB. 乙"), Message("assistant", "B")), id="x", kind="choice", domain="保险")


@pytest.mark.parametrize("one, two", product(sorted(set(WRITERS) - {"text", "kto", "preference"}), repeat=2))
def test_there_and_back_through_every_pair(one, two):
    first, _ = to_record(row_of(PLAIN, one))
    second, _ = to_record(row_of(first, two))
    assert to_record(row_of(second, one))[0] == PLAIN


def test_pairs_and_marks_have_the_shapes_of_trl():
    pair = Record(
        (Message("user", "问"), Message("assistant", "好")), rejected=((Message("assistant", "差"),),), id="p"
    )
    assert row_of(pair, "preference") == {
        "prompt": [{"role": "user", "content": "问"}],
        "chosen": [{"role": "assistant", "content": "好"}],
        "rejected": [{"role": "assistant", "content": "差"}],
        "id": "p",
    }
    marked = Record((Message("user", "问"), Message("assistant", "差")), label=False, id="k")
    assert row_of(marked, "kto")["completion"] == [{"role": "assistant", "content": "差"}]
    assert row_of(marked, "kto")["label"] is False
    for record, to in ((pair, "kto"), (marked, "preference")):
        with pytest.raises(DataError):
            row_of(record, to)


def test_a_multiple_choice_question_gets_its_columns():
    assert row_of(PLAIN, "choice") == {
        "question": "问", "A": "甲", "B": "乙", "answer": "B", "id": "x", "kind": "choice", "domain": "保险"
    }  # fmt: skip


def test_lossy_drops_no_more_than_it_must(tmp_path):
    asked, answer = Message("user", "利率？", name="客户"), Message("assistant", "3%", reasoning="查过")
    record = Record((asked, CALL, TOOL, answer), id="a", extra={"分": 1}, passages=(Passage("表", "年报"),))
    lost: Counter[str] = Counter()
    assert write_records(tmp_path / "a.jsonl", [record], "alpaca", lost=lost) == []
    assert lost == {"说话人的名字": 1, "工具调用": 1}
    (back,) = read_records(tmp_path / "a.jsonl").records
    assert same(back, replace(record, messages=(replace(asked, name=""), answer)))


def test_what_cannot_be_said_at_all_is_refused_even_then(tmp_path):
    document = Record(text="公告", id="d", origin="a.txt:1")
    (refused,) = write_records(tmp_path / "a.jsonl", [document], "alpaca", lost=Counter())
    assert refused.path == "a.txt:1"


def test_a_key_that_would_be_taken_for_something_else_is_refused():
    with pytest.raises(DataError) as caught:
        row_of(Record((Message("user", "问"), Message("assistant", "答")), id="a", extra={"input": "别的"}), "alpaca")
    assert "读回来会变" in str(caught.value)


def test_excel_takes_text_as_text(tmp_path):
    import openpyxl

    sums = Record((Message("user", "=1+1 是多少"), Message("assistant", "=2")), id="a")
    long = Record((Message("user", "长"), Message("assistant", "长" * 40_000)), id="b", origin="b:1")
    (refused,) = write_records(tmp_path / "a.xlsx", [sums, long], "question_answer")
    assert "32767" in refused.reason
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    head, row = sheet.values
    assert dict(zip(head, row, strict=True))["answer"] == "=2" and sheet["A2"].data_type == "s"


def test_the_same_records_make_the_same_compressed_bytes(tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_records(tmp_path / name, [PLAIN], "openai")
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_thoughts_before_an_empty_answer_are_kept(tmp_path):
    turns = [{"role": "user", "content": "问"}, {"role": "assistant", "content": "", "reasoning_content": "想"}]
    record, _ = to_record({"messages": turns})
    assert record.answer is None
    assert row_of(record, "openai") == {"messages": turns[:1], "reasoning": "想"}
    assert to_record(row_of(record, "openai"))[0] == record


@pytest.mark.parametrize("damage", [{"messages": 5}, {"messages": [{"role": "x", "content": "y"}]}, {"text": 1}, {}])
def test_a_damaged_native_row_is_a_bad_row(tmp_path, damage):
    good = row_of(PLAIN, "record")
    lines = [json.dumps(row, ensure_ascii=False) for row in ({"cornucopia": 1, **damage}, good)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    result = read_records(tmp_path / "a.jsonl", rejects=False)
    assert [record.id for record in result.records] == ["x"] and len(result.rejects) == 1


@pytest.mark.parametrize("encoding", ["utf-32", "utf-16"])
def test_wide_encodings_are_read_and_named(tmp_path, encoding):
    row = json.dumps({"question": "年金险是什么", "answer": "按期给付"}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_bytes(f"{row}\n".encode(encoding))
    result = read_records(tmp_path / "a.jsonl", rejects=False)
    assert result.records[0].question == "年金险是什么"
    assert any(encoding.upper() in note for note in result.notes)


OWN = st.one_of(KEYS, st.text(max_size=4), st.sampled_from(["Label", "选项A", "weight", "tools", "passages", "type"]))


@st.composite
def plain(draw):
    turns = [Message("system", "守规矩")] if draw(st.booleans()) else []
    turns += [Message(("user", "assistant")[n % 2], draw(TEXT)) for n in range(draw(st.integers(1, 4)))]
    return Record(tuple(turns), id="a", domain="保险", extra=draw(st.dictionaries(OWN, VALUES, max_size=2)))


@settings(max_examples=150, deadline=None)
@given(plain(), st.sampled_from(sorted(set(WRITERS) - {"text", "record"})))
def test_rows_that_are_not_read_back_would_come_back_the_same(record, to):
    if not _is_plain(record):
        return
    try:
        row = WRITERS[to](record)
    except DataError:
        return
    assert same(to_record(row | record.extra | {"id": "a", "domain": "保险"})[0], record)


@settings(max_examples=200, deadline=None)
@given(st.one_of(plain(), conversations()), st.sampled_from(["", "f:1", "a"]))
def test_the_short_way_gives_the_row_of_the_long_one(record, origin):
    record = replace(record, origin=origin)
    short = plain_row(native_row(record), "openai")
    if short is not None:
        assert list(short.items()) == list(row_of(record, "openai").items())


def test_the_short_way_is_taken_by_a_plain_record():
    record = Record((Message("user", "问"), Message("assistant", "答")), id="f:3", origin="f:3", extra={"题号": 1})
    assert plain_row(native_row(record), "openai") == row_of(record, "openai")
    assert "id" not in row_of(record, "openai")


@settings(max_examples=60, deadline=None)
@given(st.lists(conversations(), max_size=5), st.data())
def test_lines_are_the_records_they_were_made_of(records, data):
    lines = Lines(lines_of(records))
    rows = sorted(data.draw(st.sets(st.integers(0, max(len(records) - 1, 0))))) if records else []
    assert list(lines) == records == list(lines[:]) and len(lines) == len(records)
    assert list(rows_of(lines)) == list(rows_of(records))
    assert list(chosen(lines, rows)) == chosen(records, rows) and lines_of(lines[1:]) == lines_of(records[1:])


@pytest.mark.parametrize("kind", ["csv", "Excel"])
def test_a_kind_of_file_given_as_the_format_is_told_how_to_write_it(kind, tmp_path):
    with pytest.raises(DataError) as told:
        write_records(tmp_path / "a.jsonl", [Record((Message("user", "问"), Message("assistant", "答")))], kind)
    assert "后缀" in str(told.value.fix)
