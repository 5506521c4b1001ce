"""Programs of others work unchanged: curl, lm-evaluation-harness, LangChain, and what the peers' examples ask."""

import json
import shutil
import subprocess

import httpx
import openai
import pytest

from tiny_models import make_tokenizer, open_engines


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/"])
def test_curl_needs_no_header(server, path):
    body = (
        {"messages": [{"role": "user", "content": "你好"}], "max_tokens": 4}
        if path != "/"
        else {"prompt": "你好", "history": []}
    )
    command = ["curl", "-sS", "--noproxy", "*", "-X", "POST", server.url + path, "-d", json.dumps(body)]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert answer.get("choices") or answer["status"] == 200


def test_curl_shows_a_stream_as_it_comes(server):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    body = {"messages": [{"role": "user", "content": "你好"}], "max_tokens": 6, "stream": True}
    command = ["curl", "-sSN", "--noproxy", "*", f"{server.url}/v1/chat/completions", "-d", json.dumps(body)]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split("\n\n")
    assert lines[-2] == "data: [DONE]" and all(line.startswith("data: ") for line in lines[:-1])


@pytest.fixture
def harness(monkeypatch):
    pytest.importorskip("lm_eval")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    from lm_eval.models import openai_completions

    return openai_completions


def instance(kind, *arguments):
    from lm_eval.api.instance import Instance

    return Instance(kind, {}, arguments, 0)


def test_lm_eval_scores_as_the_engine_does(server, tiny, harness):
    model = harness.LocalCompletionsAPI(
        base_url=f"{server.url}/v1/completions", model="base", tokenizer=str(tiny), batch_size=2, num_concurrent=1
    )
    if not open_engines(tiny, [None])[0].limits().tokens:
        pytest.skip("the engine does not go on from token ids")
    pairs = [("利率下降，债券", "上涨"), ("利率下降，债券", "下跌了"), ("A bond", " falls")]
    told = model.loglikelihood([instance("loglikelihood", *pair) for pair in pairs])
    from cornucopia.inference.engine import TokenSpan

    tokenizer = make_tokenizer()
    spans = []
    for context, answer in pairs:
        head, whole = tokenizer(context).input_ids, tokenizer(context + answer).input_ids
        spans.append(TokenSpan(whole, len(head), len(whole)))
    scores = open_engines(tiny, [None])[0].score(spans)
    for (nats, greedy), score in zip(told, scores, strict=True):
        assert -nats == pytest.approx(score.nats, rel=1e-3) and greedy == score.all_greedy


def test_lm_eval_writes_through_the_chat(server, harness):
    model = harness.LocalChatCompletion(
        base_url=f"{server.url}/v1/chat/completions", model="base", num_concurrent=1, max_gen_toks=6
    )
    asked = model.apply_chat_template([{"role": "user", "content": "你好"}])
    (answer,) = model.generate_until([instance("generate_until", asked, {"until": ["\n\n"], "max_gen_toks": 6})])
    assert isinstance(answer, str)


@pytest.fixture
def chain(server):
    langchain = pytest.importorskip("langchain_openai")
    return langchain.ChatOpenAI(
        base_url=f"{server.url}/v1", api_key="none", model="base", max_tokens=80, temperature=0,
        http_client=httpx.Client(trust_env=False), max_retries=0,
    )  # fmt: skip


def test_langchain_asks_streams_and_gets_structures(chain):
    whole = chain.invoke([("system", "简短"), ("human", "你好")])
    assert whole.content and whole.usage_metadata["output_tokens"] > 0
    pieces = list(chain.stream([("system", "简短"), ("human", "你好")]))
    assert "".join(piece.content for piece in pieces).strip() == whole.content
    from pydantic import BaseModel, Field

    class Rate(BaseModel):
        """A rate."""

        percent: int = Field(ge=0, le=99)

    assert chain.with_structured_output(Rate, method="json_schema").invoke("利率？").percent <= 99
    assert chain.with_structured_output(Rate, method="function_calling").invoke("利率？").percent <= 99


# The requests of the peers' own examples: openai-python's examples and README, FastChat's docs/openai_api.md,
# ChatGLM-6B's README, in their shapes and with words of ours.
EXAMPLES = {
    "openai demo": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Say this is a test"}]}),
    "openai demo stream": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "讲讲"}], "stream": True}),
    "openai README parts": ("/v1/chat/completions", {"messages": [
        {"role": "developer", "content": "Talk like a pirate."},
        {"role": "user", "content": [{"type": "text", "text": "How do I check an instance?"}]}]}),
    "openai parsing": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "solve 8x + 31 = 2"}],
        "max_tokens": 200, "response_format": {"type": "json_schema", "json_schema": {"name": "Math", "strict": True,
        "schema": {"type": "object", "additionalProperties": False, "required": ["answer"], "properties": {
        "answer": {"enum": ["a", "b"]}}}}}}),
    "openai parsing tools": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "look up orders"}],
        "max_tokens": 200, "tool_choice": "required", "parallel_tool_calls": True, "tools": [{"type": "function",
        "function": {"name": "Query", "strict": True, "parameters": {"type": "object", "required": ["table"],
        "additionalProperties": False, "properties": {"table": {"enum": ["orders", "customers"]}}}}}]}),
    "FastChat chat": ("/v1/chat/completions", {"model": "base", "messages": [{"role": "user", "content": "Hello!"}]}),
    "FastChat sampling": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.7, "top_p": 1.0, "n": 1, "max_tokens": 8, "stop": None, "user": "x", "presence_penalty": 0.0,
        "frequency_penalty": 0.0}),
    "FastChat embeddings": ("/v1/embeddings", {"model": "base", "input": "Hello world!"}),
    "ChatGLM curl": ("/", {"prompt": "你好", "history": []}),
    "ChatGLM knobs": ("/", {"prompt": "你好", "history": [["问", "答"]], "max_length": 120, "top_p": 0.7,
        "temperature": 0.95}),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_peers_examples_are_answered(server, name):
    path, body = EXAMPLES[name]
    limit = {} if path != "/v1/chat/completions" or "max_tokens" in body else {"max_tokens": 8}
    response = server.post(path, {**body, **limit})
    assert response.status_code == 200, response.text


def test_a_raw_stream_has_the_headers_that_proxies_need(server):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", http_client=httpx.Client(trust_env=False))
    with client.chat.completions.with_streaming_response.create(
        model="base", messages=[{"role": "user", "content": "你好"}], max_tokens=4, stream=True
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream") and response.headers["x-request-id"]
        assert "[DONE]" in "".join(response.iter_text())
