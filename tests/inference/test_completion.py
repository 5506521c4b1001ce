"""Answers in the shapes of the services, and successes that hold none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.inference.completion import NoAnswer, read_completion


def body(content, why="stop", **message):
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": why}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 2, "completion_tokens": 3}})


@pytest.mark.parametrize(("text", "thought", "answer"), [
    (body("能退"), "", "能退"),
    (body([{"type": "text", "text": "能"}, {"type": "text", "text": "退"}]), "", "能退"),
    (body([{"type": "thinking", "thinking": [{"type": "text", "text": "想"}]}, {"text": "能"}]), "想", "能"),
    (body("先想一想\n</think>\n\n能退"), "先想一想", "能退"),
    (body("<think>想</think>能退"), "想", "能退"),
    (body("能退", reasoning_content="想"), "想", "能退"),
    (body("写作 </think> 的标记", reasoning_content="想"), "想", "写作 </think> 的标记"),
    (body(None, refusal="这个不能说"), "", "这个不能说"),
    (body("半个\ud83d字"), "", "半个\ufffd字"),
    (body("\ud83d\ude00"), "", "😀"),
])  # fmt: skip
def test_text_and_thought_are_told_apart_whatever_the_shape(text, thought, answer):
    got = read_completion(text)
    assert (got.reasoning, got.answer, got.finish_reason) == (thought, answer, "stop")
    got.answer.encode()


@pytest.mark.parametrize(("why", "ours"), [
    ("stop", "stop"), (None, "stop"), ("", "stop"), ("eos_token", "stop"), ("normal", "stop"),
    ("length", "length"), ("max_tokens", "length"), ("tool_calls", "tool_calls"),
])  # fmt: skip
def test_known_finish_reasons_become_ours(why, ours):
    assert read_completion(body("答", why)).finish_reason == ours


@pytest.mark.parametrize(("text", "kind"), [
    ("", "junk"), ("  \n", "junk"), ("<!doctype html><title>请登录</title>", "junk"), ("null", "junk"), ("[]", "junk"),
    ('{"object": "chat.completion"}', "junk"), ('{"choices": []}', "junk"), ('{"choices": [{}]}', "junk"),
    ('{"error": {"message": "busy"}}', "junk"), ('{"error": {"message": "invalid api key"}}', "junk"),
    ('{"error": {"code": "insufficient_quota", "message": "pay"}}', "account"),
    (body("答了一半", "insufficient_system_resource"), "junk"), (body("答", "network_error"), "junk"),
    (body("", "content_filter"), "content"), (body("答了", "sensitive"), "content"),
])  # fmt: skip
def test_a_success_without_an_answer_is_none(text, kind):
    with pytest.raises(NoAnswer) as caught:
        read_completion(text)
    assert caught.value.refusal.kind == kind


def test_tool_calls_are_read_and_an_object_becomes_text():
    calls = [{"id": "a", "function": {"name": "贷款", "arguments": {"期数": 12}}},
             {"function": {"name": "利率", "arguments": ""}}]  # fmt: skip
    got = read_completion(body(None, "tool_calls", tool_calls=calls))
    assert [(call.name, call.arguments, call.id) for call in got.tool_calls] == [
        ("贷款", '{"期数": 12}', "a"), ("利率", "{}", ""),
    ]  # fmt: skip


_NAMES = st.sampled_from(
    [
        "choices",
        "message",
        "content",
        "finish_reason",
        "error",
        "usage",
        "text",
        "type",
        "tool_calls",
        "reasoning_content",
        "function",
        "name",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        _NAMES, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(values.map(json.dumps) | st.text())
def test_any_success_is_an_answer_or_none(text):
    try:
        assert isinstance(read_completion(text).answer, str)
    except NoAnswer as error:
        assert error.refusal.what
