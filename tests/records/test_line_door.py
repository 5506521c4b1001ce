"""A file read in ranges of bytes gives what it gives when it is read as a whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.records.line_door import ranges, read_range
from cornucopia.records.rejects import Reject
from cornucopia.records.stream import RecordStream

LINES = [
    '{"instruction": "问%d", "output": "答"}',
    '{"id": "own", "question": "问%d", "answer": "答，很长' + "长" * 40 + '"}',
    '{"messages": [{"role": "user", "content": "问%d"}, {"role": "assistant", "content": "答"}], "n": 20, "x": 1.10}',
    '{"question": "问%d", "answer": "答", "n": 123456789012345678901234567890}',
    '{"question": "问%d", "question": "另一个", "answer": "答"}',
    '{"question": "坏\\ud800%d", "answer": "答"}',
    '{"question": "空\\u0000%d", "answer": "答"}',
    '{"unknown": "%d"}', '{"question": "断了%d', '', "  ", "什么%d",
    '{"question": "跨行%d",', '"answer": "答"}', "[", "]",
    '{"question": "一%d", "answer": "答"} {"question": "二", "answer": "答"}',
    '{"question": "逗号%d", "answer": "答"},',
    '{"question": "没有答案%d"}', '{"text": "一篇文章%d"}',
]  # fmt: skip
GOOD = LINES[:3]


def write(path, lines, end="\n", bom=False, tail=True):
    text = end.join(line % n if "%d" in line else line for n, line in enumerate(lines)) + (end if tail else "")
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    return path


def whole(path, objective=""):
    return list(RecordStream(path, objective=objective))


def by_range(path, size, objective=""):
    found = ranges(path, size)
    return None if found is None else [
        item for part in found for _, item in read_range(path, part, path.name, objective)
    ]  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(LINES), max_size=12),
    st.integers(20, 400),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "sft"]),
)
def test_ranges_give_what_the_whole_gives(tmp_path_factory, lines, size, end, bom, tail, objective):
    path = write(tmp_path_factory.mktemp("door") / "a.jsonl", [GOOD[0], *lines], end, bom, tail)
    found = by_range(path, size, objective)
    assert found is None or found == whole(path, objective)


def test_a_large_file_is_cut_and_damage_does_not_hinder_that(tmp_path):
    path = write(tmp_path / "a.jsonl", (GOOD * 40 + LINES) * 3)
    found = ranges(path, 1000)
    assert found and len(found) > 10 and found[0].start == 0 and found[-1].end == path.stat().st_size
    items = by_range(path, 1000)
    assert items == whole(path) and any(isinstance(item, Reject) for item in items)
    assert str(next(item for item in items if not isinstance(item, Reject) and "x" in item.extra).extra["x"]) == "1.10"


@pytest.mark.parametrize("data", [
    b"", b"\n\n", b'[{"question": "a", "answer": "b"},\n{"question": "c", "answer": "d"}]\n',
    '{"question": "问", "answer": "答"}\n'.encode("gb18030") * 5, '{"question": "a", "answer": "b"}\n'.encode("utf-16"),
    b'{\n"question": "a",\n"answer": "b"}\n', b"\x1f\x8b\x08\x00",
    b'{"question": "a", "answer": "b"}\r{"question": "c"}\r',
])  # fmt: skip
def test_another_kind_of_file_is_left_to_the_ordinary_reader(tmp_path, data):
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    assert ranges(path, 100) is None


def test_a_line_longer_than_a_range(tmp_path):
    rows = [{"question": f"问{n}", "answer": "答" * (3000 if n == 5 else 3)} for n in range(20)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert by_range(path, 200) == whole(path)
