import base64
import json
import math
import struct

import pytest

from cornucopia.inference.engine import TokenSpan
from cornucopia.serving.completions import _likely, _scored
from cornucopia.tokens.render import encode_text
from tiny_models import make_tokenizer, open_engines


def test_chatglms_caller_gets_just_its_four_keys_and_carries_the_history(server):
    first = server.post(
        "/", {"prompt": "你好", "history": [], "max_length": 200, "top_p": 0.7, "temperature": 0.95}
    ).json()
    assert set(first) == {"response", "history", "status", "time"} and first["status"] == 200
    assert first["history"] == [["你好", first["response"]]]
    again = server.post("/", {"prompt": "再说", "history": first["history"], "max_length": 200}).json()
    assert len(again["history"]) == 2 and again["history"][0] == first["history"][0]


def test_the_length_that_chatglm_gives_counts_the_prompt(server):
    server.post("/", {"prompt": "你好", "history": [], "max_length": 1})
    assert server.lines[-1]["completion_tokens"] == 1


def test_mosss_caller_gets_a_uid_under_which_the_talk_goes_on(server):
    first = server.post("/", {"prompt": "你是谁", "max_length": 120}).json()
    again = server.post("/", {"prompt": "再说", "uid": first["uid"], "max_length": 120}).json()
    assert again["uid"] == first["uid"] and len(again["history"]) == 2
    stranger = server.post("/", {"prompt": "再说", "uid": "someone-else", "max_length": 120}).json()
    assert stranger["uid"] not in (first["uid"], "someone-else") and len(stranger["history"]) == 1


@pytest.mark.parametrize("body", [
    {}, {"prompt": ""}, {"prompt": 7}, {"prompt": "x", "history": "y"}, {"prompt": "x", "history": [["a"]]},
    {"prompt": "x", "history": [], "max_length": -1}, {"prompt": "x", "history": [], "top_p": 7},
])  # fmt: skip
def test_what_is_wrong_in_an_older_body_is_told(server, body):
    assert server.post("/", body).status_code == 400


def test_given_tokens_get_the_log_probabilities_that_the_engine_gives(server, tiny):
    """As lm_eval's local-completions asks: echo, one token, the likeliest beside each."""
    ids = encode_text("利率下降，债券价格上升", make_tokenizer(), complete=False)
    body = {"model": "base", "prompt": [ids, ids[:9]], "max_tokens": 0, "echo": True, "logprobs": 1, "temperature": 0}
    choices = server.post("/v1/completions", body).json()["choices"]
    (score,) = open_engines(tiny, [None])[0].score([TokenSpan(ids, 1, len(ids))])
    told = choices[0]["logprobs"]
    assert len(told["tokens"]) == len(ids) and told["token_logprobs"][0] is None and told["top_logprobs"][0] is None
    assert math.isclose(-sum(told["token_logprobs"][1:]), score.nats, rel_tol=1e-4)
    greedy = [
        max(top.values()) == own for top, own in zip(told["top_logprobs"][1:], told["token_logprobs"][1:], strict=True)
    ]
    assert tuple(greedy) == score.greedy
    assert choices[0]["text"] == "利率下降，债券价格上升" and len(choices[1]["logprobs"]["tokens"]) == 9


def test_texts_become_vectors_of_length_one(client):
    got = client.embeddings.create(model="base", input=["债券", "基金的费用", "债券"], encoding_format="float")
    vectors = [item.embedding for item in got.data]
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-5) and vectors[0] != pytest.approx(vectors[1], abs=1e-3)
    assert all(math.isclose(sum(x * x for x in vector), 1, rel_tol=1e-4) for vector in vectors)
    assert got.usage.prompt_tokens > 3
    assert client.embeddings.create(model="base", input="债券").data[0].embedding == pytest.approx(vectors[0], abs=1e-4)


def test_a_base64_vector_is_the_same(server):
    body = {"model": "base", "input": "债券", "encoding_format": "base64"}
    coded = server.post("/v1/embeddings", body).json()["data"][0]["embedding"]
    plain = server.post("/v1/embeddings", {**body, "encoding_format": "float"}).json()["data"][0]["embedding"]
    assert struct.unpack(f"<{len(plain)}f", base64.b64decode(coded)) == pytest.approx(plain, abs=1e-6)


def test_a_model_that_only_writes_gives_no_vectors(server):
    response = server.post("/v1/embeddings", {"model": "tuned", "input": "x"})
    assert response.status_code == 400 and "不是向量模型" in response.json()["error"]["message"]


def test_health_models_metrics_and_what_is_not_there(server):
    assert server.http.get("/health").json()["status"] == "ok"
    before = server.metric('cornucopia_tokens_total{kind="completion",model="tuned"}')
    used = server.chat(model="tuned").json()["usage"]["completion_tokens"]
    assert server.metric('cornucopia_tokens_total{kind="completion",model="tuned"}') == before + used
    assert server.metric('cornucopia_loaded{model="tuned"}') == 1 and server.metric("cornucopia_memory_bytes") > 1e6
    for path, method, status in (("/v1/nope", "GET", 404), ("/v1/models", "POST", 405), ("/docs", "GET", 404)):
        response = server.http.request(method, path)
        assert response.status_code == status and response.json()["error"]["message"]
    assert not any("nope" in line for line in server.http.get("/metrics").text.splitlines())


def test_a_text_is_gone_on_with_and_its_tokens_are_told(client):
    more = {"model": "base", "max_tokens": 6, "temperature": 0}
    whole = client.completions.create(prompt=["利率下降", "A bond"], logprobs=2, **more)
    assert [choice.index for choice in whole.choices] == [0, 1] and whole.usage.completion_tokens == 12
    told = whole.choices[0].logprobs
    assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs) == 6
    assert all(
        own == pytest.approx(max(top.values())) for own, top in zip(told.token_logprobs, told.top_logprobs, strict=True)
    )
    ids = encode_text("利率下降", make_tokenizer(), complete=False)
    assert client.completions.create(prompt=ids, **more).choices[0].text == whole.choices[0].text
    chunks = list(client.completions.create(prompt="利率下降", stream=True, **more))
    assert "".join(chunk.choices[0].text for chunk in chunks).strip() == whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_conversations_log_probabilities_are_told(client):
    asked = {"model": "base", "messages": [{"role": "user", "content": "你好"}], "max_tokens": 5, "temperature": 0}
    told = client.chat.completions.create(logprobs=True, top_logprobs=3, **asked).choices[0].logprobs.content
    assert len(told) == 5 and all(len(one.top_logprobs) == 3 for one in told)
    assert all(one.logprob == pytest.approx(one.top_logprobs[0].logprob) and one.logprob <= 0 for one in told)
    chunks = client.chat.completions.create(logprobs=True, stream=True, **asked)
    streamed = [one for c in chunks if c.choices[0].logprobs for one in c.choices[0].logprobs.content]
    assert [one.logprob for one in streamed] == pytest.approx([one.logprob for one in told], abs=1e-4)


def test_what_is_given_back_of_a_text_is_that_text_without_the_mark_before_it():
    class Tokenizer:
        bos_token_id = 1

        def decode(self, ids):
            return "".join({1: "<s>", 2: "央行", 3: "降息"}[id] for id in ids)

    class Stub:
        tokenizer = Tokenizer()

    (text, tokens), (bare, _) = _scored(Stub(), [[1, 2, 3], [2, 3]], None)
    told = _likely(tokens)
    assert text == bare == "央行降息" and told["text_offset"] == [0, 0, 2] and told["tokens"][1:] == ["央行", "降息"]


def test_one_who_goes_leaves_the_others_answer_whole(server):
    body = {"messages": [{"role": "user", "content": "说说债券"}], "max_tokens": 60, "temperature": 0, "stream": True}
    alone = server.post("/v1/chat/completions", body).text
    with (
        server.http.stream("POST", "/v1/chat/completions", json=body) as stays,
        server.http.stream("POST", "/v1/chat/completions", json={**body, "model": "tuned"}) as goes,
    ):
        lines = stays.iter_lines()
        next(goes.iter_lines())
        goes.close()
        assert said("\n".join(lines)) == said(alone)


def said(stream):
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
