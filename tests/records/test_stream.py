"""Reading piece by piece: the same rows whatever the size of the pieces, in memory that does not grow with the file."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records import decode, json_rows, rows
from cornucopia.records.decode import TextFile
from cornucopia.records.read import read_records, scan_records
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream

some = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
PIECES = [
    '{"instruction": "问", "input": "", "output": "答"}', '{"text": "文\\n\\u4e00\\ud83d\\ude00"}', "{", "}", "[", "]",
    ",", "\n", "\r\n", "\r", "\n\n\n", " ", '"', "\\", '{"question": "未完', "12", "-1.5e3", "true", "NaN", "[[]]",
    '{"question":\n "一",\n "answer": "二"}', "问题,答案", '"一\n二",答', "一\t答", "\ufeff", "\u2028", "{}", "......",
    '{"a": {"b": [1, ',
]  # fmt: skip
SUFFIXES = [".json", ".jsonl", ".csv", ".tsv", ".txt", ".md"]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.builds(
    lambda value, indent: json.dumps(value, indent=indent, ensure_ascii=False),
    st.lists(st.dictionaries(st.sampled_from(["question", "answer", "x"]), values)) | values,
    st.sampled_from([None, 1]),
)
files = st.builds(
    lambda text, encoding: text.encode(encoding, "ignore"),
    texts,
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be"]),
) | st.lists(st.one_of(texts.map(str.encode), texts.map(lambda t: t.encode("gb18030", "ignore")), st.binary())).map(
    b"\n".join
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stream")


def outcome(path, chunk):
    """What reading gives, in pieces of `chunk` bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "CHUNK", chunk)
        try:
            result = scan_records(path)
        except DataError as error:
            return str(error)
    return result.records, result.rejects, result.notes, result.format


@some
@given(files, st.sampled_from(SUFFIXES), st.integers(1, 30))
def test_the_size_of_the_pieces_changes_nothing(folder, data, suffix, chunk):
    path = folder / f"a{suffix}"
    path.write_bytes(data)
    assert outcome(path, chunk) == outcome(path, 2**20)


@some
@given(st.text(max_size=60), st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]), st.integers(1, 9))
def test_text_in_pieces_is_the_whole_text(folder, text, encoding, chunk):
    """What the whole file says, with the line ends that a whole file decides."""
    # Enough Chinese for GB18030 to be told by; UTF-16 is told by the zeros in it.
    text = f"{'twenty letters or so ' * 3}{'基金' * 50}{text}".replace("\0", "")
    path = folder / "a.txt"
    path.write_bytes(text.encode(encoding, "ignore"))
    whole = path.read_bytes().decode(encoding).replace("\r\n", "\n")
    whole = whole if "\n" in whole else whole.replace("\r", "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "CHUNK", chunk)
        file = TextFile(path)
        assert "".join(file.chunks()) == whole
        assert list(file.lines()) == whole.split("\n")


def lines_of(count, **more):
    rows = [{"question": f"第{n}问？", "answer": "答" * 400, **more} for n in range(count)]
    return [json.dumps(row, ensure_ascii=False) for row in rows]


LARGE = {
    "a.jsonl": "\n".join(lines_of(900)),
    "a.json": "[" + ",\n".join(lines_of(900)) + "]",
    "b.json": json.dumps([json.loads(line) for line in lines_of(900)], ensure_ascii=False, indent=1),
    "c.json": "[" + ",\n".join(lines_of(900)),
    "d.jsonl": "\n".join(line.replace("question", "unknown") for line in lines_of(900)),
    "e.jsonl": "\n".join(["." * 1200] * 900),
    "a.csv": "问题,答案\n" + "\n".join(f'第{n}问,"{"答" * 400}\n续"' for n in range(900)),
    "a.txt": "\n\n\n".join(f"第{n}篇\n{'文' * 400}" for n in range(900)),
}


@pytest.mark.parametrize("name", sorted(LARGE))
def test_memory_does_not_grow_with_the_file(name, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_text(LARGE[name], encoding="utf-8")
    monkeypatch.setattr(decode, "CHUNK", 2**12)
    monkeypatch.setattr(json_rows, "MOST_BAD", 2**12)
    tracemalloc.start()
    count = sum(1 for _ in RecordStream(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 900 and peak < 300_000 < path.stat().st_size / 3


def test_many_bad_lines_are_told_one_by_one_however_many(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    bad = ["......", '{"unknown": 1}', "not { json"] * 30
    path.write_text("\n".join([*lines_of(2), *bad, *lines_of(2)]), encoding="utf-8")
    whole = scan_records(path)
    monkeypatch.setattr(json_rows, "MOST_BAD", 40)
    pieces = scan_records(path)
    assert (whole.records, whole.rejects) == (pieces.records, pieces.rejects) and len(whole.rejects) == 90


def test_an_object_of_many_lines_is_never_cut_in_two(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    turns = [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}] * 30
    text = '{"messages": [\n' + ",\n".join(json.dumps(turn) for turn in turns) + "\n]}"
    path.write_text(f"{text}\n......\n{text}", encoding="utf-8")
    monkeypatch.setattr(json_rows, "MOST_BAD", 40)
    assert [len(record.messages) for record in scan_records(path).records] == [60, 60]


def test_a_stream_counts_what_it_gave_and_tells_doubled_ids(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*lines_of(2, id="x"), *lines_of(1), "...", *lines_of(1, id="a.jsonl:3")]), "utf-8")
    stream = RecordStream(path)
    records = [item for item in stream if isinstance(item, Record)]
    assert [record.id for record in records] == ["x", "x", "a.jsonl:3", "a.jsonl:3"]
    assert (stream.records, stream.rejects, [reject.line for reject in stream.first]) == (4, 1, [4])
    result = read_records(path, rejects=False)
    assert len({record.id for record in result.records}) == 4
    assert stream.notes == ["2 条的 id 与前面重复"]  # a stream gives them as they are
    assert result.notes == ["2 条的 id 与前面重复，已加 #2、#3 区分"]


def test_parquet_in_batches(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist([json.loads(line) for line in lines_of(50)])
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=20)
    whole = outcome(tmp_path / "a.parquet", 1)
    monkeypatch.setattr(rows, "PARQUET_ROWS", 7)
    assert outcome(tmp_path / "a.parquet", 1) == whole
    assert [record.origin for record in whole[0]] == [f"a.parquet:{n}" for n in range(1, 51)]


def test_an_empty_path_is_not_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "别的.jsonl").write_text('{"instruction": "甲？", "output": "乙。"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="空的路径"):
        RecordStream("")
    assert RecordStream(".").path.is_dir()


def test_a_list_without_keys_is_one_bad_row_and_objects_in_lists_are_read(tmp_path):
    file = tmp_path / "sets.json"
    good = {"question": "什么是久期？", "answer": "平均到期时间。"}
    file.write_text(
        json.dumps([["利好", 1], [], [[good]], ["甲", good], ["利空", 0, None]], ensure_ascii=False), "utf-8"
    )
    read = list(RecordStream(file))
    assert [row.question for row in read if isinstance(row, Record)] == ["什么是久期？"] * 2
    rejects = [row for row in read if not isinstance(row, Record)]
    assert [row.raw for row in rejects] == ['["利好", 1]', '"甲"', '["利空", 0, null]']
    assert "kind: tasks" in rejects[0].reason
