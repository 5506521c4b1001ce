"""Questions and answers from Excel and from compressed files: the same rows, the same reports of bad ones."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tracemalloc
import zipfile

import pytest
import zstandard
from openpyxl import Workbook

from cornucopia.core.errors import DataError
from cornucopia.records.read import read_records, scan_records
from cornucopia.records.stream import RecordStream

ROWS = [{"instruction": f"第{n}问", "input": "", "output": f"第{n}答", "domain": "存款"} for n in range(40)]
LINES = ("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS[:20]) + "\n{坏行\n").encode() + "\n".join(
    json.dumps(row, ensure_ascii=False) for row in ROWS[20:]
).encode()
PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.compress}


def plain(result):
    return [(r.question, r.golden) for r in result.records], [(r.line, r.reason) for r in result.rejects]


@pytest.fixture
def expected(tmp_path):
    path = tmp_path / "plain" / "a.jsonl"
    path.parent.mkdir()
    path.write_bytes(LINES)
    result = scan_records(path)
    assert len(result.records) == 40 and [reject.line for reject in result.rejects] == [21]
    return plain(result)


@pytest.mark.parametrize("kind", [*PACK, "zip"])
def test_a_compressed_file_gives_the_same_rows_and_rejects(tmp_path, expected, kind):
    path = tmp_path / f"a.jsonl.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("in/a.jsonl", LINES)
            archive.writestr("__MACOSX/._a.jsonl", b"\0")
            archive.writestr("说明.pdf", b"%PDF")
    else:
        path.write_bytes(PACK[kind](LINES))
    result = scan_records(path)
    assert plain(result) == expected and result.rejects[0].where == f"{path}:21"
    assert result.records[0].origin == f"{path.name}:1"


def test_a_compressed_table_in_gbk_is_read(tmp_path):
    text = "问题,答案\n能退保吗,可以在犹豫期内全额退保\n多久到账,三个工作日内到账\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode("gb18030")))
    result = scan_records(tmp_path / "a.csv.gz")
    assert [r.golden for r in result.records] == ["可以在犹豫期内全额退保", "三个工作日内到账"]
    assert any("GB18030" in note for note in result.notes)


@pytest.mark.parametrize("kind", PACK)
def test_what_stands_before_the_damage_is_kept(tmp_path, kind):
    rows = [{"instruction": f"{n}-{n * 7919 % 9973}", "output": f"{n**3}"} for n in range(60_000)]
    data = PACK[kind]("\n".join(json.dumps(row) for row in rows).encode())
    path = tmp_path / f"a.jsonl.{kind}"
    path.write_bytes(data[: len(data) * 9 // 10])
    result = scan_records(path)
    assert len(result.records) > 10_000 or kind in ("bz2", "zst")  # these come in large blocks
    assert "压缩文件" in result.rejects[-1].reason and result.rejects[-1].where == str(path)


def test_archives_of_several_files_and_bombs_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.jsonl", LINES)
        archive.writestr("b.jsonl", LINES)
    with pytest.raises(DataError, match="2 个数据文件"):
        read_records(tmp_path / "two.zip")
    (tmp_path / "bomb.jsonl.gz").write_bytes(gzip.compress(LINES + b"\n" + b" " * (90 * 2**20)))
    result = scan_records(tmp_path / "bomb.jsonl.gz")
    assert len(result.records) == 40 and any("压缩炸弹" in reject.reason for reject in result.rejects)


def excel(path):
    book = Workbook()
    sheet = book.active
    sheet.title = "问答"
    sheet["A1"] = "客服问答（2024年）"
    sheet.merge_cells("A1:C1")
    sheet.append(["领域", "问题", "答案"])
    sheet.append(["存款", "一年期利率多少", 0.0385])
    sheet.append([None, "代码多少", 1])
    sheet.append(["存款", None, "没有问题的行"])
    sheet.append(["存款", "多出一格", "答", "多的"])
    sheet.merge_cells("A3:A4")
    sheet["C3"].number_format, sheet["C4"].number_format = "0.00%", "000000"
    other = book.create_sheet("第二张")
    other.append(["question", "answer"])
    other.append(["q", "a"])
    book.save(path)
    return path


def test_excel_rows_are_what_the_cells_show_and_bad_ones_are_told_by_sheet_and_row(tmp_path):
    path = excel(tmp_path / "a.xlsx")
    result = scan_records(path)
    assert [(r.question, r.golden, r.domain) for r in result.records] == (
        [("一年期利率多少", "3.85%", "存款"), ("代码多少", "000001", "存款")]
    )
    assert result.records[0].origin == "a.xlsx:问答!3"
    assert [reject.where for reject in result.rejects] == [f"{path}:问答!5", f"{path}:问答!6"]
    (row,) = scan_records(path, sheet="第二张").records
    assert (row.question, row.golden) == ("q", "a")
    with pytest.raises(DataError, match=r"没有这个工作表[\s\S]*最接近的是 第二张"):
        read_records(path, sheet="第二")


def test_a_folder_takes_excel_and_compressed_files_too(tmp_path):
    excel(tmp_path / "a.xlsx")
    (tmp_path / "b.jsonl.zst").write_bytes(zstandard.compress(LINES))
    (tmp_path / "c.pdf").write_bytes(b"%PDF")
    result = scan_records(tmp_path)
    assert len(result.records) == 42 and any("c.pdf" in note for note in result.notes)


def test_a_large_compressed_file_is_read_piece_by_piece(tmp_path):
    line = json.dumps(ROWS[0] | {"output": "答" * 200}, ensure_ascii=False).encode() + b"\n"
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line * 10_000 + bytes(range(33, 120)) * 3000, 1))
    tracemalloc.start()
    count = sum(1 for _ in RecordStream(tmp_path / "a.jsonl.gz"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 10_000 and peak < 30e6
