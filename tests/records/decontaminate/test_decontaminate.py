"""Questions of an evaluation set are found alone, inside longer texts and in other spelling; common phrases are not."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.records.decontaminate.contained import longest_run
from cornucopia.records.decontaminate.exam import as_item, read_items
from cornucopia.records.decontaminate.stage import Decontaminate
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stage import Context

LONG = "某城商行二零二三年末不良贷款余额较年初上升，请结合拨备覆盖率说明其风险抵补能力如何变化"
CHOICE = {
    "question": "下列关于可转换公司债券的说法中，不正确的是",
    "A": "转股价格向下修正须经股东大会特别决议通过方可实施",
    "B": "赎回条款触发后持有人仍可以选择在规定期限内转股",
    "C": "回售条款保护的是发行人而不是持有人的利益安排",
    "D": "纯债价值构成可转换公司债券价格的理论下限",
    "answer": "C",
}
SHORT = {"question": "什么是久期缺口", "answer": "资产久期与负债久期之差"}
FIGURES = {"question": "小张存入本金80000元，年利率2.15%，按单利计算三年后的本息合计是多少元", "answer": "85160"}


def said(*texts, **fields):
    roles = ("user", "assistant")
    return Record(messages=tuple(Message(roles[n % 2], text) for n, text in enumerate(texts)), **fields)


@pytest.fixture
def stage(tmp_path):
    def made(*rows, **settings):
        rows = rows or ({"question": LONG, "answer": "略"}, CHOICE, SHORT, FIGURES)
        file = tmp_path / "exam.jsonl"
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        return Decontaminate(Decontaminate.settings(against=[file], **settings))

    return made


def rules(stage, folder, *records):
    """Of each record, the rule it was dropped by, or ''."""
    outcome = stage.apply(records, Context(folder))
    dropped = {id(one.record): one.rule for one in outcome.dropped}
    assert len(outcome.kept) + len(dropped) == len(records)
    return [dropped.get(id(record), "") for record in records]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (said(LONG, "会变化"), "exact"),
        (said(LONG.replace("，", " ,").replace("二零二三", "二零二三 ") + "？", "会"), "exact"),
        (said("什么是【久期】缺口？"), "exact"),
        (said(f"请你扮演一位分析师，认真回答下面的考题，不要遗漏：{LONG}。先讲思路再给结论。"), "contained"),
        (said("出一道题", f"好的。{LONG}？"), "contained"),
        (Record(text=f"题库节选：1．{LONG}。2．另一道题。"), "contained"),
        (said("阅读后回答", passages=(Passage("材料。" + LONG),)), "contained"),
        (said("请用一句话回答。什么是久期缺口？谢谢"), "contained"),
        (said(LONG.replace("拨备覆盖率", "拨备履盖率") + "呢"), "near"),
        (said("久期是什么"), ""),
        (said("请结合拨备覆盖率说明一下风险"), ""),
        (said("什么是久期缺口管理中的利率敏感性缺口以及它与期限错配之间的联系"), ""),
    ],
)
def test_questions_are_found_alone_inside_longer_texts_and_respelled(stage, tmp_path, record, rule):
    assert rules(stage(), tmp_path, record) == [rule]


def test_a_choice_question_is_its_options_too(stage, tmp_path):
    options = [CHOICE[letter] for letter in "ABCD"]
    shuffled = "\n".join(f"{letter}、{text}" for letter, text in zip("ABCD", options[::-1], strict=True))
    only_stem = "\n".join([CHOICE["question"] + "：", "A. 股票", "B. 债券", "C. 基金", "D. 期货"])
    told = "关于可转债：" + "；".join(options)
    found = rules(stage(), tmp_path, said(f"{CHOICE['question']}？\n{shuffled}", "C"), said(only_stem, "A"), said(told))
    assert found[0] in ("near", "contained") and found[1:] == ["", "contained"]


def test_a_word_with_three_moods_to_choose_from_is_no_question_to_find(stage, tmp_path):
    moods = {"A": "积极", "B": "消极", "C": "中性", "answer": "C"}
    exam = stage({"question": "谢谢", **moods}, {"question": "这只基金的回撤让人心里发慌", **moods})
    found = rules(exam, tmp_path, said("月供是多少？谢谢！"), said("听说：这只基金的回撤让人心里发慌。"))
    assert found == ["", "contained"]


def test_phrases_that_many_questions_have_drown_nothing(stage, tmp_path):
    form = "根据我国现行法律法规及监管部门的有关规定，请判断并说明理由："
    facts = ["信托计划可以向不特定对象公开推介", "期货公司可以挪用客户保证金", "理财子公司应当独立托管资产"]
    exam = stage(*({"question": form + fact, "answer": "略"} for fact in facts))
    found = rules(exam, tmp_path, said(form + "保险代理人能否代签名"), said(form + facts[1]))
    assert found == ["", "exact"]


def test_material_counts_only_where_the_question_is_the_same_for_many(stage, tmp_path):
    news = [
        "某银行公告下调存款利率，市场普遍认为净息差压力有所缓解。",
        "某券商因信息披露违规被监管机构采取责令改正措施。",
    ]
    exam = stage(
        *({"instruction": "判断这条新闻的情绪。", "input": text, "output": "中性"} for text in news),
        {"instruction": "文中提到的净息差变化原因有哪几条", "input": "材料" * 3 + news[0][::-1], "output": "略"},
    )
    asked = [
        said("概括这条新闻。" + news[0]),
        said("概括。" + news[0][::-1]),
        said("文中提到的净息差变化原因有哪几条？"),
    ]
    assert rules(exam, tmp_path, *asked) == ["contained", "", "exact"]


def test_changed_numbers_count_when_asked_for(stage, tmp_path):
    other = said("我想问，" + FIGURES["question"].replace("80000", "125000").replace("2.15", "1.95") + "呢，请列式")
    assert rules(stage(threshold=1.0), tmp_path, other) == [""]
    assert rules(stage(threshold=1.0, numbers=False), tmp_path, other) == ["contained"]


def test_what_was_removed_is_listed_with_the_question_and_what_is_shared(stage, tmp_path):
    exam, context = stage(), Context(tmp_path)
    record = said(f"考题：{LONG}。", origin="train.json:7")
    (one,) = exam.apply([said("别的"), record], context).dropped
    exam.apply([said("再别的")], Context(tmp_path, 1))
    exam.finish(context)
    exam.finish(context)
    assert "exam.jsonl:1" in one.detail and "共有「某城商行" in one.detail
    (row,) = [json.loads(line) for line in (context.report / "contamination.jsonl").read_text("utf-8").splitlines()]
    assert (row["record"], row["evaluation"], row["rule"]) == ("train.json:7", "exam.jsonl:1", "contained")
    assert row["shared_length"] >= 40
    told = json.loads((context.report / "contamination.json").read_text("utf-8"))
    assert told == {"removed": 1, "questions": 1, "removed_by_file": {"exam.jsonl": 1}}
    exam.apply([said("别的"), said("还有别的")], context)  # done again with other data, nothing old is left
    exam.finish(context)
    assert (context.report / "contamination.jsonl").read_text() == ""


def test_no_evaluation_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="没有给评测文件"):
        Decontaminate(Decontaminate.settings()).inputs()
    with pytest.raises(ConfigError, match="不存在"):
        Decontaminate(Decontaminate.settings(against=[tmp_path / "none.csv"])).inputs()


def test_stem_and_options_are_told_apart(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(CHOICE, ensure_ascii=False) + "\n", "utf-8")
    item = as_item(read_records(file, rejects=False).records[0])
    assert item.stem == CHOICE["question"] and item.options == tuple(CHOICE[letter] for letter in "ABCD")
    assert not item.alone and as_item(said("什么是久期缺口")).alone
    rows = [{"question": text, "answer": "略"} for text in ("利率", "什么是久期", "什么是久期？", "甲股", "判断真伪")]
    rows += [{"instruction": "判断真伪", "input": text, "output": "真"} for text in ("甲", "乙")]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    assert [(i.stem, i.alone) for i in read_items([file])] == [
        ("利率", False),
        ("什么是久期", True),
        ("甲股", False),
        *[("判断真伪", False)] * 3,
    ]


@settings(max_examples=60, deadline=None)
@given(st.text("甲乙丙", max_size=12), st.text("甲乙丙", max_size=12))
def test_longest_run_is_the_longest(one, two):
    runs = {one[a:b] for a in range(len(one)) for b in range(a + 1, len(one) + 1)}
    longest = max((len(run) for run in runs if run in two), default=0)
    found = longest_run(one, two)
    assert len(found) == longest and found in one and found in two


def test_every_planted_question_is_found_and_nothing_else(stage, tmp_path):
    rng = random.Random(3)
    chars = [chr(code) for code in range(0x6000, 0x6000 + 1500)]

    def text(size):
        return "".join(rng.choices(chars, k=size))

    questions = [text(rng.randint(14, 60)) for _ in range(120)]
    exam = stage(*({"question": question, "answer": "略"} for question in questions))
    clean = [said(text(80), text(200)) for _ in range(200)]
    dirty = [said(f"{text(60)}{question}{text(40)}", text(100)) for question in questions]
    found = rules(exam, tmp_path, *clean, *dirty)
    assert found == [""] * 200 + ["contained"] * 120


def test_a_megabyte_and_no_records(stage, tmp_path):
    text = "".join(f"第{n}条，本公司应当依法履行信息披露义务。" for n in range(45_000))
    assert rules(stage(), tmp_path) == []
    assert rules(stage(), tmp_path, Record(text=text), Record(text=text + LONG)) == ["", "contained"]


@pytest.mark.parametrize(
    "name, content",
    [
        ("lists.json", json.dumps([[LONG, 2], ["某券商上调目标价，维持买入评级不变", 1]], ensure_ascii=False)),
        ("problems.json", json.dumps([{"id": 0, "input": ["甲", LONG]}, {"id": 1, "input": "短"}], ensure_ascii=False)),
        ("odd.csv", f"序号,端到端提法,参考\n1,{LONG},略\n"),
    ],
)
def test_sets_of_no_known_format_are_looked_for_by_their_longest_texts(tmp_path, capsys, name, content):
    file = tmp_path / name
    file.write_text(content, "utf-8")
    stage = Decontaminate(Decontaminate.settings(against=[file]))
    assert rules(stage, tmp_path, said(LONG, "略"), said("今天股市怎么样", "涨了")) == ["exact", ""]
    assert "不是认得的格式" in capsys.readouterr().err


def test_a_set_without_any_text_is_refused(tmp_path):
    file = tmp_path / "empty.json"
    file.write_text('[[1, 2], [3], ["，，，，，，！", 0]]', "utf-8")
    with pytest.raises(DataError, match="没有读出一条数据"):
        read_items([file])
