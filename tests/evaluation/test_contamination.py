"""Questions that training data holds are found, whole, worded nearly so, or inside a long document."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import CornucopiaError
from cornucopia.evaluation.benchmarks.benchmark import choice_row
from cornucopia.evaluation.contamination import contaminated_questions

ROWS = [
    choice_row(
        "a", "商业银行向中央银行借入短期资金所支付的利率通常被称为什么利率", ["再贴现率", "存款利率", "汇率"], "A"
    ),
    choice_row("b", "公司发行在外的普通股由本公司买回并注销的做法叫做什么", ["回购", "增发", "分红"], "A"),
    choice_row("c", "投保人在犹豫期内解除保险合同时保险公司应退还多少保费", ["全部", "一半", "不退"], "A"),
]


def write(path, *records):
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), encoding="utf-8")
    return path


def test_a_question_in_the_training_data_is_found_and_others_are_not(tmp_path):
    train = write(
        tmp_path / "train.jsonl",
        {
            "instruction": "请问：商业银行向中央银行借入短期资金所支付的利率，通常被称为什么利率？",
            "input": "",
            "output": "再贴现率。",
        },
        {"instruction": "怎么开户", "input": "", "output": "带身份证去网点。"},
    )
    assert contaminated_questions(ROWS, [train]) == {"a"}
    assert (
        contaminated_questions(ROWS, [write(tmp_path / "clean.jsonl", {"instruction": "问", "output": "答"})]) == set()
    )


def test_a_document_that_holds_several_gives_all(tmp_path):
    filler = "这一段讲的是另一件事，与考试没有关系，只是为了把两道题隔得远一些。" * 12
    text = filler + ROWS[1]["question"] + "？" + filler + ROWS[2]["question"] + "？" + filler
    assert contaminated_questions(ROWS, [write(tmp_path / "doc.jsonl", {"text": text})]) == {"b", "c"}


def test_equal_questions_are_all_told(tmp_path):
    twice = [*ROWS, {**ROWS[0], "id": "d"}]
    train = write(tmp_path / "train.jsonl", {"instruction": ROWS[0]["question"], "output": "再贴现率"})
    assert contaminated_questions(twice, [train]) == {"a", "d"}


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(CornucopiaError):
        contaminated_questions(ROWS, [tmp_path / "nowhere.jsonl"])
