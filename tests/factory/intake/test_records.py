"""The source `records`: both of its doors give the same, ids are unique, rejects keep file and line."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import CornucopiaError
from cornucopia.factory.intake.records import RecordsConfig, RecordsIntake
from cornucopia.records.native import pack
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Record

ROWS = [
    {"id": "own", "question": "问一", "answer": "答"},
    {"id": "own", "question": "问二", "answer": "答", "domain": "保险"},
    {"instruction": "问三", "input": "", "output": "答"},
    {"bad": 1},
    {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答", "loss": True}], "n": 1.5},
]


def intake(path, **given):
    return RecordsIntake(RecordsConfig.build({"path": str(path), "name": "qa", **given}))


def by_pieces(source, size=60):
    pieces = source.pieces(size)
    return None if pieces is None else [item for piece in json.loads(json.dumps(pieces)) for item in source.read(piece)]


def whole(source, tmp_path):
    return list(source.records(tmp_path, 42))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "data"
    (made / "sub").mkdir(parents=True)
    for name in ("a.jsonl", "sub/b.jsonl"):
        (made / name).write_text("".join(json.dumps(row) + "\n" for row in ROWS * 3))
    return made


@pytest.mark.parametrize("given", [{}, {"domain": "股票", "licence": "CC0", "as_of": "2026-01"}, {"objective": "sft"}])
def test_both_doors_give_the_same(folder, tmp_path, given):
    for path in (folder, folder / "a.jsonl"):
        source = intake(path, **given)
        items = by_pieces(source)
        assert items == whole(source, tmp_path) and len(source.pieces(60)) > 3
        records = [item for item in items if isinstance(item, Record)]
        assert len({record.id for record in records}) == len(records) == 12 * (2 if path == folder else 1)
        assert [pack(record) for record in records] == [
            pack(item) for item in whole(source, tmp_path) if isinstance(item, Record)
        ]  # fmt: skip


def test_ids_and_provenance(folder, tmp_path):
    first, second, third, reject, *_ = by_pieces(intake(folder / "a.jsonl", domain="股票", licence="CC0"))
    assert (first.id, first.origin, first.extra) == ("qa:1", "a.jsonl:1", {"source_id": "own"})
    assert (second.domain, third.domain, third.licence, third.extra) == ("保险", "股票", "CC0", {})
    assert isinstance(reject, Reject) and reject.where.endswith("a.jsonl:4") and "bad" in reject.reason
    assert by_pieces(intake(folder))[15].id == "qa:sub/b.jsonl:1"


def test_several_rows_on_a_line_and_the_factory_s_own_format(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS[:3]))
    assert [item.id for item in whole(intake(path), tmp_path)] == ["qa:1", "qa:1.2", "qa:1.3"]
    made = Record((Message("user", "问"), Message("assistant", "答")), id="old:7", origin="old.jsonl:7", span="第1页")
    native = tmp_path / "b.jsonl"
    native.write_bytes(b"".join(pack(made) + b"\n" for _ in range(3)))
    items = by_pieces(intake(native))
    assert items == whole(intake(native), tmp_path)
    assert [(item.id, item.origin, item.extra["source_id"]) for item in items][1] == ("qa:2", "old.jsonl:7", "old:7")


def test_a_limit_counts_records_and_reads_no_further(folder, tmp_path):
    items = whole(intake(folder / "a.jsonl", limit=5), tmp_path)
    assert sum(isinstance(item, Record) for item in items) == 5 and len(items) == 6


def test_columns_and_their_absence(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"客户提问": "问", "答复": "答"}\n', encoding="utf-8")
    source = intake(path, columns={"question": "客户提问", "answer": "答复"})
    assert source.pieces(60) is None and whole(source, tmp_path)[0].golden == "答"
    with pytest.raises(CornucopiaError, match="客户问"):
        whole(intake(path, columns={"question": "客户问"}), tmp_path)


def test_a_source_that_is_not_there(tmp_path):
    (tmp_path / "data.jsonl").touch()
    with pytest.raises(CornucopiaError, match=r"data\.jsonl"):
        whole(intake(tmp_path / "date.jsonl"), tmp_path)
