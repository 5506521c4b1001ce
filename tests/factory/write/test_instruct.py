"""Self-instruct: Chinese tasks are not refused for being Chinese, doubles are, and the rest is kept with its answer."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import count

import pytest

from cornucopia.core.errors import DataError
from cornucopia.factory.intake.seeds import Seeds, SeedsConfig
from cornucopia.factory.write.instruct import Instruct, InstructConfig
from cornucopia.factory.write.seeds import read_seeds
from cornucopia.finance.equations import read_equations
from servers import chat_server
from writing_fakes import said, settings, stage_run

NEW = [
    {"instruction": "写一段话说明为什么宠物保险要看犬龄。", "kind": "解释"},
    {"instruction": "把这段客户录音改成文字。", "kind": "改写"},
    {"instruction": "解释", "kind": "解释"},
    {"instruction": "用三句话向第一次买保险的人解释什么是犹豫期。", "kind": "解释"},
    {"instruction": "Explain what a deductible is in two sentences.", "kind": "解释"},
    {"instruction": "预测最近的股价走势并给出理由。", "kind": "判断"},
    {"instruction": "判断邮件属于哪一类。", "kind": "归类", "labels": ["咨询", "表扬"]},
    {"kind": "坏的"},
]


def author(body):
    prompt = said(body)
    if "另写" in prompt or "补充" in prompt:
        return json.dumps(NEW, ensure_ascii=False)
    if "全部类别" in prompt:
        pairs = [
            {"label": "咨询", "input": "请问几点开门"},
            {"label": "表扬", "input": "小王服务真好"},
            {"label": "无关", "input": "x"},
        ]
        return json.dumps(pairs, ensure_ascii=False)
    return json.dumps({"input": "", "output": "犬龄越大越容易生病，保费和免责也不同。"}, ensure_ascii=False)


def instruct(server, tmp_path, records=None, **more):
    stage = Instruct(InstructConfig.build(settings(server.url, tmp_path, per_seed=1, rounds=1, **more)))
    return stage_run(stage, list(read_seeds())[:5] if records is None else records, tmp_path / "run")


def test_the_good_ones_are_kept_with_how_alike_they_are(tmp_path):
    with chat_server(answer=author) as server:
        outcome = instruct(server, tmp_path, number=8)
    assert [record.question for record in outcome.kept] == [NEW[0]["instruction"], *[NEW[6]["instruction"]] * 2]
    first, *labelled = outcome.kept
    assert 0 < first.extra["similarity"]["most"] < 0.7 and first.extra["similarity"]["nearest"]
    assert first.extra["written_by"] == {"step": "instruct", "model": "写手"} and not first.passages
    assert [(record.golden, record.material) for record in labelled] == [
        ("咨询", "请问几点开门"),
        ("表扬", "小王服务真好"),
    ]
    assert Counter(one.rule for one in outcome.dropped) == {
        "needs_more_than_text": 1, "length": 1, "alike": 1, "not_chinese": 1, "needs_news": 1,
    }  # fmt: skip
    assert outcome.counts == {"bad_item": 1}


def test_new_tasks_are_shown_in_later_rounds_until_there_are_enough(tmp_path):
    number = count()
    words = ["押汇", "汇票", "年金", "期货", "黄金", "外汇", "典当", "信托", "租赁", "保理", "众筹", "券商"]

    def answer(body):
        if "另写" in said(body) or "补充" in said(body):
            word = words[next(number) % len(words)]
            return json.dumps([{"instruction": f"{word * 3}{word[::-1]}：{word * 5}"}], ensure_ascii=False)
        return json.dumps({"output": "结果"}, ensure_ascii=False)

    stage = {"per_seed": 2, "rounds": 5, "number": 2, "examples": 3}
    with chat_server(answer=answer, delay=0.01) as server:
        config = InstructConfig.build(settings(server.url, tmp_path, concurrency=1, **stage))
        outcome = stage_run(Instruct(config), list(read_seeds())[:3], tmp_path / "run")
    assert len(outcome.kept) == 6
    asked = [said(body) for body in server.requests if "另写" in said(body) or "补充" in said(body)]
    assert any(words[0] * 3 in prompt for prompt in asked[3:])


@pytest.mark.parametrize(
    ("text", "rule"),
    [("不是 JSON", "bad_json"), ((json.dumps(NEW), "length"), "cut_off"), ("很抱歉，我不能生成。", "refused")],
)
def test_replies_that_are_none_are_dropped_with_the_seed_they_came_from(tmp_path, text, rule):
    with chat_server(answer=lambda body: text) as server:
        outcome = instruct(server, tmp_path)
    assert not outcome.kept and [one.rule for one in outcome.dropped] == [rule]


def test_answers_that_copy_or_are_cut_do_not_count(tmp_path):
    def answer(body):
        if "另写" in said(body) or "补充" in said(body):
            return json.dumps(NEW[:1], ensure_ascii=False)
        return json.dumps({"input": "同样的话", "output": "同样的话。"}, ensure_ascii=False)

    with chat_server(answer=answer) as server:
        outcome = instruct(server, tmp_path)
    assert [one.rule for one in outcome.dropped] == ["copied"]


def test_no_seeds_ask_nothing(tmp_path):
    with chat_server(answer=author) as server:
        assert instruct(server, tmp_path, []).kept == [] and not server.requests


def test_the_bundled_seeds_are_many_different_and_right(tmp_path):
    seeds = list(Seeds(SeedsConfig()).records(tmp_path, 42))
    assert len(seeds) >= 60 and min(Counter(seed.domain for seed in seeds).values()) >= 8
    assert len({seed.domain for seed in seeds}) == 8 and len({seed.kind for seed in seeds}) >= 8
    assert len({seed.id for seed in seeds}) == len(seeds)
    for seed in seeds:
        assert all(equation.holds for equation in read_equations(seed.golden)), seed.golden
        if labels := seed.extra.get("labels"):
            assert seed.golden in labels
        if limit := re.search(r"(\d+)个?字以内|(?<!每条)(?<!每项)不超过(\d+)个?字", seed.question):
            assert len(seed.golden) <= int(limit[1] or limit[2]), seed.question


def test_seeds_of_ones_own_are_read_and_wrong_ones_named(tmp_path):
    own = tmp_path / "seeds.yaml"
    own.write_text("黄金:\n- {kind: 解释, task: 解释金价, answer: 金价是……}\n", encoding="utf-8")
    (record,) = Seeds(SeedsConfig(path=str(own))).records(tmp_path, 42)
    assert (record.domain, record.question) == ("黄金", "解释金价")
    own.write_text("黄金:\n- {kind: 解释, task: 解释金价}\n", encoding="utf-8")
    with pytest.raises(DataError, match="黄金 第 1 条"):
        list(Seeds(SeedsConfig(path=str(own))).records(tmp_path, 42))


def test_seed_tasks_of_self_instruct_are_read_as_they_are(tmp_path):
    own = tmp_path / "seed_tasks.jsonl"
    rows = [
        {"id": "t0", "instruction": "解释金价", "instances": [{"input": "", "output": "金价是……"}]},
        {"id": "t1", "instruction": "没有例子"},
    ]
    own.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    record, reject = Seeds(SeedsConfig(path=str(own))).records(tmp_path, 42)
    assert (record.question, record.golden) == ("解释金价", "金价是……")
    assert reject.line == 2
