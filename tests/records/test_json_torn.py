"""Torn objects: each is told by its line, in time that grows with the file and not with its square."""

from __future__ import annotations

import pytest

from cornucopia.records import json_values
from cornucopia.records.read import scan_records


@pytest.mark.parametrize(
    "line", ['{"question": "问题', '{"question": "问", "a": ', '{"question": "问" "a"}', '{"a": {']
)
def test_torn_objects_take_time_that_grows_with_their_number(tmp_path, monkeypatch, line):
    looked: list[int] = []
    decode = json_values.json.JSONDecoder.raw_decode

    def counted(self, text, idx=0):
        looked.append(len(text))
        return decode(self, text, idx)

    monkeypatch.setattr(json_values.json.JSONDecoder, "raw_decode", counted)
    costs = []
    for count in (3000, 9000):
        (tmp_path / "a.jsonl").write_text("\n".join([line] * count), encoding="utf-8")
        looked.clear()
        result = scan_records(tmp_path / "a.jsonl")
        assert [reject.line for reject in result.rejects] == list(range(1, count + 1))
        costs.append(sum(looked))
    assert costs[1] < 4 * costs[0]


def test_lines_of_faults_within_long_damage_are_right(tmp_path):
    rows = (
        '{"question": "问",\n "answer": "答"}\n' * 20
        + '{"question": "问",\n "answer" "答"}\n'
        + '{"question": "再问"}\n'
    )
    (tmp_path / "a.json").write_text(rows, encoding="utf-8")
    result = scan_records(tmp_path / "a.json")
    assert (
        len(result.records) == 21
        and [r.line for r in result.rejects] == [41]
        and "第 42 行" in result.rejects[0].reason
    )


def test_a_key_given_twice_is_told(tmp_path):
    rows = ['{"question": "问", "answer": "甲", "answer": "乙"}', '{"question": "问", "answer": "甲", "answer": "甲"}']
    rows += [
        '{"messages": [{"role": "user", "content": "甲", "content": "乙"}]}',
        '[{"question": "问", "id": 1, "id": 2}]',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(rows), encoding="utf-8")
    result = scan_records(tmp_path / "a.jsonl")
    assert [reject.line for reject in result.rejects] == [1, 3, 4] and len(result.records) == 1
    assert all("出现了两次" in reject.reason for reject in result.rejects) and "answer" in result.rejects[0].reason


def test_control_characters_are_not_printed(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "好"}\n\x1b[2J坏\x07\n', encoding="utf-8")
    (reject,) = scan_records(tmp_path / "a.jsonl").rejects
    assert "\x1b" not in str(reject) and "\\x1b[2J坏\\x07" in str(reject)
