import base64
import json

import openai
import pytest
from jsonschema import validate

ASKED = [{"role": "user", "content": "什么是等额本息？"}]
GREEDY = {"temperature": 0, "max_tokens": 24}


def test_a_whole_answer_and_its_pieces_are_the_same(client):
    whole = client.chat.completions.create(model="base", messages=ASKED, **GREEDY)
    chunks = list(client.chat.completions.create(
        model="base", messages=ASKED, stream=True, stream_options={"include_usage": True}, **GREEDY))  # fmt: skip
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said.strip() == whole.choices[0].message.content != ""
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.usage.completion_tokens <= 24 and whole.model == "base" and whole.id != chunks[0].id


def test_usage_is_streamed_only_where_it_is_asked_for(client):
    chunks = list(client.chat.completions.create(model="base", messages=ASKED, stream=True, **GREEDY))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_an_adapter_is_a_model_of_its_own_beside_its_base(client):
    names = [model.id for model in client.models.list()]
    assert names == ["base", "tuned"] and client.models.retrieve("tuned").id == "tuned"
    base, tuned = (client.chat.completions.create(model=m, messages=ASKED, **GREEDY) for m in names)
    assert base.choices[0].message.content != tuned.choices[0].message.content


def test_a_seed_repeats_and_each_of_n_answers_has_its_own(client):
    hot = {"temperature": 1.2, "max_completion_tokens": 12}
    first, again = (client.chat.completions.create(model="base", messages=ASKED, n=3, seed=5, **hot) for _ in "12")
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in again.choices]
    assert len(set(texts)) == 3 and [choice.index for choice in first.choices] == [0, 1, 2]
    other = client.chat.completions.create(model="base", messages=ASKED, n=3, seed=6, **hot)
    assert other.choices[0].message.content == texts[1]  # the second of seed 5 is the first of seed 6
    streamed = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(model="base", messages=ASKED, n=3, seed=5, stream=True, **hot):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert [text.strip() for text in streamed.values()] == texts


def test_a_stop_text_ends_an_answer_and_is_not_in_it(client):
    whole = client.chat.completions.create(model="base", messages=ASKED, **GREEDY).choices[0].message.content
    stop = next(char for char in whole[3:] if char not in "\ufffd" and char.strip())
    cut = client.chat.completions.create(model="base", messages=ASKED, stop=[stop], **GREEDY).choices[0]
    assert cut.message.content == whole[: whole.index(stop)].strip().rstrip("\ufffd") and cut.finish_reason == "stop"


SCHEMA = {
    "type": "object", "properties": {"rate": {"type": "integer", "maximum": 99, "minimum": 0},
    "kind": {"enum": ["债券", "基金"]}}, "required": ["rate", "kind"], "additionalProperties": False,
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_json_of_the_schema_asked_for(client, stream):
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
    got = client.chat.completions.create(
        model="base", messages=ASKED, response_format=wanted, temperature=0, max_tokens=80, stream=stream
    )
    text = "".join(c.choices[0].delta.content or "" for c in got) if stream else got.choices[0].message.content
    validate(json.loads(text), SCHEMA)


def test_a_tool_that_must_be_called_is_called_with_arguments_of_its_schema(client):
    tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("one", "two")]
    choice = {"type": "function", "function": {"name": "two"}}
    got = client.chat.completions.create(
        model="base", messages=ASKED, tools=tools, tool_choice=choice, temperature=0, max_tokens=120
    ).choices[0]
    assert got.finish_reason == "tool_calls" and got.message.content in ("", None)
    (call,) = got.message.tool_calls
    assert call.function.name == "two" and call.id
    validate(json.loads(call.function.arguments), SCHEMA)
    chunks = client.chat.completions.create(
        model="base", messages=ASKED, tools=tools, tool_choice="required", temperature=0, max_tokens=120, stream=True
    )
    calls = [c.choices[0].delta.tool_calls for c in chunks if c.choices and c.choices[0].delta.tool_calls]
    validate(json.loads(calls[0][0].function.arguments), SCHEMA)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"model": "nope"}, "没有这个模型"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "说话人"),
        ({"messages": [{"role": "user", "content": ""}]}, "空"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "最后一轮"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_new_tokens"),
        ({"n": 99}, "n 应为"),
        ({"stream": "yes"}, "stream"),
        ({"frequency_penalty": 1.5}, "frequency_penalty"),
        ({"max_token": 5}, "max_tokens"),
        ({"top_logprobs": 3}, "logprobs"),
        ({"tools": [{"name": "x"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}}, "JSON Schema"),
        ({"messages": [{"role": "user", "content": "长" * 3000}]}, "太长"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_told_with_a_status_of_the_callers(server, more, said, stream):
    body = {"model": "base", "messages": ASKED, "max_tokens": 4, "stream": stream, **more}
    response = server.post("/v1/chat/completions", body)
    assert response.status_code == (404 if "model" in more else 400), response.text
    error = response.json()["error"]
    assert said in error["message"] and set(error) == {"message", "type", "param", "code"}


def test_the_client_raises_its_own_errors(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nope", messages=ASKED)
    with pytest.raises(openai.BadRequestError, match="太长"):
        client.chat.completions.create(model="base", messages=[{"role": "user", "content": "长" * 3000}])


PIXEL = "data:image/png;base64," + base64.b64encode(b"x").decode()


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/x.png", "../x.png", PIXEL])
def test_no_picture_is_fetched_or_opened(server, url):
    content = [{"type": "text", "text": "看"}, {"type": "image_url", "image_url": {"url": url}}]
    response = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": content}]})
    assert response.status_code == 400 and "图片" in response.json()["error"]["message"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../../tiny", "nano", "https://x#y", "基座+适配器", ""])
def test_a_model_is_only_looked_up_in_the_table(server, tiny, name):
    for model in (name, str(tiny)):
        response = server.chat(model=model)
        assert response.status_code == 404 and response.json()["error"]["code"] == "model_not_found"
    assert server.http.get(f"/v1/models/{name}").status_code in (200, 404)


def test_conversations_and_parts_are_read(client):
    messages = [
        {"role": "developer", "content": "简短"}, {"role": "user", "content": [{"type": "text", "text": "一"}]},
        {"role": "assistant", "content": "二", "refusal": None, "annotations": []}, {"role": "user", "content": "三"},
    ]  # fmt: skip
    got = client.chat.completions.create(model="base", messages=messages, user="u1", store=False, **GREEDY)
    alone = client.chat.completions.create(model="base", messages=messages[-1:], **GREEDY)
    assert got.usage.prompt_tokens > alone.usage.prompt_tokens
