"""OpenAI Batch lines in, response lines out; `openai`'s own types read them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_batch import Fake, answer, rows

from cornucopia.core.errors import ConfigError
from cornucopia.inference.engine import Sampling
from cornucopia.inference.openai_batch import own_sampling, rejected_id
from cornucopia.records.read import Reject
from cornucopia.records.schema import Record


def line(name, **body):
    body = {"model": "any", "messages": [{"role": "user", "content": f"问{name}"}], **body}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def write(path, lines):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in lines), encoding="utf-8")
    return path


def test_requests_become_responses_in_order_with_their_own_parameters(tmp_path):
    from openai.types.chat import ChatCompletion

    lines = [
        line("r1", temperature=0.25),
        line("r2", n=2),
        line("r3", messages=[]),
        line("r4"),
        line("r5", temperature="热"),
    ]
    data = write(tmp_path / "b.jsonl", lines)
    summary = answer(Fake(), data, tmp_path / "o.jsonl")
    got = rows(tmp_path / "o.jsonl")
    assert [row["custom_id"] for row in got] == ["r1", "r2", "r3", "r4", "r5"]
    assert [row["response"]["status_code"] for row in got] == [200, 400, 400, 200, 400]
    assert all(row["error"] is None for row in got) and len({row["id"] for row in got}) == 5
    answered = ChatCompletion.model_validate(got[0]["response"]["body"])
    assert answered.choices[0].message.content == "答问r10.25"
    assert answered.usage is not None and answered.usage.total_tokens == 5
    assert got[3]["response"]["body"]["choices"][0]["message"]["content"] == "答问r40.5"
    assert "不支持参数 n" in got[1]["response"]["body"]["error"]["message"]
    assert (summary.rows, summary.failed) == (5, 3)


def test_a_resumed_batch_is_the_same_file(tmp_path):
    data = write(tmp_path / "b.jsonl", [line(f"r{i}", temperature=i / 4) for i in range(8)])
    answer(Fake(), data, tmp_path / "o.jsonl")
    before = (tmp_path / "o.jsonl").read_bytes()
    kept = before.splitlines(keepends=True)
    (tmp_path / "o.jsonl").write_bytes(b"".join(kept[:3]) + kept[3][:20])
    engine = Fake()
    answer(engine, data, tmp_path / "o.jsonl")
    assert len(engine.asked) == 5 and (tmp_path / "o.jsonl").read_bytes() == before


def test_parameters_of_the_body_win_over_those_of_the_command():
    record = Record(
        id="r", kind="openai_batch", extra={"body": {"max_completion_tokens": 7, "stop": "完", "top_p": None, "n": 1}}
    )
    got = own_sampling(record, Sampling(max_new_tokens=99, temperature=0.3))
    assert (got.max_new_tokens, got.stop, got.temperature, got.top_p) == (7, ["完"], 0.3, None)


@pytest.mark.parametrize(
    "body", [
        {"logprobs": True}, {"max_tokens": -1}, {"stop": [1]}, {"n": 2}, {"n": True}, {"guided_json": {}},
        {"chat_template_kwargs": {"enable_thinking": False}}, {"max_token": 5}, {"response_format": {"type": "json"}},
        {"reasoning": {"effort": "high"}}, {"reasoning": "on"}, {"answer": "x"}, {"source": "x"}, {"system": "x"},
        {"tool_choice": "required"}, {"logit_bias": {"5": 1}}, {"extra_body": {"top_k": 1}}, {"best_of": 3},
        {"min_p": 2}, {"thinking": {"type": "disabled"}}, {"stream": True}, {"presence_penalty": 0.5},
    ],
)  # fmt: skip
def test_what_is_not_honoured_is_refused_by_its_name(body, tmp_path):
    answer(Fake(), write(tmp_path / "b.jsonl", [line("r1", **body), line("r2")]), tmp_path / "o.jsonl")
    refused, good = rows(tmp_path / "o.jsonl")
    assert refused["response"]["status_code"] == 400 and good["response"]["status_code"] == 200
    assert next(iter(body)) in refused["response"]["body"]["error"]["message"].replace("max_new_tokens", "max_tokens")


@pytest.mark.parametrize("body", [
    {"min_p": 0.1}, {"n": 1}, {"stream": False}, {"tools": []}, {"frequency_penalty": 0.0}, {"logprobs": False},
    {"response_format": {"type": "text"}}, {"user": "u"}, {"metadata": {"a": "b"}}, {"temperature": None},
])  # fmt: skip
def test_what_is_honoured_or_asks_for_nothing_is_answered(body, tmp_path):
    answer(Fake(), write(tmp_path / "b.jsonl", [line("r1", **body)]), tmp_path / "o.jsonl")
    assert rows(tmp_path / "o.jsonl")[0]["response"]["status_code"] == 200


def test_tools_reach_an_engine_that_calls_them_and_are_refused_by_one_that_does_not(tmp_path):
    from dataclasses import replace

    from openai.types.chat import ChatCompletion

    from cornucopia.inference.engine import Limits
    from cornucopia.records.schema import ToolCall

    class Caller(Fake):
        def limits(self):
            return Limits(tools=True)

        def generate(self, requests, sampling):
            for reply in super().generate(requests, sampling):
                (name,) = [tool["function"]["name"] for tool in requests[0].record.tools]
                yield replace(reply, finish_reason="tool_calls", tool_calls=(ToolCall(name, "{}", "c1"),))

    tool = {"type": "function", "function": {"name": "贷款", "parameters": {"type": "object"}}}
    data = write(tmp_path / "b.jsonl", [line("r1", tools=[tool], tool_choice="auto")])
    answer(Caller(), data, tmp_path / "o.jsonl")
    got = ChatCompletion.model_validate(rows(tmp_path / "o.jsonl")[0]["response"]["body"])
    assert got.choices[0].message.tool_calls[0].function.name == "贷款"
    assert got.choices[0].finish_reason == "tool_calls"
    answer(Fake(), data, tmp_path / "p.jsonl")
    refused = rows(tmp_path / "p.jsonl")[0]["response"]
    assert refused["status_code"] == 400 and "tools" in refused["body"]["error"]["message"]


def test_another_url_is_refused():
    with pytest.raises(ConfigError, match="chat/completions"):
        own_sampling(Record(id="r", extra={"url": "/v1/embeddings"}), Sampling())


simple = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5)
values = simple | st.lists(simple, max_size=3) | st.dictionaries(st.text(max_size=5), simple, max_size=3)
names = st.sampled_from(["temperature", "top_p", "stop", "seed", "max_tokens", "n", "tools", "url", "stream", "user"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, values, max_size=5))
def test_any_body_gives_settings_or_a_clear_refusal(extra):
    try:
        assert isinstance(own_sampling(Record(id="r", extra={"body": extra}), Sampling()), Sampling)
    except ConfigError as error:
        assert error.what


@given(st.text(max_size=30) | values.map(json.dumps))
def test_any_refused_line_is_read_for_its_id(raw):
    assert rejected_id(Reject(1, "坏", raw)) is None or '"custom_id"' in raw
