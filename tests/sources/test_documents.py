"""A folder of anything -> documents and reasons: one file never stops the rest, none crashes or hangs."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zipfile

import pytest
import zstandard

from cornucopia.core.errors import DataError
from cornucopia.sources.document import Document
from cornucopia.sources.packed import Packed, bare_name, members, packing
from cornucopia.sources.read import REFUSED, Unread, read_documents, sniff
from made_office import excel, word
from made_pdf import prospectus

OLE = b"\xd0\xcf\x11\xe0" + b"\0" * 60
TEXT = "犹豫期内退保，退还全部保费。\n" * 3


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """One file of each kind."""
    folder = tmp_path_factory.mktemp("shapes")
    return [
        prospectus(folder / "a.pdf", chapters=1, paragraphs_a_chapter=2),
        word(folder / "a.docx"),
        excel(folder / "a.xlsx"),
    ]


def test_a_mixed_folder_gives_documents_and_reasons(shapes, tmp_path):
    for shape in shapes:
        (tmp_path / f"改名的{shape.suffix[1:]}.bin").write_bytes(shape.read_bytes())  # its content says what it is
    (tmp_path / "旧.doc").write_bytes(OLE + "WordDocument".encode("utf-16-le"))
    (tmp_path / "锁.docx").write_bytes(OLE + "EncryptedPackage".encode("utf-16-le"))
    (tmp_path / "图.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    (tmp_path / "空.txt").write_bytes(b"")
    (tmp_path / "数据.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    (tmp_path / "乱.dat").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "~$锁文件.docx").write_bytes(b"x")
    (tmp_path / "子" / "说明.txt").parent.mkdir()
    (tmp_path / "子" / "说明.txt").write_text(TEXT, encoding="gb18030")
    found = list(read_documents(tmp_path))
    documents = {item.id: item for item in found if isinstance(item, Document)}
    unread = {item.id: item.reason for item in found if isinstance(item, Unread)}
    assert {d.media for d in documents.values()} == {"pdf", "docx", "xlsx", "txt"}
    assert documents["子/说明.txt"].text == TEXT.strip() and documents["子/说明.txt"].source == "说明"
    assert all(len(d.sha256) == 64 for d in documents.values())
    assert unread["旧.doc"] == REFUSED["doc"] and unread["锁.docx"] == REFUSED["encrypted"]
    assert "ocr: always" in unread["图.png"] and unread["空.txt"] == "空文件" and "records" in unread["数据.jsonl"]
    assert set(unread) == {"旧.doc", "锁.docx", "图.png", "空.txt", "数据.jsonl", "乱.dat"}


def test_compressed_files_and_archives_are_read_too(shapes, tmp_path):
    data = TEXT.encode()
    for suffix, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        (tmp_path / f"a.txt.{suffix}").write_bytes(pack(data))
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(data))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(shapes[0], "in/招募.pdf")
        archive.writestr("__MACOSX/x", "x")
        archive.writestr("../../evil.md", "# 标题\n\n文字")
    found = list(read_documents(tmp_path))
    assert [item.id for item in found] == [
        "a.txt",
        "a.txt",
        "a.txt",
        "a.txt",
        "b.zip/../../evil.md",
        "b.zip/in/招募.pdf",
    ]
    assert all(item.text == TEXT.strip() for item in found[:4]) and found[5].pages[0].number == 1
    assert not (tmp_path.parent / "evil.md").exists()


def test_a_name_written_in_gbk_by_windows_is_read(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AAAA.txt", "x")
    path.write_bytes(path.read_bytes().replace(b"AAAA", "费率".encode("gbk")))
    assert [member.name for member in members(path)] == ["费率.txt"]


def test_bombs_are_refused_and_damage_ends_the_stream(tmp_path):
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"0" * (80 * 2**20)))
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(random.Random(1).randbytes(5000))[:3000])
    nested = TEXT.encode()
    for _ in range(4):
        nested = gzip.compress(nested)
    (tmp_path / "nested.gz").write_bytes(nested)
    reasons = {item.id: item.reason for item in read_documents(tmp_path)}
    assert "压缩炸弹" in reasons["bomb.txt"] and "损坏" in reasons["cut.txt"] and "套了" in reasons["nested"]
    packed = Packed(tmp_path / "cut.txt.gz", packing(tmp_path / "cut.txt.gz"))
    with packed.open() as stream:
        assert len(stream.read()) > 1000 and packed.problem
    assert bare_name("a.jsonl.gz") == "a.jsonl" and bare_name("a.pdf") == "a.pdf"


def test_nothing_there_is_an_error_that_names_the_neighbour(tmp_path):
    (tmp_path / "合同.docx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"合同\.docx"):
        list(read_documents(tmp_path / "合同.doc"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="没有文件"):
        list(read_documents(tmp_path / "empty"))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_cut_and_flipped_files_end_as_a_document_or_a_reason(shapes, tmp_path, which):
    data = shapes[which].read_bytes()
    chance = random.Random(which)
    for number in range(14):
        broken = bytearray(data)
        if number % 2:
            del broken[chance.randrange(len(broken)) :]
        else:
            for _ in range(chance.choice([1, 20, 400])):
                broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        (tmp_path / f"{number:02d}{shapes[which].suffix}").write_bytes(broken)
    found = list(read_documents(tmp_path, ocr="never"))
    assert {item.id[:2] for item in found} == {f"{n:02d}" for n in range(14)}
    assert all(item.reason if isinstance(item, Unread) else item.text for item in found)


def test_what_a_text_file_is_its_name_says(tmp_path):
    for name, text, kind in (
        ("a.md", "# x", "md"), ("a.csv", "a,b", "csv"), ("a", "x", "txt"), ("a.txt", "<!DOCTYPE html><p>x", "html"),
        ("a.doc", "纯文字", "txt"), ("b.txt", "BM 是首字母", "txt"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert sniff(tmp_path / name, name) == kind
