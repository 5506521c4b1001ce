"""Triples as questions: shapes of files, four kinds of questions, answers that the graph carries."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.factory.intake.graph import Asker, Graph
from cornucopia.factory.intake.triples import Triples, TriplesConfig
from cornucopia.records.rejects import Reject
from cornucopia.sources.relation_templates import relation_templates

ROWS = [
    ("甲银行", "股东", "乙集团"),
    ("甲银行", "股东", "丙基金"),
    ("甲银行", "所属行业", "银行"),
    ("乙集团", "所属行业", "综合"),
    ("己证券", "股东", "庚公司"),
    ("己证券", "所属行业", "证券"),
    ("庚公司", "注册地", "上海"),
]


def made(tmp_path, text, name="g.csv", seed=1, **config):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return items(tmp_path, path, seed, **config)


def items(tmp_path, path, seed=1, **config):
    found = list(Triples(TriplesConfig.build({"path": str(path), **config})).records(tmp_path, seed))
    return [one for one in found if not isinstance(one, Reject)], [one for one in found if isinstance(one, Reject)]


def table(sign=",", head=("头实体", "关系", "尾实体")):
    return "\n".join(sign.join(row) for row in [head, *ROWS]) + "\n"


SHAPES = {
    "g.csv": table(),
    "g.tsv": table("\t", ("head", "relation", "tail")),
    "g.txt": "\n".join("\t".join(row) for row in ROWS),
    "g.jsonl": "\n".join(json.dumps(dict(zip("hrt", row, strict=True)), ensure_ascii=False) for row in ROWS),
    "g.json": json.dumps(ROWS, ensure_ascii=False),
    "g.nt": "".join(f"<k:/{h}> <k:/{r}> <k:/{t}> .\n" for h, r, t in ROWS),
    "g.ttl": "@prefix k: <k:/> .\n" + "".join(f"k:{h} k:{r} k:{t} .\n" for h, r, t in ROWS),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_questions(tmp_path, name):
    records, rejects = made(tmp_path, SHAPES[name], name)
    expected, _ = made(tmp_path, SHAPES["g.csv"], "g.csv")
    assert not rejects
    assert [(r.question, r.golden) for r in records] == [(r.question, r.golden) for r in expected]


def test_all_tails_of_a_head_stand_in_one_answer(tmp_path):
    records, _ = made(tmp_path, table(), kinds=["forward"], relations=["股东"])
    first = next(record for record in records if "甲银行" in record.question)
    assert len(records) == 2 and "乙集团、丙基金" in first.golden
    assert first.extra["triples"] == [list(row) for row in ROWS[:2]] and first.span == "g.csv:2、g.csv:3"


def test_backwards(tmp_path):
    records, _ = made(tmp_path, table(), kinds=["reverse"], relations=["所属行业"])
    assert len(records) == 3
    for record in records:
        ((head, _, tail),) = record.extra["triples"]
        assert tail in record.question and head in record.golden and head not in record.question


def test_a_no_is_true_within_the_graph(tmp_path):
    answers = {"yes": 0, "no": 0}
    for seed in range(12):
        for record in made(tmp_path, table(), kinds=["check"], seed=seed)[0]:
            head, relation, asked = record.id.split("|")[1:]
            said = record.golden.startswith(("是", "对"))
            answers["yes" if said else "no"] += 1
            assert said == ((head, relation, asked) in ROWS), (record.question, record.golden)
            assert asked in record.question and head in record.question
    assert min(answers.values()) > 10


def test_two_relations_are_told_step_by_step(tmp_path):
    records, _ = made(tmp_path, table(), kinds=["hops"])
    assert len(records) == 2
    first = records[0]
    assert first.question.endswith(("？", "。")) and "甲银行的股东" in first.question
    assert first.golden == "甲银行的股东是乙集团、丙基金；乙集团的所属行业是综合。"


def test_several_files_make_one_graph(tmp_path):
    folder = tmp_path / "kg"
    folder.mkdir()
    (folder / "a.csv").write_text("head,relation,tail\n甲,股东,乙\n", encoding="utf-8")
    (folder / "b.csv").write_text("head,relation,tail\n乙,注册地,北京\n", encoding="utf-8")
    (record,), _ = items(tmp_path, folder, kinds=["hops"])
    assert record.golden == "甲的股东是乙；乙的注册地是北京。" and record.span == "a.csv:2、b.csv:2"


def test_rows_that_lack_something_are_rejects(tmp_path):
    records, rejects = made(tmp_path, "head,relation,tail\n甲,股东,乙\n丙,,丁\n戊\n")
    assert records and [reject.line for reject in rejects] == [3, 4] and "没有 relation" in rejects[0].reason


def test_columns_and_a_relation_for_all(tmp_path):
    text = '{"company": "甲", "goods": "白酒", "rel": "x"}\n'
    config = {"columns": {"head": ["公司", "company"], "tail": ["goods"]}, "relation": "主营产品"}
    (record,), _ = made(tmp_path, text, "p.jsonl", kinds=["forward"], **config)
    assert "甲" in record.question and "白酒" in record.golden and "x" not in record.question
    with pytest.raises(DataError, match="hed"):
        made(tmp_path, text, columns={"hed": ["a"]})


def test_material_phrasings_and_limits(tmp_path):
    records, _ = made(tmp_path, table(), kinds=["forward"], material=1.0, source="示例图谱 2026", phrasings=3)
    assert all(record.material.startswith("（") and record.source == "示例图谱 2026" for record in records)
    assert len({record.id for record in records}) == len(records) > 12
    few, _ = made(tmp_path, table(), kinds=["forward"], relations=["股东"], most=1)
    assert [record.golden.count("、") for record in few] == [0]


def test_a_users_templates_come_first(tmp_path):
    own = {
        "relations": {
            "股东": {
                "noun": "{head}的老板", "reverse_noun": "{tail}的产业", "statement": "{tail}是{head}的老板",
                "forward": ["{noun}都有谁？"], "reverse": ["{reverse_noun}？"], "check": ["{statement}？"],
            }
        }
    }  # fmt: skip
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    records, _ = made(tmp_path, table(), kinds=["forward"], templates=str(path))
    assert any(record.question.endswith("甲银行的老板都有谁？") for record in records)
    assert any("行业" in record.question for record in records), "others keep theirs"
    own["relations"]["股东"]["check"] = ["{某某}？"]
    own["relations"]["股东"]["noun"] = "{hed}"
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigError, match="hed"):
        made(tmp_path, table(), templates=str(path))


def test_the_bundled_relations_are_asked_in_several_ways():
    templates = relation_templates()
    wanted = {"股东", "控股", "投资", "高管", "所属行业", "发行", "担保", "供应商"}
    assert wanted <= set(templates.relations)
    for relation, template in [*templates.relations.items(), ("别的", templates.default)]:
        assert min(len(template.forward), len(template.reverse), len(template.check)) >= 3, relation
        for text in (*template.forward, *template.reverse, *template.check, template.noun, template.statement):
            said = template.say(text, "甲", relation, "乙")
            assert "{" not in said and ("甲" in said or "乙" in said), (relation, text)
        assert all("甲" not in template.say(text, "", relation, "乙") for text in template.reverse)
        assert all("乙" in template.say(text, "甲", relation, "乙") for text in template.check)


part = st.sampled_from("甲乙丙丁戊")


@given(
    st.lists(st.tuples(part, st.sampled_from(["股东", "竞争", "所属行业", "某"]), part), max_size=14), st.integers(0, 5)
)
def test_answers_hold_in_any_graph(rows, seed):
    graph = Graph()
    for number, (head, relation, tail) in enumerate(rows, 1):
        graph.add(head, relation, tail, f"g:{number}")
    known = set(rows)
    for question in Asker(graph, relation_templates(), 10, seed).questions(["forward", "reverse", "check", "hops"], 2):
        assert set(question.facts) <= known and question.places
        if question.kind == "check":
            head, relation, asked = question.key.split("|")
            assert question.answer.startswith(("是", "对")) == ((head, relation, asked) in known)
            if (head, relation, asked) not in known:
                assert not any(head == t and asked == h for h, _, t in known), "the other way round is no plain no"


def test_a_request_takes_no_opening_word(tmp_path):
    rows = "\n".join(["公司,职务,姓名", *(f"{n}号公司,独立董事,甲{n}、乙{n}" for n in range(60))])
    columns = {"head": ["公司"], "tail": ["姓名"]}
    records, _ = made(tmp_path, rows, columns=columns, relation="独立董事", phrasings=3)
    asked = [record.question for record in records]
    assert any(text.startswith("请问") for text in asked)
    assert not [text for text in asked if text.startswith(("请问", "想了解")) and not text.endswith("？")]
