"""Calls carried out between answers: what is run, what is told, when it ends."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import UsageError
from cornucopia.finance.tools import find_tool, tools
from cornucopia.inference.engine import Engine, Limits, Reply, Request, Sampling
from cornucopia.inference.tool_engine import ToolEngine, chosen
from cornucopia.inference.tool_loop import ROUNDS, converse
from cornucopia.records.schema import Message, Record, ToolCall

KNOWN = {tool.name: tool for tool in tools()}
LOAN = ToolCall("equal_payment", json.dumps({"principal": "100万", "rate": "4.9%", "months": "30年"}), "call00000")
OTHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


SCHEMA = find_tool("equal_payment").schema


def question(text="月供多少？", *, offers=(SCHEMA,)):
    return Record((Message("user", text),), tools=tuple(offers))


class Scripted(Engine):
    """Says what the script has for each turn of a conversation, and remembers what it was shown."""

    def __init__(self, *script):
        self.script, self.shown = script, []

    def generate(self, requests, sampling):
        for request in requests:
            self.shown.append(request.record)
            turn = sum(message.role == "assistant" for message in request.record.messages)
            said = self.script[min(turn, len(self.script) - 1)]
            calls = (said,) if isinstance(said, ToolCall) else ()
            yield Reply(request.id, "" if calls else said, "tool_calls" if calls else "stop", 10, 5, tool_calls=calls)

    def describe(self, sampling):
        return {"base": "scripted", "sampling": {}}

    def limits(self):
        return Limits(tools=True, streams=True)


def test_a_call_is_run_and_the_answer_follows_its_result():
    engine = ToolEngine(Scripted(LOAN, "每月5307.27元。"), ["equal_payment"])
    (reply,) = engine.generate([Request("a", question(offers=()))], Sampling())
    assert reply.answer == "每月5307.27元。" and reply.finish_reason == "stop" and not reply.tool_calls
    assert (reply.prompt_tokens, reply.completion_tokens) == (20, 10)
    call, result = reply.said
    assert call.tool_calls == (LOAN,) and result.tool_call_id == LOAN.id and "5307.27" in result.content
    shown = engine._engine.shown[-1]
    assert shown.messages[-2:] == reply.said and shown.tools == (find_tool("equal_payment").schema,)
    assert "".join(engine.stream(question(), Sampling())).endswith("每月5307.27元。")


def test_wrong_calls_are_told_to_the_model_and_calls_end_after_some_rounds():
    made_up = ToolCall("equal_paymnet", "{}", "x")
    broken = ToolCall("equal_payment", "不是 JSON", "y")
    engine = Scripted(made_up, broken, "算不出。")
    (one,) = converse(lambda r: engine.generate(r, Sampling()), [Request("a", question())], KNOWN)
    results = [turn.content for turn in one.said if turn.role == "tool"]
    assert "equal_payment" in results[0] and results[1].startswith("错误：") and one.reply.answer == "算不出。"
    endless = Scripted(LOAN)
    (one,) = converse(lambda r: endless.generate(r, Sampling()), [Request("a", question())], KNOWN)
    assert len(endless.shown) == ROUNDS + 1 and one.reply.finish_reason == "tool_calls"
    assert one.record.messages[-1].tool_calls == (LOAN,)


def test_a_tool_of_the_caller_is_left_to_the_caller():
    theirs = ToolCall("weather", "{}", "z")
    engine = Scripted(theirs, "不会到这里")
    (one,) = converse(lambda r: engine.generate(r, Sampling()), [Request("a", question(offers=(OTHER,)))], KNOWN)
    assert one.reply.tool_calls == (theirs,) and len(engine.shown) == 1


def test_many_go_on_together_and_each_ends_by_itself():
    class Mixed(Scripted):
        def generate(self, requests, sampling):
            for request in reversed(requests):
                direct = request.id == "b"
                yield from (
                    [Reply(request.id, "直接答", "stop")] if direct else Scripted.generate(self, [request], sampling)
                )

    engine = Mixed(LOAN, "算完了")
    asked = [Request(name, question()) for name in "abc"]
    ended = {one.request.id: one for one in converse(lambda r: engine.generate(r, Sampling()), asked, KNOWN)}
    assert [len(ended[name].said) for name in "abc"] == [3, 1, 3]


def test_earlier_calls_of_the_row_are_not_shown():
    earlier = (Message("assistant", "", tool_calls=(LOAN,)), Message("tool", "月供：5307.27元"))
    row = question().changed(messages=(*question().messages, *earlier, Message("assistant", "5307.27元")))
    engine = ToolEngine(Scripted("好"), ["贷款"])
    assert [reply.answer for reply in engine.generate([Request("a", row)], Sampling())] == ["好"]
    assert len(engine._engine.shown[0].messages) == 1


def test_tools_by_topic_and_bad_names():
    assert len(chosen(["calculators"])) == len(tools())
    loans = chosen(["贷款", "equal_payment"])
    assert find_tool("equal_payment") in loans and len(loans) == len(set(loans)) < len(tools())
    with pytest.raises(UsageError, match="equal_payment"):
        chosen(["equal_paymen"])

    class Blind(Scripted):
        def limits(self):
            return Limits()

    with pytest.raises(UsageError, match="fin_tools"):
        ToolEngine(Blind("x"), ["calculators"])
