"""Labelled sets as instructions: shapes of rows, ways of asking and answering, rows that cannot be read."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError, UsageError
from cornucopia.factory.intake.raw_rows import raw_rows, tab_rows
from cornucopia.factory.intake.task_fields import Reader
from cornucopia.factory.intake.tasks import Tasks, TasksConfig
from cornucopia.records.objectives import fits
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.sources.task_templates import bundled_tasks, task_template


def made(tmp_path, text, task, name="rows.jsonl", seed=1, **config):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    config = {key.rstrip("_"): value for key, value in config.items()}
    items = list(Tasks(TasksConfig.build({"path": str(path), "task": task, **config})).records(tmp_path, seed))
    return [i for i in items if isinstance(i, Record)], [i for i in items if isinstance(i, Reject)]


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def example(template):
    row = {field: f"〔{field}〕" for field in template.fields}
    if template.pairs:
        row[template.pairs] = {"公司": ["甲", "乙"]}
    if template.options:
        row |= {"answer": "B", "A": "选一", "B": "选二"}
    return row


@pytest.mark.parametrize("task", bundled_tasks())
def test_every_way_of_asking_and_form_makes_a_whole_record(tmp_path, task):
    template = task_template(task)
    for form in template.forms:
        row = {k: v for k, v in example(template).items() if k not in template.forms[form].lacks}
        records, rejects = made(tmp_path, lines(row), task, forms=[form], phrasings=99, label_list=1.0)
        fitting = [ask for ask in template.asks if all(name in row for name in ask.needs)]
        assert not rejects and len(records) == len(fitting) == len({record.question for record in records})
        for record in records:
            told = [record.question, record.golden, record.material, record.messages[-1].reasoning]
            assert not any("{" + name + "}" in text for name in (*template.fields, "labels") for text in told), told
            assert not fits(record, "sft") and record.extra["task"] == task


def test_tab_separated_relations_keep_their_masks(tmp_path):
    text = '甲公司\t乙公司\t持股\t甲公司持有"乙公司"<N>.<N>%的股份\n\n丙\t丁\tunknown\t丙与丁都停牌\n坏行\n'
    records, rejects = made(tmp_path, text, "relation", "train.txt", forms=["word"])
    assert [record.golden for record in records] == ["持股", "没有说明关系"]
    assert records[0].material == '甲公司持有"乙公司"<N>.<N>%的股份'
    assert [(reject.line, reject.reason) for reject in rejects] == [(4, "有 1 列，第一行是 4 列")]


def test_a_header_is_told_from_rows(tmp_path):
    header = made(tmp_path, "标签,文本\n2,涨得好\n", "sentiment", "a.csv", forms=["word"])[0]
    bare = made(tmp_path, "涨得好,2\n", "sentiment", "b.csv", forms=["word"])[0]
    assert [(r.material, r.golden) for r in header + bare] == [("涨得好", "积极")] * 2


@pytest.mark.parametrize(
    "text", ['[["跌了", 0], ["平了", 1]]', '[\n["跌了", 0],\n["平了", 1]\n]', '["跌了", 0]\n["平了", 1]\n']
)
def test_lists_are_read_by_position(tmp_path, text):
    records, rejects = made(tmp_path, text, "sentiment", "list.json", forms=["word"])
    assert [(r.material, r.golden) for r in records] == [("跌了", "消极"), ("平了", "中性")] and not rejects
    assert len({record.id for record in records}) == 2


def test_a_broken_list_costs_no_good_one(tmp_path):
    text = '[["好", 2],\n["坏" 0],\n["平", 1]]'
    records, rejects = made(tmp_path, text, "sentiment", "list.json", forms=["word"])
    assert [record.material for record in records] == ["好", "平"] and [reject.line for reject in rejects] == [2]


def test_question_and_text_in_one_cell_are_parted(tmp_path):
    text = lines(["甲公司股份回购的数量是什么？甲公司公告回购1,200股,乙不变", "1,200"])
    (record,), _ = made(tmp_path, text, "event-qa", forms=["json"])
    assert record.material == "甲公司公告回购1,200股,乙不变" and "数量是什么？" in record.question
    assert json.loads(record.golden) == {"答案": ["1,200"]}


def test_several_labels_become_a_list(tmp_path):
    (record,), _ = made(tmp_path, lines(["央行降准", "中国 经济"]), "classification", forms=["json"])
    assert json.loads(record.golden) == {"类别": ["中国", "经济"]}


@pytest.mark.parametrize(
    "entities",
    [
        {"公司": ["甲", "乙"]},
        [{"name": "甲", "type": "公司"}, {"entity": "乙", "label": "公司"}],
        [["甲", "公司"], ["乙", "公司"]],
        "公司：甲、乙",
        '{"公司": ["甲", "乙"]}',
    ],
)
def test_entities_of_any_shape(tmp_path, entities):
    (record,), _ = made(tmp_path, lines({"text": "甲与乙", "entities": entities}), "entity", forms=["json"])
    assert json.loads(record.golden) == {"公司": ["甲", "乙"]}


def test_choices_with_irregular_keys(tmp_path):
    rows = [
        {"评测问题": "选哪个？", "选项A": "一", "选项B": "二", "答案": "选项A、选项B", "推理过程": "都对"},
        {"问题": "选哪个？", "选项": {"选项A": "一", "选项B": "二"}, "答案": "B"},
        {"题目1": {"问题": "甲？", "选项A": "一", "选项B": "二", "答案": "A"}, "题目2": {"问题": "乙？"}},
        {"内容": "问题：丙？\n答案：B", "A": "一", "B": "二"},
        {"问题": "丁？", "选项A": "一", "选项B": "二", "答案": "无法确定"},
    ]
    records, rejects = made(tmp_path, lines(*rows), "choice", forms=["word"])
    assert [record.golden for record in records] == ["A、B", "B", "A", "B"]
    assert [reject.line for reject in rejects] == [3, 5] and "答案不是选项里的" in rejects[1].reason


def test_every_record_says_where_it_comes_from(tmp_path):
    row = {"公告标题": "某公司年报", "问题": "营收多少？", "答案": "10亿元"}
    (record,), _ = made(tmp_path, lines(row), "qa", source="公告问答 2024")
    assert (record.source, record.span, record.origin) == ("《某公司年报》，公告问答 2024", "第1行", "rows.jsonl:1")
    assert made(tmp_path, lines(row), "qa")[0][0].source == "《某公司年报》，rows.jsonl"
    headline = made(tmp_path, lines({"title": "标题", "content": "正文"}), "headline")[0][0]
    assert headline.source == "rows.jsonl"


def test_an_explanation_can_be_a_thought_of_its_own(tmp_path):
    row = {"question": "选？", "A": "一", "B": "二", "answer": "B", "explanation": "因为二"}
    (record,), _ = made(tmp_path, lines(row), "choice", forms=["thought"])
    assert record.messages[-1].reasoning == "因为二" and "因为二" not in record.golden


def test_blocks_inside_a_field_are_read(tmp_path):
    row = {"output": "【问题】：注册资本是多少？ 答案：10亿元。"}
    (record,), _ = made(tmp_path, lines(row), "qa")
    assert record.golden == "10亿元。" and "注册资本是多少？" in record.question


def test_columns_and_labels_can_be_named(tmp_path):
    text = "body\tmood\n真不错\tup\n"
    config = {"columns": {"text": ["body"], "label": ["情绪值", "mood"]}, "labels": {"up": "看涨"}}
    (record,), _ = made(tmp_path, text, "sentiment", "x.tsv", forms=["word"], **config)
    assert (record.material, record.golden) == ("真不错", "看涨")


def test_the_list_of_labels_holds_the_right_one_and_no_more_than_asked(tmp_path):
    text = "".join(f"甲\t乙\t关系{number}\t第{number}句\n" for number in range(30))
    records, _ = made(tmp_path, text, "relation", "r.txt", forms=["word"], label_list=1.0, most_labels=5)
    for record in records:
        listed = set(re.findall(r"关系\d+", record.question))
        assert record.golden in listed and len(listed) == 5
    assert not any("关系1" in r.question for r in made(tmp_path, text, "relation", "r.txt", label_list=0.0)[0])


def test_dropped_labels_and_doubled_phrasings(tmp_path):
    text = "甲\t乙\tunknown\t句\n甲\t乙\t持股\t句二\n"
    records, _ = made(tmp_path, text, "relation", "r.txt", drop_labels=["没有说明关系"], phrasings=3)
    assert len(records) == 3 == len({record.id for record in records})
    assert {record.origin for record in records} == {"r.txt:2"}


def test_rows_that_ask_the_same_become_one(tmp_path):
    rows = [
        ("甲", "乙", "unknown", "句"),
        ("丙", "丁", "unknown", "句"),
        ("甲", "乙", "持股", "句"),
        ("甲", "乙", "增持", "句"),
    ]
    text = "".join("\t".join(row) + "\n" for row in rows)
    config = {"together": True, "weak_labels": ["没有说明关系"]}
    one, other = made(tmp_path, text, "relation", "r.txt", forms=["word"], **config)[0]
    assert (one.golden, one.origin, other.golden) == ("持股、增持", "r.txt:1", "没有说明关系")
    one, other = made(tmp_path, text, "relation", "r.txt", forms=["json"], **config)[0]
    assert json.loads(one.golden)["关系"] == ["持股", "增持"]
    assert json.loads(other.golden)["关系"] == "没有说明关系"
    with pytest.raises(UsageError, match="没有类别"):
        made(tmp_path, text, "summary", "r.txt", together=True)


def test_the_seed_and_the_place_decide(tmp_path):
    text = "".join(f"第{number}句话,{number % 3}\n" for number in range(40))
    one, again, other = (made(tmp_path, text, "sentiment", "s.csv", seed=seed)[0] for seed in (7, 7, 8))
    assert one == again != other
    later = made(tmp_path, text + "多一句,1\n", "sentiment", "s.csv", seed=7)[0]
    assert later[:40] == one, "another row changes no row"
    assert len({record.question for record in one}) > 10 and any('"情绪"' in record.golden for record in one)


def test_what_is_asked_for_and_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="sentence"):
        made(tmp_path, "x,1\n", "sentiment", "s.csv", forms=["sentense"])
    with pytest.raises(UsageError, match="最接近的是 text"):
        made(tmp_path, "x,1\n", "sentiment", "s.csv", columns={"txt": ["a"]})
    with pytest.raises(DataError, match="rows"):
        (tmp_path / "rows.jsonl").write_text("{}", encoding="utf-8")
        list(Tasks(TasksConfig(path=str(tmp_path / "row.jsonl"), task="qa")).records(tmp_path, 0))
    _, (reject,) = made(tmp_path, lines({"标题": "无"}), "sentiment", "r.jsonl", columns={"label": ["没有"]})
    assert "没有 label" in reject.reason and "情绪" in reject.reason


cell = st.one_of(st.none(), st.integers(), st.text(max_size=12), st.lists(st.text(max_size=4), max_size=3))
value = st.one_of(cell, st.dictionaries(st.text(max_size=4), cell, max_size=3))
key = st.sampled_from(["问题", "答案", "A", "B", "选项A", "选项B", "选项", "entities", "text", "label", "0", "1", "x"])


@given(st.dictionaries(key, value, max_size=6), st.sampled_from(["choice", "entity", "event-qa", "classification"]))
def test_any_row_is_read_or_refused(row, task):
    try:
        fields = Reader(task_template(task)).read(row)
    except DataError:
        return
    assert set(fields) >= set(task_template(task).fields) - set(task_template(task).optional)


@given(st.lists(st.text(alphabet='甲乙\t"<N>,. \\', max_size=20), max_size=8))
def test_no_tab_line_is_lost(texts):
    rows = list(tab_rows(iter(texts)))
    assert len(rows) == sum(bool(text.strip()) for text in texts)
    for row in rows:
        assert row.raw == texts[row.line - 1]
        assert row.problem or [cell for _, cell in sorted((int(k), v) for k, v in row.value.items())] == [
            part.strip() for part in texts[row.line - 1].split("\t")
        ]


@given(st.text(alphabet='[]{},:" \n甲1\\', max_size=60), st.sampled_from([".json", ".csv", ".tsv", ".txt", ".jsonl"]))
def test_any_file_gives_rows_or_problems(tmp_path_factory, text, suffix):
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_text(text, encoding="utf-8")
    for row in raw_rows(path, ["text", "0"]):
        assert row.problem or isinstance(row.value, dict)


def test_what_the_recipe_says_of_all_records_is_on_each(tmp_path):
    records, _ = made(
        tmp_path,
        "x,1\ny,2\nz,0\n",
        "sentiment",
        "s.csv",
        name_="s",
        domain="股票",
        licence="MIT",
        as_of="2024-01",
        limit=2,
    )
    assert [(r.id, r.domain, r.licence, r.as_of) for r in records] == [
        ("s:s.csv:1", "股票", "MIT", "2024-01"),
        ("s:s.csv:2", "股票", "MIT", "2024-01"),
    ]
