"""What must not happen: a row held for nobody, a request that harms another, a 500 for a body that is wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from running_server import until
from scripted_engine import scripted_server


@pytest.fixture(scope="module")
def scripted():
    with scripted_server(max_queue=4) as served:
        yield served


def test_thoughts_tools_and_whole_characters_come_through(scripted):
    client = openai.OpenAI(base_url=f"{scripted.url}/v1", api_key="x", http_client=httpx.Client(trust_env=False))

    def ask(text, **more):
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)

    assert ask("想").choices[0].message.reasoning_content == "想一想"
    deltas = [chunk.choices[0].delta for chunk in ask("想", stream=True)]
    assert [d.reasoning_content for d in deltas if hasattr(d, "reasoning_content")] == ["想一想"]
    tools = [{"type": "function", "function": {"name": "calc", "parameters": {"type": "object"}}}]
    assert ask("工具", tools=tools).choices[0].message.tool_calls[0].function.arguments == '{"x": 1}'
    chunks = [chunk.choices[0] for chunk in ask("工具", tools=tools, stream=True)]
    assert [c.delta.tool_calls[0].index for c in chunks if c.delta.tool_calls] == [0]
    assert chunks[-1].finish_reason == "tool_calls"
    text = "债券👩‍👩‍👧‍👦涨了📈，𠮷野家 ñ"
    said = [c.choices[0].delta.content or "" for c in ask(f"字 {text}", stream=True)]
    assert "".join(said) == text and not any("\ufffd" in piece for piece in said)


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_goes_frees_the_row_within_a_second(scripted, stream):
    body = json.dumps({"messages": [{"role": "user", "content": "慢"}], "stream": stream}).encode()
    host, port = scripted.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        until(lambda: scripted.engine.running == 1)
        if stream:
            assert b"200" in line.recv(100)
    gone = time.monotonic()
    until(lambda: scripted.engine.running == 0)
    assert time.monotonic() - gone < 1
    until(lambda: scripted.lines[-1]["status"] in (200, 499))
    assert scripted.metric('cornucopia_waiting{model="m"}') == 0


def test_a_full_queue_is_told_and_empties(scripted):
    def stream():
        body = {"messages": [{"role": "user", "content": "慢"}], "stream": True}
        with scripted.http.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()
            next(lines)
            full.wait(10)

    full = threading.Event()
    threads = [threading.Thread(target=stream) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: scripted.engine.running == 4)
    refused = scripted.chat("字 x")
    assert refused.status_code == 429 and refused.json()["error"]["code"] == "queue_full"
    assert refused.headers["retry-after"]
    full.set()
    for thread in threads:
        thread.join()
    until(lambda: scripted.engine.running == 0)
    assert scripted.chat("字 x").json()["choices"][0]["message"]["content"] == "x"


def test_an_answer_that_takes_too_long_is_stopped():
    with scripted_server(timeout=1) as hasty:
        response = hasty.chat("慢")
        assert response.status_code == 504 and "1 秒" in response.json()["error"]["message"]
        text = hasty.chat("慢", stream=True).text
        last = json.loads(text.strip().splitlines()[-1].removeprefix("data: "))
        assert last["error"]["code"] == "timeout" and "[DONE]" not in text
        until(lambda: hasty.engine.running == 0)


def test_memory_that_runs_out_in_one_answer_harms_no_other(scripted):
    results = {}

    def ask(text):
        results[text] = scripted.chat(text)

    threads = [threading.Thread(target=ask, args=(text,)) for text in ("坏", "字 好一", "字 好二")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results["坏"].status_code == 500 and results["坏"].json()["error"]["message"]
    assert results["字 好一"].status_code == results["字 好二"].status_code == 200
    broken = scripted.chat("坏", stream=True)  # its first piece was there: the stream ends with the error
    assert '"error"' in broken.text and "[DONE]" not in broken.text


def test_a_reader_who_is_slow_holds_up_nobody_and_gets_everything(scripted):
    said = "长" * 3000
    body = {"messages": [{"role": "user", "content": f"字 {said}"}], "stream": True}
    with scripted.http.stream("POST", "/v1/chat/completions", json=body) as slow:
        lines = slow.iter_lines()
        next(lines)
        assert scripted.chat("字 快").status_code == 200
        until(lambda: scripted.engine.running == 0)
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events) == said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=9) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", "robot", 7, None]), "content": VALUES},
    optional={
        "tool_calls": VALUES,
        "name": VALUES,
        "tool_call_id": VALUES,
        "reasoning_content": VALUES,
        "weight": VALUES,
    },
)
NAMES = [
    "messages",
    "prompt",
    "input",
    "history",
    "uid",
    "n",
    "stream",
    "stop",
    "seed",
    "temperature",
    "top_p",
    "max_tokens",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "response_format",
    "stream_options",
    "echo",
    "best_of",
    "logit_bias",
    "user",
    "encoding_format",
    "max_length",
    "model",
    "max_completion_tokens",
    "top_k",
]
BODY = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6) | st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, max_size=3) | VALUES, "max_tokens": st.just(1)},
    optional=dict.fromkeys(set(NAMES) - {"messages", "max_tokens"}, VALUES),
)
EXAMPLES = int(os.environ.get("CORNUCOPIA_EXAMPLES", 250))  # 10000 before a release, see docs/serve.md
PATHS = ["/v1/responses", "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/"]


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=st.sampled_from(PATHS), body=BODY)
def test_no_body_makes_a_fault_of_ours(server, path, body):
    data = json.dumps({"model": "base", "max_tokens": 1, "max_length": 1, **body}).encode()
    response = server.http.post(path, content=data)
    assert response.status_code in (200, 400, 404), (response.status_code, data, response.text)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=60)
    | st.sampled_from([b"[" * 5000, b'{"a":' * 3000, b"1" * 9000, b'{"n": NaN}', b"\xff\xfe{}"])
)
def test_no_bytes_do_either(server, data):
    assert server.http.post("/v1/chat/completions", content=data).status_code == 400


def test_a_log_that_cannot_be_written_costs_no_answer():
    def full(line):
        raise OSError(28, "No space left on device")

    with scripted_server(log=full) as served:
        for stream in (False, True):
            assert served.chat("字 好", stream=stream).status_code == 200
        assert served.metric("cornucopia_log_lost_total") >= 2


def test_killed_in_mid_stream_it_starts_again_and_stops_when_told_after_its_answers(tiny, tmp_path):
    command = [sys.executable, "-m", "cornucopia", "serve", "--model", f"m={tiny}", "--state", str(tmp_path), "--port"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    body = {"messages": [{"role": "user", "content": "说"}], "stream": True, "max_tokens": 300, "temperature": 0}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen([*command, str(port)], stderr=subprocess.PIPE, text=True, env={**os.environ})
        assert any("地址" in line for line in process.stderr)
        keep = partial(httpx.request, url=f"http://127.0.0.1:{port}/page/api/talks/talk0001", trust_env=False)
        if number == signal.SIGKILL:
            half = {"id": "bbbbbbbb", "parent": "aaaaaaaa", "role": "assistant", "content": "写了一半"}
            keep("POST", json={"messages": [{"id": "aaaaaaaa", "role": "user", "content": "说"}, half]})
        else:  # the page's history has what was kept before the kill
            assert [message["content"] for message in keep("GET").json()["messages"]] == ["说", "写了一半"]
        with httpx.stream("POST", url, json=body, timeout=120, trust_env=False) as response:
            text = response.iter_text()
            got = next(text)
            process.send_signal(number)
            if number == signal.SIGKILL:
                with pytest.raises(httpx.HTTPError):
                    list(text)
            else:
                assert "[DONE]" in "".join([got, *text])
        process.communicate(timeout=60)
