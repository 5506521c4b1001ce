"""`cornucopia data read`: documents and passages as JSON Lines, and what the user is told."""

from __future__ import annotations

import gzip
import json
import re
import zipfile

import pytest

from cornucopia.cli.main import main
from cornucopia.records.read import read_records
from cornucopia.sources.document import document_of
from made_pdf import prospectus


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read") / "文档"
    folder.mkdir()
    prospectus(folder / "招募.pdf", chapters=2, paragraphs_a_chapter=4)
    (folder / "说明.md").write_text("# 退保\n\n犹豫期内全额退保。", encoding="utf-8")
    (folder / "旧.doc").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(99) + "WordDocument".encode("utf-16-le"))
    return folder


def test_documents_are_written_and_what_was_read_is_shown(folder, tmp_path, capsys):
    out = tmp_path / "documents.jsonl"
    assert main(["data", "read", str(folder), "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "旧.doc" in shown.out and "另存为 .docx" in shown.out and "招募.pdf" in shown.out
    assert "2 篇文档" in shown.err and "1 个文件没有读" in shown.err
    documents = [document_of(json.loads(line)) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {document.id for document in documents} == {"招募.pdf", "说明.md"}


def test_passages_are_rows_that_the_door_reads(folder, tmp_path):
    out = tmp_path / "passages.jsonl.gz"
    assert main(["data", "read", str(folder), "--out", str(out), "--passages", "200", "--ocr", "never"]) == 0
    rows = [json.loads(line) for line in gzip.decompress(out.read_bytes()).splitlines()]
    assert len(rows) > 4 and all(row["spans"][0]["page"] == 0 for row in rows if row["document"] == "说明.md")
    assert [record.text for record in read_records(out, rejects=False).records] == [row["text"] for row in rows]


def test_an_archive_of_many_documents_is_counted_within_the_total(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(30):
            archive.writestr(f"{number}.md", f"# 第{number}条\n\n等待期{number}天。")
    assert main(["data", "read", str(tmp_path / "a.zip"), "--out", str(tmp_path / "out.jsonl")]) == 0
    told = re.findall(r"读文档 (\d+)/(\d+)", capsys.readouterr().err)
    assert len(told) < 5 and all(int(done) <= int(total) for done, total in told)


def test_nothing_read_and_a_wrong_name_are_errors_and_leave_no_file(folder, tmp_path, capsys):
    out = tmp_path / "a.jsonl"
    assert main(["data", "read", str(folder / "旧.doc"), "--out", str(out)]) == 1
    assert "另存为 .docx" in capsys.readouterr().err and not out.exists()
    assert main(["data", "read", str(folder), "--out", str(tmp_path / "a.csv")]) == 2
    assert main(["data", "read", str(tmp_path / "nowhere"), "--out", str(out)]) == 1
