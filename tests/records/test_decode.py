"""Which encoding a file has, told by what comes out; what is no text is named and never printed."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import DataError
from cornucopia.records.read import read_records, scan_records

SIMPLE = ["定期存款提前支取怎么计息？", "按活期利率计息，以支取日挂牌利率为准。", "什么是可转债的强制赎回条款"]
OLD = ["定期存款提前支取怎麼計息？", "按活期利率計息，以支取日掛牌利率為準。", "什麼是可轉債的強制贖回條款"]
RARE = ["Ñandú ärgert öfters über größere Mißverständnisse äöüß éèêë àâ ïîôûç ñãõ" * 3]


def written(path, texts, encoding):
    rows = [json.dumps({"question": text, "answer": "好"}, ensure_ascii=False) for text in texts]
    path.write_bytes("\n".join(rows).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("texts", "encoding", "note"),
    [
        (SIMPLE, "gb18030", "GB18030"),
        (OLD, "gb18030", "GB18030"),
        (OLD, "big5", "Big5"),
        (OLD[:1], "big5", "Big5"),
        (OLD, "utf-8", ""),
    ],
)
def test_the_right_encoding_is_found(texts, encoding, note, tmp_path):
    result = scan_records(written(tmp_path / "a.jsonl", texts, encoding))
    assert [record.question for record in result.records] == texts
    assert note in "".join(result.notes) and bool(result.notes) == bool(note)


def test_what_comes_out_as_no_chinese_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        b'{"question": "' + "これは日本語の文章です。金融".encode("shift_jis") * 5 + b'"}'
    )
    (tmp_path / "b.jsonl").write_bytes(b'{"question": "' + RARE[0].encode("latin-1") + b'"}')
    for name in ("a.jsonl", "b.jsonl"):
        result = scan_records(tmp_path / name)
        assert not result.records and not any("已转换" in note for note in result.notes)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.json"])
@pytest.mark.parametrize("data", [b"Rar!" + bytes(99), b"PK\x03\x04" + bytes(99), bytes(range(256)) * 9])
def test_a_binary_file_is_named_and_not_printed(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as error:
        read_records(tmp_path / name)
    assert ("不是文本" in str(error.value) and str(error.value).isprintable()) or "\n" in str(error.value)


def test_a_folder_says_what_it_leaves_out(tmp_path):
    (tmp_path / "data.json").write_text(json.dumps([{"question": "问", "answer": "答"}]), encoding="utf-8")
    (tmp_path / "one.json").write_text(json.dumps({"question": "问二", "answer": "答"}), encoding="utf-8")
    (tmp_path / "dataset_info.json").write_text(
        json.dumps({"fin": {"file_name": "data.json"}}, indent=2), encoding="utf-8"
    )
    (tmp_path / "more.7z").write_bytes(b"7z")
    (tmp_path / "表.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    result = scan_records(tmp_path)
    assert len(result.records) == 2 and not result.rejects
    told = "\n".join(result.notes)
    assert all(name in told for name in ("dataset_info.json", "more.7z", "表.xls"))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("投資信託は多くの人から集めたお金を運用する商品です。", "euc-jp"),
        ("은행 예금과 펀드의 차이는 무엇입니까 알려 주세요", "euc-kr"),
    ],
)
def test_other_eastern_encodings_are_not_taken_for_chinese(tmp_path, text, encoding):
    path = tmp_path / "a.jsonl"
    path.write_bytes(f'{{"text": "{text}"}}\n'.encode(encoding) * 3)
    assert [reject.line for reject in scan_records(path).rejects] == [1, 2, 3]
