"""Files that are not as published are told by name, place and what to do; nothing is guessed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cornucopia.core.errors import CornucopiaError, DataError, UsageError
from cornucopia.evaluation import dataset
from cornucopia.evaluation.benchmarks.benchmark import choice_row, rotated, rows_digest
from cornucopia.evaluation.benchmarks.own import OWN
from cornucopia.evaluation.dataset import BENCHMARKS, read_rows
from cornucopia.evaluation.scorers import letter_sets
from evaluation_fakes import publish, write_csv
from samples import SHARED

MADE = [name for name, one in BENCHMARKS.items() if not one.made]


@pytest.fixture
def data(tmp_path):
    publish(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", MADE)
def test_absent_files_are_told_with_their_source(name, tmp_path):
    with pytest.raises(DataError) as error:
        read_rows(name, str(tmp_path))
    assert str(tmp_path) in str(error.value) and "https://github.com" in error.value.fix
    with pytest.raises(DataError, match="没有这个数据文件夹"):
        read_rows(name, str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", MADE)
def test_published_files_give_rows_that_are_all_there(name, data):
    rows = read_rows(name, str(data))["test"]
    assert rows and all(row["id"] and row["question"] and row["answer"] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_an_unlabelled_row_is_no_question(data):
    assert "没有答案的一行" not in {row["question"] for row in read_rows("fineva", str(data))["test"]}
    assert "教我骗保" not in {row["question"] for row in read_rows("openfindata", str(data))["test"]}


@pytest.mark.parametrize(
    ("name", "path", "text", "told"),
    [
        ("fineval", "data/SUFE/val/finance_val.csv", "id,question,A\n0,问,甲\n", "缺少列 B、C、D、answer"),
        ("fineval", "data/SUFE/val/finance_val.csv", "", "空文件"),
        ("fineval", "data/SUFE/subject_map.json", "{", "科目表读不出来"),
        (
            "fineval",
            "data/SUFE/val/finance_val.csv",
            "id,question,A,B,C,D,answer\n0,问,甲,乙,丙,丁,F\n",
            "finance_val.csv:2",
        ),
        ("finfe", "FinCUGE_Publish/finfe/eval_list.json", '[["涨了", 7]]', "没有这个情绪标签"),
        ("finfe", "FinCUGE_Publish/finfe/eval_list.json", '[["涨了"]]', "每条应是 2 项的列表"),
        ("finfe", "FinCUGE_Publish/finfe/eval_list.json", "[", "不是合格的 JSON"),
        ("finfe", "FinCUGE_Publish/finfe/eval_list.json", "[]", "一条也没有"),
        ("finfe", "FinCUGE_Publish/finfe/eval_list.json", "version https://git-lfs.github.com/spec/v1\n", "LFS"),
        ("cflue_single", "cflue/data/knowledge/knowledge.json", '[{"task": "单项选择题"}]', "缺少 名称"),
        ("disc_computing", "disc/eval/computing_eval.json", "[3]", "第 1 条"),
        ("cfbenchmark_texts", "cfb/data/risk/data-00000-of-00001.arrow", "no arrow", "Arrow"),
        ("bizfinbench", "Financial_Time_Reasoning.jsonl", '{"messages": [], "choices": [{"message": 3}]}', "没有文字"),
    ],
)
def test_damaged_files_are_told(name, path, text, told, data):
    (data / path).write_text(text, encoding="utf-8")
    with pytest.raises(CornucopiaError) as error:
        read_rows(name, str(data))
    assert told in str(error.value) and error.value.fix


def test_gb18030_and_bom_are_read(data):
    path = data / "data/SUFE/val/finance_val.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
    assert len(read_rows("fineval", str(data))["test"]) == 6
    other = data / "data/SUFE/val/banking_val.csv"
    other.write_bytes(b"\xef\xbb\xbf" + other.read_bytes())
    (data / "data/SUFE/val/none_val.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(DataError, match="不是 UTF-8"):
        from pathlib import Path

        BENCHMARKS["fineval"].read(Path(data))


def test_another_number_of_questions_is_told(data, capsys):
    write_csv(
        data / "data/SUFE/val/extra_val.csv", ["id", "question", "A", "B", "C", "D", "answer"], [[0, *"问甲乙丙丁A"]]
    )
    read_rows("fineval", str(data))
    assert "公布的是 1071" in capsys.readouterr().err


def test_other_questions_of_the_same_number_are_told(data, capsys, monkeypatch):
    made = BENCHMARKS["fineval"]
    splits = made.read(data)
    counts = {name: len(rows) for name, rows in splits.items()}
    digest = rows_digest(splits)
    for known, told in ((digest, False), ("0" * 64, True)):
        monkeypatch.setitem(BENCHMARKS, "fineval", replace(made, counts=counts, digest=known))
        dataset._read.cache_clear()
        read_rows("fineval", str(data))
        assert ("不完全相同" in capsys.readouterr().err) is told


def test_no_such_benchmark_names_the_nearest():
    with pytest.raises(UsageError, match="fineval"):
        read_rows("finevall")


def test_rotations_keep_what_is_right():
    row = choice_row("q", "问", ["甲", "乙", "丙"], "CA")
    turned = rotated(row)
    assert row["answer"] == "AC" and [one["answer"] for one in turned] == ["AC", "BC", "AB"]
    for one in turned:
        assert {one["options"][one["letters"].index(letter)] for letter in one["answer"]} == {"甲", "丙"}
    assert letter_sets(row) == ["A", "AB", "ABC", "AC", "B", "BC", "C"]


def test_own_calculations_are_not_the_held_out_ones():
    rows = OWN["finance_calc"].read(None)["test"]
    held = json.dumps(
        [record.question for record in __import__("cornucopia.evaluation.benchmarks.own", fromlist=["x"]).held_out()],
        ensure_ascii=False,
    )
    assert len(rows) == 1000 and not [row for row in rows if row["question"] in held]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["fineval", "fineva", "finre", "disc_computing", "fineval_rigor"])
def test_the_real_files(name, capsys):
    splits = read_rows(name, str(SHARED))
    counts = BENCHMARKS[name].counts
    assert all(len(splits[split]) == count for split, count in counts.items() if count)
    assert BENCHMARKS[name].digest or name == "finre"
    assert "公布的是" not in capsys.readouterr().err
