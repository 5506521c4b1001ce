from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError
from cornucopia.records.privacy.checks import id_check_digit, luhn_digit
from cornucopia.records.privacy.find import KINDS
from cornucopia.records.privacy.stage import Redact, RedactConfig
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record, ToolCall
from cornucopia.records.stage import Context, Outcome

ID = "11010519491231002X"
CARD = "622202020011223344" + luhn_digit("622202020011223344")
HERE = Context(Path())
SECRETS = (ID, CARD, "13800138000", "wang88@qq.com", "王小明")


def qa(question: str, answer: str = "好的。", **more) -> Record:
    return Record(messages=(Message("user", question), Message("assistant", answer)), **more)


def redact(*records: Record, seed: int = 42, **settings) -> Outcome:
    return Redact(RedactConfig(**settings)).apply(records, Context(Path(), seed=seed))


FULL = qa(
    f"客户王小明（身份证{ID}）手机13800138000，卡号{CARD}，邮箱wang88@qq.com",
    "王小明您好，138 0013 8000已登记。请拨打95588。",
)


@pytest.mark.parametrize("mode", ["placeholder", "mask", "synthetic"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_nothing_secret_is_left_and_a_second_pass_changes_nothing(mode, everywhere):
    outcome = redact(FULL, mode=mode, everywhere=everywhere)
    text = json.dumps(outcome.kept[0].to_dict(), ensure_ascii=False)
    assert not any(secret in text for secret in SECRETS) and "138 0013 8000" not in text
    assert "95588" in text
    assert redact(*outcome.kept, mode=mode, everywhere=everywhere).kept[0] is outcome.kept[0]


def test_the_report_shows_counts_and_no_secret():
    outcome = redact(FULL)
    assert outcome.counts == {"name": 1, "id_card": 1, "mobile": 1, "bank_card": 1, "email": 1}
    shown = " ".join(part for example in outcome.examples for part in example)
    assert not any(secret in shown for secret in SECRETS) and "110***********002X" in shown


def test_the_same_number_is_the_same_placeholder_however_it_is_written():
    record = redact(qa("手机13800138000和13900139000", "138-0013-8000、１３９００１３９０００")).kept[0]
    assert record.question == "手机【手机号1】和【手机号2】"
    assert record.golden == "【手机号1】、【手机号2】"


def test_a_name_and_an_account_told_once_are_found_in_every_text():
    record = qa("账号：310006600018150033，户名：王小明", "王小明的310006600018150033已到账。")
    record = redact(
        Record(
            (*record.messages[:1], Message("assistant", record.golden, reasoning="王小明？")),
            passages=(Passage("王小明的材料"),),
            rejected=((Message("assistant", "王小明不行"),),),
            extra={"evidence": [{"quote": "户名王小明"}], "scores": {"length": 3}},
            source="王小明的信",
        )
    ).kept[0]
    assert "王小明" not in repr(record) and "310006" not in repr(record)
    assert record.golden == "【姓名1】的【账号1】已到账。" and record.extra["scores"] == {"length": 3}


def test_across_records_by_the_key_and_by_nothing_else(monkeypatch):
    records = [qa("手机13800138000"), qa("我的13800138000，还有13900139000")]
    first, second = redact(*records, everywhere=True).kept
    mark = first.question.removeprefix("手机")
    assert mark.startswith("【手机号-") and mark in second.question and second.question.count("【手机号") == 2
    assert redact(*records, everywhere=True, seed=7).kept[0].question != first.question
    monkeypatch.setenv("REDACT_KEY", "secret")
    with_key = [redact(*records, everywhere=True, key_env="REDACT_KEY", seed=seed).kept for seed in (1, 2)]
    assert with_key[0] == with_key[1] and with_key[0][0].question != first.question


def test_a_missing_key_and_an_unknown_kind_are_told(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        Redact(RedactConfig(key_env="NO_SUCH_KEY"))
    with pytest.raises(ConfigError, match="mobile"):
        Redact(RedactConfig(without=["mobil"]))


def test_kinds_are_chosen():
    text = f"手机13800138000，身份证{ID}，信用代码91350100M000100Y43"
    assert redact(qa(text), kinds=["mobile"]).kept[0].question == text.replace("13800138000", "【手机号1】")
    assert "13800138000" in redact(qa(text), without=["mobile"]).kept[0].question
    assert "【信用代码1】" in redact(qa(text), also=["credit_code"]).kept[0].question


def test_numbers_of_placeholders_that_stand_there_are_not_given_again():
    assert redact(qa("【手机号1】换成13800138000")).kept[0].question == "【手机号1】换成【手机号2】"


def test_json_stays_json():
    answer = '{"phone": 13800138000, "card": "卡号' + CARD + '", "list": [13900139000]}'
    call = ToolCall("look_up", '{"mobile": 13800138000}')
    record = Record((Message("user", "查"), Message("assistant", answer, tool_calls=(call,))))
    message = redact(record).kept[0].messages[1]
    assert json.loads(message.content) == {"phone": "【手机号1】", "card": "卡号【银行卡1】", "list": ["【手机号2】"]}
    assert json.loads(message.tool_calls[0].arguments) == {"mobile": "【手机号1】"}


def test_a_record_without_anything_personal_is_the_same_object():
    record = qa("600519今天收盘1700.50元，拨打95588", "13800138000元的注册资本。")
    assert redact(record).kept[0] is record


def test_nothing_is_found_in_the_bundled_records():
    records = read_records(Path(__file__).parents[3] / "instruction_data" / "fin_data.json").records
    kept = redact(*records).kept
    assert len(records) > 1000 and all(new is old for new, old in zip(kept, records, strict=True))


def test_synthetic_values_have_the_shape_and_are_nobodys():
    record = redact(qa(f"身份证{ID}，卡号{CARD}"), mode="synthetic").kept[0]
    number, card = record.question.removeprefix("身份证").split("，卡号")
    assert len(number) == 18 and id_check_digit(number[:17]) != number[17]
    assert len(card) == len(CARD) and luhn_digit(card[:-1]) != card[-1]


PIECES = (
    "13800138000|账号：31000660001815|户名 李四|，|姓名：|a@b.cn|微信号：|QQ|1234567 |王|【手机号1】|电话|(0755)|"
    '83191234|京A12345|E12345678|护照|X|9|身份证|-|{|"'
)


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from([ID, CARD, *PIECES.split("|"), "\n", "|"]),
        max_size=14,
    ).map("".join),
    st.sampled_from(("placeholder", "mask", "synthetic")),
    st.booleans(),
)
def test_a_second_pass_changes_nothing_whatever_stands_together(text, mode, everywhere):
    kinds = list(KINDS)
    once = redact(Record(text=text), mode=mode, everywhere=everywhere, kinds=kinds).kept
    assert redact(*once, mode=mode, everywhere=everywhere, kinds=kinds).kept == once
