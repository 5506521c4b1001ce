"""OpenAI's client on /v1/responses: whole and streamed, tools, schemas, conversations that go on."""

from __future__ import annotations

import json

import httpx
import openai
import pytest

from cornucopia.serving import responses
from cornucopia.serving.problems import Problem
from cornucopia.serving.responses import Responses
from scripted_engine import scripted_server

GREEDY = {"temperature": 0, "max_output_tokens": 20}


@pytest.fixture(scope="module")
def talker():
    with scripted_server() as served:
        url = f"{served.url}/v1"
        yield openai.OpenAI(base_url=url, api_key="x", max_retries=0, http_client=httpx.Client(trust_env=False))


def test_an_answer_is_that_of_chat_whole_and_streamed(client):
    asked = "什么是等额本息？"
    chat = client.chat.completions.create(
        model="base", messages=[{"role": "system", "content": "简短"}, {"role": "user", "content": asked}],
        temperature=0, max_tokens=20,
    )  # fmt: skip
    whole = client.responses.create(model="base", instructions="简短", input=asked, **GREEDY)
    assert whole.output_text == chat.choices[0].message.content != ""
    assert whole.usage.output_tokens == chat.usage.completion_tokens and whole.usage.input_tokens > 0
    cut = chat.choices[0].finish_reason == "length"
    assert whole.status == ("incomplete" if cut else "completed") and bool(whole.incomplete_details) == cut
    parts = [{"type": "input_text", "text": asked}]
    with client.responses.stream(
        model="base", instructions="简短", input=[{"role": "user", "content": parts}], **GREEDY
    ) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == list(range(len(events)))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said.strip() == whole.output_text and events[0].type == "response.created"
    assert events[-1].type == f"response.{whole.status}" and events[-1].response.output_text == whole.output_text


def test_a_conversation_goes_on_by_its_id_unless_it_was_not_kept(client):
    first = client.responses.create(model="base", input="你好", **GREEDY)
    second = client.responses.create(model="base", input="接着说", previous_response_id=first.id, **GREEDY)
    items = [{"role": "user", "content": "你好"}, *first.output, {"role": "user", "content": "接着说"}]
    assert client.responses.create(model="base", input=items, **GREEDY).output_text == second.output_text
    assert second.usage.input_tokens > first.usage.input_tokens and second.previous_response_id == first.id
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)
    unkept = client.responses.create(model="base", input="你好", store=False, **GREEDY)
    for id in (first.id, unkept.id, "resp_x"):
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="base", input="接着说", previous_response_id=id, **GREEDY)


def test_a_schema_and_a_forced_call_are_held_to(client):
    schema = {
        "type": "object", "properties": {"rate": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["rate"],
        "additionalProperties": False,
    }  # fmt: skip
    text = {"format": {"type": "json_schema", "name": "a", "schema": schema}}
    made = client.responses.create(model="base", input="利率", text=text, temperature=0, max_output_tokens=60)
    assert set(json.loads(made.output_text)) == {"rate"}
    tools = [{"type": "function", "name": "calc", "parameters": schema, "strict": True}]
    forced = {"tools": tools, "tool_choice": {"type": "function", "name": "calc"}, "max_output_tokens": 90}
    made = client.responses.create(model="base", input="算", **forced)
    assert [item.type for item in made.output] == ["function_call"] and made.output[0].name == "calc"
    assert set(json.loads(made.output[0].arguments)) == {"rate"}


def test_thoughts_and_calls_are_items_of_their_own(talker):
    made = talker.responses.create(model="m", input="想")
    assert [item.type for item in made.output] == ["reasoning", "message"] and made.output_text == "答"
    kinds = [event.type for event in talker.responses.create(model="m", input="想", stream=True)]
    assert kinds.index("response.reasoning_text.done") < kinds.index("response.output_text.delta")
    tools = [{"type": "function", "name": "calc", "parameters": {"type": "object"}}]
    events = list(talker.responses.create(model="m", input="工具", tools=tools, stream=True))
    (done,) = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert done.arguments == '{"x": 1}' and events[-1].response.output[0].call_id == "c1"
    answered = [
        {"role": "user", "content": "工具"}, *events[-1].response.output,
        {"type": "function_call_output", "call_id": "c1", "output": "1"}, {"role": "user", "content": "字 好"},
    ]  # fmt: skip
    assert talker.responses.create(model="m", input=answered, tools=tools).output_text == "好"


@pytest.mark.parametrize("more", [
    {"input": []}, {"input": 7}, {"input": [{"type": "item_reference", "id": "x"}]}, {"tools": [{"type": "x"}]},
    {"include": ["reasoning.encrypted_content"]}, {"reasoning": {"effort": "low"}}, {"background": True},
    {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]}, {"instructions": 7},
    {"text": {"format": 7}}, {"text": 7}, {"store": "yes"}, {"temprature": 1}, {"max_output_tokens": -1},
    {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}]},
    {"input": [{"type": "function_call", "name": 7}]}, {"input": [{"role": [], "content": None}]},
])  # fmt: skip
def test_what_is_wrong_or_not_offered_is_told(server, more):
    response = server.http.post("/v1/responses", json={"model": "base", "input": "好", "max_output_tokens": 1, **more})
    assert response.status_code == 400 and response.json()["error"]["message"], response.text


def test_what_is_held_is_bounded_and_each_callers_own(monkeypatch):
    monkeypatch.setattr(responses, "MOST_HELD", 3)
    held = Responses()
    for number in range(5):
        held.put("甲", {"id": str(number)}, [{"content": "x" * 20}])
    assert [id for _, id in held._held] == ["2", "3", "4"]
    with pytest.raises(Problem):
        held.get("乙", "4")
    monkeypatch.setattr(responses, "MOST_TEXT", 60)
    held.put("甲", {"id": "9"}, [])
    assert held._size <= 60 and held.get("甲", "9").turns == []
    held.drop("甲", "9")
    assert held._size == sum(kept.size for kept in held._held.values())
