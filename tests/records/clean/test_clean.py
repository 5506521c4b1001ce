from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError
from cornucopia.records.clean.hidden import hide, show
from cornucopia.records.clean.stage import NAMES, RULES, Clean, CleanConfig
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stage import Context, Outcome

GOOD = "国债利息免税，金融债利息要交税。"


def clean(*records: Record, **settings) -> Outcome:
    return Clean(CleanConfig(**settings)).apply(records, Context(Path()))


def qa(question: str, answer: str, **more) -> Record:
    return Record((Message("user", question), Message("assistant", answer)), **more)


def test_a_record_without_a_fault_is_the_same_object():
    record = qa("国债利息交税吗？", GOOD, passages=(Passage("材料"),))
    outcome = clean(record)
    assert outcome.kept[0] is record and not outcome.counts and not outcome.examples and not outcome.dropped


def test_every_text_of_a_record_is_cleaned():
    bad, well = "利\u200b率３％", "利率3%"
    record = Record(
        (Message("system", bad), Message("user", bad), Message("assistant", GOOD + bad, reasoning=bad)),
        passages=(Passage(bad, "来源"),),
        rejected=((Message("assistant", bad),),),
        text=bad,
    )
    kept = clean(record).kept[0]
    texts = [m.content for m in kept.messages] + [kept.messages[2].reasoning, kept.text, kept.material]
    assert texts == [well, well, GOOD + well, well, well, well]
    assert kept.rejected[0][0].content == well and kept.passages[0].source == "来源"


def test_what_somebody_asks_keeps_its_contacts_and_lists():
    record = qa("加我微信abc12345领资料，是骗局吗？还有：1. 甲\n1. 乙\n1. 丙", GOOD)
    assert clean(record).kept[0] is record


def test_counts_and_examples_name_the_rule():
    outcome = clean(qa("问", GOOD + "！！！！"), qa("问", GOOD + "加我微信：abc12345。"))
    assert outcome.counts == {"repeats": 1, "advertising": 1}
    assert {rule for rule, _, _ in outcome.examples} == {"repeats", "advertising"}


def test_rules_are_switched():
    record = qa("问", f"{GOOD}利率３％！！！！")
    assert clean(record, rules=["repeats"]).kept[0].golden == f"{GOOD}利率３％！"
    assert clean(record, without=["repeats"]).kept[0].golden == f"{GOOD}利率3%！！！！"
    with pytest.raises(ConfigError, match="mojibake"):
        Clean(CleanConfig(rules=["mojibak"]))


def test_traditional_characters_only_where_asked():
    record = qa("銀行貸款利率？", GOOD)
    assert clean(record).kept[0] is record
    assert clean(record, chinese="simplify").kept[0].question == "银行贷款利率？"
    assert clean(record, rules=["simplify"]).kept[0].question == "银行贷款利率？"


@pytest.mark.parametrize(
    "record, rule",
    [
        (qa("问", "锟斤拷锟斤拷"), "mojibake"),
        (qa("问", "加我微信：abc12345。"), "empty"),
        (qa("问", ""), "empty"),
        (Record(text=" \u200b"), "empty"),
        (qa("国债利息交税吗？", "国债利息交税吗？"), "echo"),
        (qa("问", "有两种。一种是很长很长很长很长的，"), "cut_off"),
    ],
)
def test_what_cannot_be_mended_is_dropped_as_it_came(record, rule):
    outcome = clean(record)
    assert not outcome.kept and outcome.dropped[0].rule == rule and outcome.dropped[0].record is record
    assert clean(record, without=[rule, "empty"]).kept


def test_a_question_without_an_answer_is_no_fault():
    record = Record((Message("user", "国债利息交税吗？"),))
    assert clean(record).kept[0] is record
    material = Record((Message("user", ""), Message("assistant", GOOD)), passages=(Passage("材料"),))
    assert clean(material).kept[0] is material


def test_an_answer_that_breaks_off_goes_back_to_its_last_sentence():
    record = qa("问", GOOD + "另外，")
    assert clean(record).kept[0].golden == GOOD
    assert clean(record, cut_off="drop").dropped[0].rule == "cut_off"
    open_end = qa("问", GOOD + GOOD + "最后还要看")
    assert clean(open_end).kept[0] is open_end
    assert clean(open_end, unfinished="any").kept[0].golden == GOOD + GOOD
    piece = qa("问", GOOD + "另外，", complete=False)
    assert clean(piece).kept[0] is piece


PROTECTED = [
    "```python\nx = '１２'  \nif a,, b:\n    加我微信 = 1\n\n\n\n```",
    "`＜１２！！！！`",
    "$$y = x，，１$$",
    "\\[ a，，１ \\]",
    "| 名称 | 值 |\n|---|---|\n| 甲！！！！ | １２ |",
    "<|im_start|>",
    "<table><tr><td>１２</td></tr></table>",
]


@pytest.mark.parametrize("span", PROTECTED)
def test_code_tables_formulae_and_control_names_are_left_to_the_letter(span):
    answer = f"{GOOD}好！！！！\n{span}\n{GOOD}"
    assert clean(qa("问", answer)).kept[0].golden == f"{GOOD}好！\n{span}\n{GOOD}"
    hidden, spans = hide(answer)
    assert show(hidden, spans) == answer and span not in hidden


def test_an_answer_in_json_is_left():
    record = qa("问", '{"微信": "加我微信：abc12345", "利率": "３％！！！！"} ')
    assert clean(record).kept[0] is record


def test_the_bundled_records_have_no_fault_but_full_width_percents():
    records = read_records(Path(__file__).parents[3] / "instruction_data" / "fin_data.json").records
    outcome = clean(*records)
    assert len(records) > 1000 and not outcome.dropped and set(outcome.counts) <= {"full_width"}
    assert [r.golden.replace("％", "%") for r in records] == [r.golden for r in outcome.kept]


def test_names_and_summaries_are_all_there():
    assert len(NAMES) == len(RULES) + 3 and all(NAMES.values())


PIECES = (
    "加我微信：abc12345，|希望能帮到您！|感谢您的提问。|&amp;|lt;|<br>|<p>|</p>|１|．|，|。|！|……|—|\n|\n1. |"
    "\n2. |\n3、| |\u3000|\u200b|\xa0|1.甲乙丙丁戊己庚|"
    "2.甲乙丙丁戊己庚|3.甲乙丙丁戊己庚|`|```|$|（|）|免责声明：|本文仅供参考。|点击关注|"
    "http://a.com/b|链接：|[|]|利率|3%|Ã©|é|e\u0301|\U000f0000|分享|首页 > |您好，|如有疑问|请随时提问。|<b>|</b>|"
    "<li>|~~~||---|?|&nbsp;|\ufeff|\r"
)


@settings(max_examples=400)
@given(st.lists(st.sampled_from([*PIECES.split("|"), "|"]), max_size=16).map("".join))
def test_a_second_pass_changes_nothing(text):
    once = clean(qa("问", f"甲{text}")).kept + clean(Record(text=f"甲{text}")).kept
    again = clean(*once)
    assert again.kept == once and not again.counts


@settings(max_examples=40)
@given(st.text(max_size=60))
def test_any_text_goes_through(text):
    once = clean(Record(text=text), chinese="simplify").kept
    assert clean(*once, chinese="simplify").kept == once


@pytest.mark.parametrize(
    "piece",
    ["1.", "1.甲", "<", "<p ", "&amp", "，", "。", "`", "$", "|", "\\(", "（", "http://", "加我微信", "é", "锟",
     "？", " ",
     "\n", "希望", "a=", "<p a=b", "|\n", "~", "链接：http", "甲，", "-|", "我是", "佣金", "１，"],
)  # fmt: skip
def test_a_long_line_is_cleaned_in_time_that_grows_with_its_length(piece):
    clean(Record(text=piece * (200_000 // len(piece))))  # a rule that backtracks would not come back


def test_material_that_is_yet_to_be_asked_about_is_kept():
    record = Record(passages=(Passage("年利率为4.35%，按月计息。"),))
    assert clean(record).kept == [record]
    assert clean(Record(passages=(Passage(" \u200b"),))).dropped[0].rule == "empty"
