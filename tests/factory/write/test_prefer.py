"""Pairs: the better answer is kept, the worse one rejected; answers that are equal make none."""

from __future__ import annotations

from cornucopia.factory.write.prefer import Prefer, PreferConfig
from servers import chat_server
from writing_fakes import pair, said, settings, stage_run

GOOD = "可以提前还款，须提前10个工作日申请，放款不满3个月的按1%收违约金。"
WORSE = "可以提前还款，随时到柜台办理就行，一般不收任何费用，您放心办理即可。"


def prefer(server, tmp_path, records, **more):
    return stage_run(Prefer(PreferConfig.build(settings(server.url, tmp_path, **more))), records, tmp_path / "run")


def test_a_worse_answer_is_written_beside_the_records_own(tmp_path):
    with chat_server(answer=lambda body: WORSE) as server:
        outcome = prefer(server, tmp_path, [pair("能提前还款吗？", GOOD, id="a")])
    (record,) = outcome.kept
    assert record.golden == GOOD and record.rejected[0][0].content == WORSE
    assert record.extra["preference"] == {"way": "worse"}


def test_equal_answers_and_answers_of_another_length_make_no_pair(tmp_path):
    for text, rule in ((GOOD.replace("，", ","), "equal"), ("不行。" + "空话" * 200, "length")):
        with chat_server(answer=lambda body, text=text: text) as server:
            outcome = prefer(server, tmp_path, [pair("能提前还款吗？", GOOD, id="a")])
        assert not outcome.kept and [one.rule for one in outcome.dropped] == [rule]


def ranked(body):
    if "打分" in said(body):
        score = next(
            score for mark, score in (("甲等", 0.9), ("乙等", 0.5), ("丙等", 0.2), ("旧的", 0.6)) if mark in said(body)
        )
        return f'{{"score": {score}}}'
    return ("甲等回答", "乙等回答", "丙等回答")[body["seed"] % 3]


def test_samples_are_ranked_by_a_judge_that_sees_each_alone(tmp_path):
    with chat_server(answer=ranked) as server:
        outcome = prefer(server, tmp_path, [pair("问题？", "旧的回答", id="a")], way="rank", samples=5)
    (record,) = outcome.kept
    assert record.golden == "甲等回答" and record.rejected[0][0].content == "丙等回答"
    assert record.extra["preference"] == {"chosen": 0.9, "rejected": 0.2, "way": "rank"}
    assert sum("打分" in said(body) for body in server.requests) == 4


def test_what_the_judge_cannot_tell_apart_is_dropped(tmp_path):
    def answer(body):
        return '{"score": 0.7}' if "打分" in said(body) else f"回答之{body['seed']}"

    with chat_server(answer=answer) as server:
        outcome = prefer(server, tmp_path, [pair("问题？", "旧的回答")], way="rank", samples=2, margin=0)
    assert [one.rule for one in outcome.dropped] == ["equal"]


def test_a_pair_may_be_judged_before_it_is_believed(tmp_path):
    def answer(body):
        if "打分" in said(body):
            return "得分：0.3" if GOOD in said(body) else "得分：0.9"
        return WORSE

    with chat_server(answer=answer) as server:
        outcome = prefer(server, tmp_path, [pair("能提前还款吗？", GOOD)], judged=True)
    assert [one.rule for one in outcome.dropped] == ["equal"]  # the "worse" one was found better


def test_another_model_may_judge(tmp_path):
    with chat_server(answer=ranked) as server:
        prefer(server, tmp_path, [pair("问题？", "旧的回答")], way="rank", judge=f"{server.url}#评委")
    assert {body["model"] for body in server.requests if "打分" in said(body)} == {"评委"}
