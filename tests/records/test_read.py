"""Reading: every file style, every good row kept, every bad row told with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cornucopia.core.errors import DataError
from cornucopia.records.read import read_records, scan_records

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
ROWS = [{"instruction": f"第{n}个问题是什么？", "input": "", "output": f"答案{n}"} for n in range(10)]
LINES = [json.dumps(row, ensure_ascii=False) for row in ROWS]
QUESTIONS = [row["instruction"] for row in ROWS]


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def questions(result):
    return [record.question for record in result.records]


def test_the_original_projects_file_style(tmp_path, capsys):
    path = write(tmp_path, "fin_data.json", "\n".join([*LINES, "......", "..."]))
    result = read_records(path)
    assert questions(result) == QUESTIONS
    assert [(r.line, r.raw) for r in result.rejects] == [(11, "......"), (12, "...")]
    assert result.records[3].origin == "fin_data.json:4"
    kept = [json.loads(line) for line in (tmp_path / "fin_data.rejects.jsonl").read_text("utf-8").splitlines()]
    assert [row["raw"] for row in kept] == ["......", "..."]
    assert "fin_data.json:11" in capsys.readouterr().err
    write(tmp_path, "fin_data.json", "\n".join(LINES))
    read_records(path)
    assert not (tmp_path / "fin_data.rejects.jsonl").exists()


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS, ensure_ascii=False),
        json.dumps(ROWS, ensure_ascii=False, indent=2),
        json.dumps(ROWS),
        "\ufeff" + "\r\n".join(LINES) + "\r\n",
        "\r".join(LINES),
        "\n\n".join(LINES),
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        "[\n" + ",\n".join(LINES) + "\n]",
        json.dumps(ROWS[:4]) + "\n" + json.dumps(ROWS[4:], indent=2),
        "\n".join(LINES).encode("gb18030"),
        json.dumps(ROWS, ensure_ascii=False, indent=1).encode("gb18030"),
        "\n".join(LINES).encode("utf-16"),
        "\n".join(LINES[:5]).encode() + b"\n" + "\n".join(LINES[5:]).encode("gb18030"),
    ],
)
def test_json_in_every_dress_reads_without_rejects(tmp_path, content):
    for name in ("a.json", "a.jsonl", "a.txt"):
        result = read_records(write(tmp_path, name, content))
        assert (questions(result), result.rejects, result.format) == (QUESTIONS, [], "alpaca")


def test_conversion_is_said(tmp_path, capsys):
    read_records(write(tmp_path, "a.jsonl", "\n".join(LINES).encode("gb18030")))
    assert "GB18030" in capsys.readouterr().err


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("cut", [20, 5, 1])
def test_an_array_cut_short_keeps_its_whole_elements(tmp_path, indent, cut):
    text = json.dumps(ROWS, ensure_ascii=False, indent=indent)
    result = read_records(write(tmp_path, "a.json", text[:-cut]))
    kept = QUESTIONS[: 10 if cut == 1 else 9]
    assert questions(result) == kept
    assert len(result.rejects) == 10 - len(kept)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("old,new", [("答案4", '答"案4'), ('"第4个', "第4个"), ('"input"', '"input'), ("}", "")])
def test_an_array_with_a_broken_element_keeps_the_others(tmp_path, indent, old, new):
    parts = [json.dumps(row, ensure_ascii=False, indent=indent) for row in ROWS]
    parts[4] = parts[4].replace(old, new)
    result = read_records(write(tmp_path, "a.json", "[" + ",\n".join(parts) + "]"))
    assert questions(result) == QUESTIONS[:4] + QUESTIONS[5:]
    assert [reject.line for reject in result.rejects] == [5 if indent is None else 21]


def test_a_damaged_array_of_conversations_is_not_read_in_pieces(tmp_path):
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": "答"}]} for q in QUESTIONS]
    text = json.dumps(rows, ensure_ascii=False, indent=2).replace(f'"{QUESTIONS[2]}"', f'"{QUESTIONS[2]}')
    result = read_records(write(tmp_path, "a.json", text))
    assert questions(result) == QUESTIONS[:2] + QUESTIONS[3:]
    assert len(result.rejects) == 1


def test_raw_tabs_and_line_breaks_inside_strings_are_no_loss(tmp_path):
    text = '[\n {"question": "一\t栏\n二行", "answer": "好"},\n {"question": "二", "answer": "好"}\n]'
    assert questions(read_records(write(tmp_path, "a.json", text))) == ["一\t栏\n二行", "二"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[" * 100000 + "1", "不是 JSON"),
        ('{"question": ' + "[" * 100000, "嵌套太深"),
        ('{"question": "q", "x": ' + "[" * 200 + "]" * 200 + "}", "嵌套超过"),
        ('{"question": "\\ud800半个"}', "残缺"),
        ('{"question": "a\\u0000b"}', "NUL"),
        ('{"question": "a\0b"}', "NUL"),
        ('{"question": NaN}', "没有认出"),
        ('{"question": {"a": 1}}', "question 应是文字"),
        ('"只是文字"', "不是 JSON 对象"),
        ("null", "不是 JSON 对象"),
        ('{"question": "没完', "语法错误"),
        ('{"foo": 1}', "没有认出"),
        (b"\xff\xfe\x80", "不是 JSON 对象"),
        (b'{"question": "\xe4\xbd\xa0\xe5\xa5\xe5\xa5\xbd\xe5\x90\x97"}', "残缺"),
    ],
)
def test_bad_lines_are_told_and_kept(tmp_path, line, reason):
    line = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path, "a.jsonl", b"\n".join([LINES[0].encode(), line, LINES[1].encode()]))
    result = read_records(path)
    assert questions(result) == QUESTIONS[:2]
    assert [reject.line for reject in result.rejects] == [2]
    assert reason in result.rejects[0].reason
    assert json.loads((tmp_path / "a.rejects.jsonl").read_text("utf-8"))["where"].endswith("a.jsonl:2")
    with pytest.raises(DataError, match=r"a\.jsonl:2"):
        read_records(path, strict=True)


def test_huge_numbers_and_nan_in_other_keys_are_no_loss(tmp_path):
    path = write(tmp_path, "a.jsonl", f'{{"question": "q", "n": {"9" * 9000}, "x": 1e999, "y": NaN}}')
    record = read_records(path).records[0]
    json.dumps(record.to_dict(), allow_nan=False)
    assert record.extra == {"n": "9" * 9000}


@pytest.mark.parametrize("content", ["", "\n \n", "......\n...", '{"foo": 1}\n', "[]", "{}", "null"])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_nothing_usable_is_an_error_that_says_what_was_found(tmp_path, name, content):
    with pytest.raises(DataError, match="实际"):
        read_records(write(tmp_path, name, content))


def test_paths_that_cannot_be_read(tmp_path):
    write(tmp_path, "fin_data.json", "x")
    with pytest.raises(DataError, match=r"fin_data\.json"):
        read_records(tmp_path / "fin_dta.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="没有数据文件"):
        read_records(tmp_path / "empty")
    with pytest.raises(DataError, match="CSV"):
        read_records(write(tmp_path, "a.xlsx", b"PK\x03\x04"))
    with pytest.raises(DataError, match="Parquet"):
        read_records(write(tmp_path, "a.parquet", b"PAR1 broken PAR1"))


def test_require_answer_makes_questions_rejects(tmp_path):
    path = write(tmp_path, "a.jsonl", LINES[0] + '\n{"instruction": "没有答案"}')
    assert len(read_records(path, rejects=False).records) == 2
    result = read_records(path, objective="sft", rejects=False)
    assert (len(result.records), result.rejects[0].line) == (1, 2)
    assert not list(tmp_path.glob("*.rejects.jsonl"))


def test_rejects_go_where_the_caller_says_and_an_unwritable_place_is_no_error(tmp_path, capsys):
    path = write(tmp_path, "a.jsonl", LINES[0] + "\n...")
    assert read_records(path, rejects=tmp_path / "runs").rejects_path == tmp_path / "runs" / "a.rejects.jsonl"
    write(tmp_path, "file", "")
    assert read_records(path, rejects=tmp_path / "file" / "sub").rejects_path is None
    assert "没能存下" in capsys.readouterr().err


def test_csv(tmp_path):
    text = (
        '\ufeff问题,答案,领域\r\n"一,""引""","多\r\n行",保险\r\n二,答二,\r\n\r\n'
        '三,少一列\r\n"四,没关,x\r\n五,答五,贷款\r\n'
    )
    result = read_records(write(tmp_path, "a.csv", text))
    assert questions(result) == ['一,"引"', "二", "五"]
    assert [record.golden for record in result.records] == ["多\n行", "答二", "答五"]
    assert [reject.line for reject in result.rejects] == [6, 7]
    assert result.records[2].domain == "贷款"


def test_tsv_semicolons_and_gb18030(tmp_path):
    assert questions(read_records(write(tmp_path, "a.tsv", "question\tanswer\n一\t答"))) == ["一"]
    quoted = read_records(write(tmp_path, "a.tsv", 'question\tanswer\n"一"是什么\t答\n"二\t"答"\n"三"\t答'))
    assert (questions(quoted), quoted.rejects) == (['"一"是什么', '"二', "三"], [])
    assert questions(read_records(write(tmp_path, "b.csv", "question;answer\n一;答"))) == ["一"]
    assert questions(read_records(write(tmp_path, "c.csv", "问题,答案\n一,答".encode("gb18030")))) == ["一"]


def test_csv_history_is_json_text(tmp_path):
    path = write(tmp_path, "a.csv", 'prompt,response,history\n二,答,"[[""一"", ""答一""]]"\n三,答,坏\n')
    result = read_records(path)
    assert [m.content for m in result.records[0].messages] == ["一", "答一", "二", "答"]
    assert result.rejects[0].line == 3


def test_csv_with_own_columns(tmp_path):
    path = write(tmp_path, "a.csv", "序号,客户提问,答复\n1,一,答\n")
    with pytest.raises(DataError, match="客户提问"):
        read_records(path)
    result = read_records(path, columns={"question": "客户提问", "answer": "答复"})
    assert (questions(result), result.records[0].extra) == (["一"], {"序号": "1"})


def test_a_mapped_column_that_no_row_has_is_an_error(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"客户提问": "一", "答复": "答"}')
    with pytest.raises(DataError, match=r"(?s)没有「客户题问」.*最接近的是 客户提问"):
        read_records(path, columns={"question": "客户题问"})


def test_an_unreadable_file_is_an_error_in_chinese(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "a.jsonl", LINES[0])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="打不开文件"):
        read_records(path)


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    rows = [
        {"conversations": [{"from": "human", "value": "一"}, {"from": "gpt", "value": "答"}], "score": float("nan")},
        {"conversations": None, "score": 1.0},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    result = read_records(tmp_path / "a.parquet")
    assert (questions(result), result.rejects[0].line, result.format) == (["一"], 2, "sharegpt")


def test_documents(tmp_path):
    result = read_records(write(tmp_path, "a.txt", "第一篇\n\n还是第一篇\n\n\n第二篇\n"))
    assert [(r.text, r.origin) for r in result.records] == [("第一篇\n\n还是第一篇", "a.txt:1"), ("第二篇", "a.txt:6")]
    assert len(read_records(write(tmp_path, "b.md", "# 题\n\n\n文")).records) == 1


def test_folder(tmp_path):
    write(tmp_path, "b.jsonl", "\n".join(LINES[5:]) + "\n...")
    write(tmp_path, "a.json", json.dumps(ROWS[:5]))
    write(tmp_path, "README.md", "说明")
    write(tmp_path, "old.rejects.jsonl", '{"raw": 1}')
    write(tmp_path, "broken.parquet", "x")
    result = read_records(tmp_path, rejects=False)
    assert questions(result) == QUESTIONS
    assert [Path(reject.where).name for reject in result.rejects] == ["b.jsonl:6", "broken.parquet"]
    assert any("README" in note or ".md" in note for note in result.notes)


def test_ids_are_unique_and_stable(tmp_path):
    rows = [
        {"id": "x", "question": "一"},
        {"id": "x#2", "question": "二"},
        {"id": "x", "question": "三"},
        {"question": "四"},
    ]
    for content in (json.dumps(rows), "\n".join(json.dumps(row) for row in rows)):
        ids = [record.id for record in read_records(write(tmp_path, "a.json", content)).records]
        assert ids[:2] == ["x", "x#2"] and len(set(ids)) == 4


def test_scan_does_not_raise_or_write(tmp_path):
    result = scan_records(write(tmp_path, "a.jsonl", "..."))
    assert (result.records, len(result.rejects), list(tmp_path.iterdir())) == ([], 1, [tmp_path / "a.jsonl"])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("LLaMA-Factory/data/alpaca_zh_demo.json", 1000),
        ("LLaMA-Factory/data/dpo_zh_demo.json", 300),
        ("ChatGLM-Efficient-Tuning/data/oaast_sft_zh.json", 689),
        ("DISC-FinLLM/data/consulting_part.json", 100),
        ("DISC-FinLLM/data/task_part.json", 100),
        ("DISC-FinLLM/eval/retriever_eval.json", 61),
        ("CFGPT/data", 46),
        ("financial_evaluation_dataset/data/SUFE/val", 1071),
        ("FinBERT/Fin-labeler/SC_2/test_SC_2.csv", 400),
        ("Chinese_NRE/data/FinRE/test.txt", 1),
    ],
)
def test_shared_data_reads_without_rejects(name, count):
    if not (SHARED / name).exists():
        pytest.skip("shared data is absent")
    result = read_records(SHARED / name, rejects=False)
    assert (len(result.records), result.rejects) == (count, [])


@pytest.mark.parametrize("line", ['{"instruction": "问", "input": "", "output": "答"}', "不是 JSON", "[1]", "3"])
@pytest.mark.parametrize("bad", [False, True])
def test_a_file_that_is_not_kept_bad_rows_is_neither_removed_nor_replaced(tmp_path, line, bad):
    data, other = tmp_path / "data.jsonl", tmp_path / "other.jsonl"
    good = '{"instruction": "退保扣钱吗？", "input": "", "output": "犹豫期内不扣。"}\n'
    data.write_text(good + ("{坏\n" if bad else ""), encoding="utf-8")
    other.write_text(line + "\n", encoding="utf-8")
    result = read_records(data, rejects=other)
    assert other.read_text(encoding="utf-8") == line + "\n"
    assert len(result.records) == 1 and bool(result.rejects) == bad
    assert any("同名的文件" in note for note in result.notes) == bad


def test_the_data_itself_named_as_the_place_for_bad_rows_stays(tmp_path):
    data = tmp_path / "data.jsonl"
    text = '{"instruction": "退保扣钱吗？", "input": "", "output": "犹豫期内不扣。"}\n{坏\n'
    data.write_text(text, encoding="utf-8")
    assert len(read_records(data, rejects=data).records) == 1
    assert data.read_text(encoding="utf-8") == text
