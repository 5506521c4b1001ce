"""Dialogues: customer and advisor by turns, stopped where they repeat, leave, decline or say more than is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.factory.write.converse import Converse, ConverseConfig
from cornucopia.factory.write.transcript import read_talk
from servers import chat_server
from writing_fakes import pair, said, settings, stage_run

ANSWER = "可以。放款满3个月后提前10个工作日申请，不收违约金；不满3个月的收1%。"
TALK = """【客户】能提前还款吗？
【顾问】可以，放款满3个月后就能申请。
【客户】那要提前几天说？
【顾问】要提前10个工作日书面申请。
【客户】不满3个月呢？
【顾问】也可以还，要收1%的违约金。
【结束】
"""


def converse(server, tmp_path, **more):
    stage = Converse(ConverseConfig.build(settings(server.url, tmp_path, **more)))
    return stage_run(stage, [pair("能提前还款吗？", ANSWER, id="a", source="贷款办法")], tmp_path / "run")


def test_a_dialogue_takes_turns_and_keeps_where_it_comes_from(tmp_path):
    with chat_server(answer=lambda body: TALK) as server:
        (record,) = converse(server, tmp_path).kept
    assert [message.role for message in record.messages] == ["user", "assistant"] * 3
    assert record.messages[-1].content == "也可以还，要收1%的违约金。"
    assert (record.id, record.kind, record.source) == ("a~对话", "dialogue", "贷款办法")


def test_it_ends_before_an_answer_that_nothing_stands_behind(tmp_path):
    with chat_server(answer=lambda body: TALK.replace("1%的违约金", "5%的违约金")) as server:
        outcome = converse(server, tmp_path)
    assert len(outcome.kept[0].messages) == 4 and outcome.counts == {"stopped_ungrounded": 1}


@pytest.mark.parametrize(
    ("talk", "rule"),
    [
        ("今天天气不错。", "no_talk"),
        (TALK.replace("【顾问】要提前", "【客户】要提前"), "roles_swapped"),
        (TALK.replace("那要提前几天说？", "您好，很高兴为您服务。"), "roles_swapped"),
        ("\n".join(TALK.splitlines()[:2]), "too_short"),
        ((TALK, "length"), "cut_off"),
    ],
)
def test_what_is_no_dialogue_is_dropped(tmp_path, talk, rule):
    with chat_server(answer=lambda body: talk) as server:
        outcome = converse(server, tmp_path)
    assert not outcome.kept and [one.rule for one in outcome.dropped] == [rule]


@pytest.mark.parametrize(
    ("more", "stop", "turns"),
    [
        ("【客户】能提前还款吗\n【顾问】可以。", "repeated", 6),
        ("【客户】好的，谢谢您！\n【顾问】不客气。", "bye", 6),
        ("【客户】能帮我看看股票吗？\n【顾问】很抱歉，我无法提供投资建议。", "declined", 6),
        ("【客户】还有一个问题，", "limit", 6),
        ("【客户】要带什么材料？\n【顾问】带身份证。\n【客户】周末办吗？\n【顾问】以网点为准。", "limit", 8),
    ],
)
def test_where_a_dialogue_stops(more, stop, turns):
    talk = read_talk(TALK.replace("【结束】", more), 4)
    assert (talk.stop, len(talk.turns)) == (stop, turns)


def test_other_heads_are_read_and_a_greeting_is_left_out():
    talk = read_talk("[|AI|] 您好！\n[|Human|] 问？\n[|AI|] 答。\n第二行。", 5)
    assert [message.content for message in talk.turns] == ["问？", "答。\n第二行。"]
    assert len(read_talk("**客户：** 问？\n**顾问：** 答：客户经理会联系您。", 5).turns) == 2


@given(st.text(alphabet="【】客户顾问[|]Human AI：\n问答。", max_size=80))
def test_any_text_gives_turns_in_order_or_a_reason(text):
    try:
        talk = read_talk(text, 3)
    except ValueError:
        return
    assert [turn.role for turn in talk.turns] == ["user", "assistant"] * (len(talk.turns) // 2)


def speaker(lines):
    """Plays the customer by a script, and the advisor by heart; notes what the advisor was shown."""

    def answer(body):
        if "你和顾问" in said(body):
            return lines[min(said(body).count("客户："), len(lines)) - 1]
        return "要提前10个工作日申请。" if "几天" in said(body) else "按1%收违约金。"

    return answer


def test_customer_and_advisor_are_asked_by_turns(tmp_path):
    lines = ["【客户】那要提前几天说？", "要是不满3个月呢？", "【结束】"]
    with chat_server(answer=speaker(lines)) as server:
        (record,) = converse(server, tmp_path, style="turns", shortest=3, longest=3).kept
    words = [message.content for message in record.messages]
    assert words == [
        "能提前还款吗？",
        ANSWER,
        "那要提前几天说？",
        "要提前10个工作日申请。",
        "要是不满3个月呢？",
        "按1%收违约金。",
    ]
    advisor = server.requests[1]["messages"]
    assert [turn["role"] for turn in advisor] == ["system", "user", "assistant", "user"]
    assert ANSWER in advisor[0]["content"] and "只回答客户" in advisor[0]["content"]
    assert all(
        "顾问的" in body["messages"][0]["content"] or "客户" in body["messages"][0]["content"]
        for body in server.requests
    )


@pytest.mark.parametrize(
    ("lines", "kept", "told"),
    [
        (["那要提前几天说？", "【结束】"], 4, {"stopped_end": 1}),
        (["那要提前几天说？", "那要提前几天说"], 4, {"stopped_repeated": 1}),
        (["【结束】"], 0, "too_short"),
        ([("那要提", "length")], 0, "cut_off"),
        (["您好，很高兴为您服务。"], 0, "roles_swapped"),
    ],
)
def test_where_a_dialogue_by_turns_stops(tmp_path, lines, kept, told):
    with chat_server(answer=speaker(lines)) as server:
        outcome = converse(server, tmp_path, style="turns", shortest=2, longest=9)
    if kept:
        assert len(outcome.kept[0].messages) == kept and outcome.counts == told
    else:
        assert not outcome.kept and [one.rule for one in outcome.dropped] == [told]
