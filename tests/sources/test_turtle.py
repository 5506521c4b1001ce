"""N-Triples and the part of Turtle that is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.sources.turtle import Broken, Triple, read_turtle

HEAD = "@prefix k: <http://k.cn/g#> .\n@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"


def facts(text):
    return [(one.head, one.relation, one.tail) for one in read_turtle(text) if isinstance(one, Triple)]


def broken(text):
    return [(one.line, one.reason) for one in read_turtle(text) if isinstance(one, Broken)]


def test_n_triples():
    text = "<http://k.cn/%E7%94%B2> <http://k.cn/p#股东> <http://k.cn/乙> .\n"
    text += '<http://k.cn/x/> <http://k.cn/n> "二\\u4E09\\n"@zh .\n'
    assert facts(text) == [("甲", "股东", "乙"), ("x", "n", "二三")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "k:甲 k:股东 k:乙 , k:丙 ; k:行业 '银行' .",
            [("甲", "股东", "乙"), ("甲", "股东", "丙"), ("甲", "行业", "银行")],
        ),
        ("k:甲 a k:公司 . # 说明", [("甲", "类型", "公司")]),
        ("k:甲 k:资本 12.5 ; k:上市 true .", [("甲", "资本", "12.5"), ("甲", "上市", "true")]),
        ('k:甲 k:介绍 """两\n行""" .', [("甲", "介绍", "两\n行")]),
        ('k:甲 k:日期 "2024-01-01"^^k:date .', [("甲", "日期", "2024-01-01")]),
        ("_:b1 k:v k:甲.k .", [("_:b1", "v", "甲.k")]),
        ("PREFIX q: <http://q.cn/>\nq:甲 k:v q:乙 .", [("甲", "v", "乙")]),
        ("@base <http://b.cn/> .\n<甲> k:v <乙> .", [("甲", "v", "乙")]),
    ],
)
def test_turtle(text, found):
    assert facts(HEAD + text) == found and not broken(HEAD + text)


def test_labels_are_names_and_no_facts():
    text = 'k:c1 rdfs:label "Bank A"@en , "甲银行"@zh . k:c2 rdfs:label "B" . k:c1 k:股东 k:c2 .'
    assert facts(HEAD + text) == [("甲银行", "股东", "B")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("k:甲 k:v [ k:w 1 ] .", "匿名节点"),
        ("k:甲 k:v ( 1 2 ) .", "列表"),
        ("z:甲 k:v k:乙 .", "前缀 z: 没有声明"),
        ("k:甲 k:v .", "没有写完"),
        ("k:甲 k:v ¤ k:乙 .", "认不得"),
    ],
)
def test_a_broken_statement_costs_no_other(text, told):
    whole = f"{HEAD}k:前 k:v k:一 .\n{text}\nk:后 k:v k:二 .\n"
    found = broken(whole)
    assert found[0][0] == 4 and told in found[0][1], found
    assert ("前", "v", "一") in facts(whole)
    assert ("后", "v", "二") in facts(whole)


def test_a_last_statement_without_its_stop_is_told():
    assert broken(f"{HEAD}k:前 k:v k:一 .\nk:甲 k:v k:丙\n") == [(4, "最后一句没有句点")]


@given(st.text(alphabet="k:甲乙<>\"'\\.;,@a^_[]( )\n#1é", max_size=80))
def test_any_text_gives_facts_or_problems(text):
    for one in read_turtle(HEAD + text):
        if isinstance(one, Triple):
            assert one.head and one.relation and one.tail
        else:
            assert one.reason and one.line >= 1


name = st.text(alphabet="甲乙丙丁A1", min_size=1, max_size=6)


@given(st.lists(st.tuples(name, name, st.text(alphabet='甲"\\\n\té x.;,', max_size=12)), max_size=6))
def test_what_is_written_is_read(rows):
    def quoted(text):
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")

    lines = [f'<http://k/{head}> <http://k/{relation}> "{quoted(tail)}" .' for head, relation, tail in rows]
    assert facts("\n".join(lines)) == [(h, r, t.strip()) for h, r, t in rows if t.strip()]
