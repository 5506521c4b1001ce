"""Which answer is better, in every common shape; a bad answer is never taken for a good one."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import DataError, UsageError
from cornucopia.records.formats import to_record
from cornucopia.records.objectives import CHOSEN_LEARNT, fits, note
from cornucopia.records.read import read_records, scan_records
from cornucopia.records.schema import Message, Record

ASK = {"role": "user", "content": "年化怎么算？"}
GOOD, BAD = {"role": "assistant", "content": "按复利折算。"}, {"role": "assistant", "content": "乘十二。"}
PAIRS = {
    "LLaMA-Factory sharegpt": {
        "conversations": [{"from": "human", "value": ASK["content"]}],
        "chosen": {"from": "gpt", "value": GOOD["content"]},
        "rejected": {"from": "gpt", "value": BAD["content"]},
    },
    "LLaMA-Factory alpaca": {"instruction": ASK["content"], "chosen": GOOD["content"], "rejected": BAD["content"]},
    "TRL": {"prompt": [ASK], "chosen": [GOOD], "rejected": [BAD]},
    "TRL without a prompt": {"chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
    "UltraFeedback": {
        "prompt": ASK["content"], "chosen": [ASK, GOOD], "rejected": [ASK, BAD], "messages": [ASK, GOOD],
    },
    "ms-swift": {"messages": [ASK, GOOD], "rejected_response": BAD["content"]},
    "ranking": {"instruction": ASK["content"], "input": "", "output": [GOOD["content"], BAD["content"]]},
    "named": {"question": ASK["content"], "response_chosen": GOOD["content"], "response_rejected": BAD["content"]},
    "JSON text": {"prompt": ASK["content"], "chosen": json.dumps([GOOD]), "rejected": json.dumps([BAD])},
}  # fmt: skip


@pytest.mark.parametrize("row", PAIRS.values(), ids=PAIRS)
def test_pairs(row):
    record, _ = to_record(row)
    assert (record.question, record.golden) == (ASK["content"], GOOD["content"])
    assert record.rejected == ((Message("assistant", BAD["content"]),),)
    assert fits(record, "sft") == fits(record, "preference") == "" and note(record, "sft") == CHOSEN_LEARNT


def test_several_rejected_answers():
    for row in (
        {"prompt": "问", "chosen": "好", "rejected": ["差", "更差"]},
        {"instruction": "问", "output": ["好", "差", "更差"]},
        {"prompt": "问", "chosen": "好", "rejected": [{"role": "assistant", "content": t} for t in ("差", "更差")]},
    ):
        assert [turns[0].content for turns in to_record(row)[0].rejected] == ["差", "更差"]


def test_answers_to_something_else_are_refused():
    for row, message in (
        ({"prompt": "别的问题", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]}, "与这一行的不同"),
        ({"messages": [ASK, BAD], "chosen": GOOD, "rejected": BAD}, "另一个回答"),
        ({"chosen": [ASK], "rejected": [ASK]}, "没有助手的回答"),
        ({"chosen": "\n\nHuman: 问\n\nAssistant: 答", "rejected": "差"}, "没有用户的提问"),
    ):
        with pytest.raises(DataError, match=message):
            to_record(row)


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"messages": [ASK, GOOD], "label": True}, True), ({"messages": [ASK, BAD], "label": False}, False),
        ({"prompt": "问", "completion": "答", "label": False}, False),
        ({"question": "问", "answer": "答", "kto_tag": 0}, False),
        ({"prompt": [ASK], "completion": [BAD], "label": "false"}, False),
        ({"instruction": "问", "output": "答", "kto_tag": True}, True),
    ],
)  # fmt: skip
def test_answers_marked_good_or_bad(row, label):
    record, _ = to_record(row)
    assert record.label is label and fits(record, "kto") == ""
    assert ("KTO" in fits(record, "sft")) is not label


@pytest.mark.parametrize("label", [0, 1, "正面", "1", ["a"], 2.5])
def test_a_class_under_label_is_no_mark(label):
    record, _ = to_record({"question": "情感？", "answer": "正面", "label": label})
    assert record.label is None and record.extra == {"label": label}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "<image>看图"}, GOOD], "images": ["a.png"]},
        {"messages": [{"role": "user", "content": "看图"}, GOOD], "image": "a.png"},
        {"instruction": "<image>图里是什么", "output": "票据"},
        {"conversations": [{"from": "human", "value": "听"}, {"from": "gpt", "value": "好"}], "audios": ["a.wav"]},
        {"prompt": "<video>讲什么", "response": "好"},
    ],
)
def test_pictures_and_sound_are_no_text(row):
    record, _ = to_record(row)
    for objective in ("sft", "pretrain", "preference"):
        assert "多模态" in fits(record, objective)


def test_what_training_reads_names_the_lines(tmp_path):
    rows = [
        {"messages": [ASK, GOOD]}, {"messages": [ASK, BAD], "label": False}, PAIRS["TRL"], PAIRS["ms-swift"],
        {"messages": [ASK, {**BAD, "weight": 0}]}, {"instruction": "<image>", "output": "x", "images": ["a.png"]},
    ]  # fmt: skip
    path = tmp_path / "混合.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    result = scan_records(path, objective="sft")
    assert [record.golden for record in result.records] == [GOOD["content"]] * 3
    assert [reject.line for reject in result.rejects] == [2, 5, 6] and result.notes == [CHOSEN_LEARNT]
    with pytest.raises(DataError, match="strict"):
        read_records(path, objective="sft", strict=True)
    assert len(scan_records(path).records) == 6


def test_an_unknown_objective_and_what_does_not_fit_it():
    plain = Record((Message("user", "问"), Message("assistant", "答")))
    with pytest.raises(UsageError):
        fits(plain, "dpo!")
    assert fits(plain, "sft") == fits(plain, "pretrain") == ""
    assert "成对" in fits(plain, "preference") and "label" in fits(plain, "kto")
