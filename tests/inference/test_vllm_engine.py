"""vLLM as an engine: what is started, what is asked, and that it ends with us. The real one is asked where it is."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.inference.engine import Request, Sampling, TokenSpan
from cornucopia.inference.open_engine import kind_of, open_engine
from cornucopia.inference.spec import EngineSpec
from cornucopia.inference.text import Thought, decode
from cornucopia.models.meta import ModelMeta, write_meta
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.render import encode_prompt
from tiny_models import make_adapter, make_model, open_engines

FAKE = Path(__file__).parent.parent / "fake_vllm.py"
QUESTION = Record(messages=(Message("user", "定投多久看一次？"),))


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The stand-in is the vllm command; what it was asked is written here."""
    command = tmp_path / "vllm"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("CORNUCOPIA_VLLM", str(command))
    monkeypatch.setenv("FAKE_VLLM_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def spec(base, **settings):
    return EngineSpec.build({"base": str(base), "engine": "vllm", "dtype": "float32", "template": "alpaca", **settings})


def asked(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def gone(pid):
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_it_is_asked_with_our_tokens_and_ends_with_the_engine(tiny, log):
    engine = open_engine(spec(tiny, engine_args="--tensor-parallel-size 2 --gpu-memory-utilization '0.5'"))
    questions = [Request(str(n), Record(messages=(Message("user", f"问{n}"),))) for n in range(9)]
    replies = {reply.id: reply for reply in engine.generate(questions, Sampling(max_new_tokens=5, stop=["停"]))}
    for request in questions:
        ids = encode_prompt(request.record, engine.template, engine.tokenizer)
        said = decode(engine.tokenizer, ids[-1:-6:-1]).strip().rstrip("\ufffd")
        assert replies[request.id].answer == said and replies[request.id].prompt_tokens == len(ids)
        assert replies[request.id].completion_tokens == 6 and replies[request.id].finish_reason == "stop"
    first = asked(log)[0]
    assert first["argv"][:2] == ["serve", str(tiny)] and "--enable-lora" not in first["argv"]
    assert first["argv"][-6:-2] == ["--tensor-parallel-size", "2", "--gpu-memory-utilization", "0.5"]
    assert first["argv"][first["argv"].index("--host") + 1] == "127.0.0.1"
    body = first["body"]
    assert body["temperature"] == 0 and body["stop"][0] == "停" and body["stop_token_ids"] == [2]
    assert engine.limits().context == 200 and engine.prompt_limit(Sampling(max_new_tokens=90)) == 150
    told = json.dumps(engine.describe(Sampling()))
    assert '"engine": "vllm"' in told and "tensor-parallel" in told and str(tiny.parent) not in told
    pid = int(Path(f"{log}.pid").read_text())
    engine.close()
    assert gone(pid)


def test_adapters_of_one_base_stand_on_one_server(tiny, adapter, log):
    specs = [spec(tiny), spec(tiny, adapter=str(adapter))]
    kind = kind_of(specs[0])
    assert kind.together(specs[0]) == kind.together(specs[1]) and kind.identity(specs[0]) != kind.identity(specs[1])
    base, tuned = kind.open(specs)
    (plain,) = base.generate([Request("a", QUESTION)], Sampling(max_new_tokens=6))
    (other,) = tuned.generate([Request("a", QUESTION)], Sampling(max_new_tokens=6))
    assert (plain.completion_tokens, other.completion_tokens) == (7, 3) and base.server is tuned.server
    argv = asked(log)[0]["argv"]
    assert argv[argv.index("--max-lora-rank") + 1] == "8"
    folder = Path(argv[argv.index("--lora-modules") + 1].removeprefix("adapter1="))
    assert {
        value.shape[0] for name, value in load_file(folder / "adapter_model.safetensors").items() if "_A" in name
    } == {4}
    assert json.loads((folder / "adapter_config.json").read_text())["lora_alpha"] == 4
    base.close()


def test_it_streams_thoughts_apart_and_scores_given_tokens(tiny, log):
    engine = open_engine(spec(tiny))
    stream, pieces = engine.stream(QUESTION, Sampling(max_new_tokens=5)), []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            reply = end.value
            break
    assert "".join(p for p in pieces if isinstance(p, Thought)) == "想" == reply.reasoning
    assert "".join(p for p in pieces if not isinstance(p, Thought)) == "好的" == reply.answer
    assert reply.finish_reason == "length" and reply.completion_tokens == 24
    scores = engine.score([TokenSpan([1, 5, 6, 7], 1, 3), TokenSpan((), 0, 0)])
    assert scores[0].nats == 3 and scores[0].greedy == (True, False) and scores[1].tokens == 0
    engine.close()


def test_what_does_not_start_says_why(tiny, log, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="Insufficient memory"):
        open_engine(spec(tiny, engine_args="--refuse"))
    with pytest.raises(ConfigError, match="--quantization"):
        open_engine(spec(tiny, bits=8))
    engine = open_engine(spec(tiny))
    with pytest.raises(ConfigError, match="束搜索"):
        engine.describe(Sampling(num_beams=2))
    engine.close()
    monkeypatch.setenv("CORNUCOPIA_VLLM", str(tmp_path / "absent"))
    with pytest.raises(ModelError, match="pip install vllm"):
        open_engine(spec(tiny))


def test_a_server_that_dies_is_told_in_every_reply(tiny, log, monkeypatch):
    monkeypatch.setenv("FAKE_VLLM_DIES", "1")
    engine = open_engine(spec(tiny))
    replies = list(engine.generate([Request(str(n), QUESTION) for n in range(3)], Sampling()))
    assert {reply.finish_reason for reply in replies} == {"error"}
    assert any("engine core has died" in reply.error for reply in replies)
    engine.close()


def test_it_ends_with_the_last_engine_that_is_dropped(tiny, adapter, log):
    base, tuned = kind_of(spec(tiny)).open([spec(tiny), spec(tiny, adapter=str(adapter))])
    pid = int(Path(f"{log}.pid").read_text())
    del base
    gc.collect()
    assert [reply.finish_reason for reply in tuned.generate([Request("a", QUESTION)], Sampling())] == ["stop"]
    del tuned
    gc.collect()
    assert gone(pid)


def test_it_ends_when_we_are_killed_outright(tiny, log):
    code = f"""
from cornucopia.inference.open_engine import open_engine
from cornucopia.inference.spec import EngineSpec
engine = open_engine(EngineSpec.build({{"base": {str(tiny)!r}, "engine": "vllm", "template": "alpaca"}}))
print("up", flush=True)
input()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    pid = int(Path(f"{log}.pid").read_text())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert gone(pid)


needs_vllm = pytest.mark.skipif(
    "CORNUCOPIA_VLLM" not in os.environ, reason="no vLLM: name its command in CORNUCOPIA_VLLM"
)


@needs_vllm
def test_the_real_one_answers_as_our_engine_does(tmp_path, monkeypatch):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    base = make_model(tmp_path / "model", width=256)  # heads of 64: vLLM has no narrower ones on a CPU
    adapter = make_adapter(base, tmp_path / "lora")
    texts = ("定投多久看一次？", "费率", "什么是国债逆回购")
    requests = [Request(text, Record(messages=(Message("user", text),))) for text in texts]
    sampling = Sampling(max_new_tokens=16)
    specs = [spec(base, engine_args="--enforce-eager"), spec(base, adapter=str(adapter))]
    served = kind_of(specs[0]).open(specs)
    ours = open_engines(base, [None, adapter], dtype="float32", template="alpaca")
    for one, other in zip(served, ours, strict=True):
        told = [{reply.id: reply.answer for reply in engine.generate(requests, sampling)} for engine in (one, other)]
        assert told[0] == told[1]
    span = TokenSpan([1, 70, 80, 90, 100], 1, 5)
    assert served[0].score([span])[0].nats == pytest.approx(ours[0].score([span])[0].nats, abs=1e-3)
    served[0].close()


@needs_vllm
def test_the_real_one_opens_what_we_export_and_chats_as_we_do(tmp_path, monkeypatch):
    """Its own chat endpoint too: the exported chat template and generation settings are all it has."""
    from cornucopia.export.run import ExportOptions, export

    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    base = make_model(tmp_path / "model", width=256)
    adapter = make_adapter(base, tmp_path / "lora")
    write_meta(adapter, ModelMeta(template="alpaca"))
    merged = tmp_path / "merged"
    export(ExportOptions(base=str(base), adapter=[str(adapter)], out=str(merged)))
    (ours,) = open_engines(base, [adapter], dtype="float32")
    requests = [Request(text, Record(messages=(Message("user", text),))) for text in ("定投多久看一次？", "费率")]
    expected = {reply.id: reply.answer for reply in ours.generate(requests, Sampling(max_new_tokens=16))}
    spec_ = {"base": str(merged), "engine": "vllm", "dtype": "float32", "engine_args": "--enforce-eager"}
    served = open_engine(EngineSpec.build(spec_))
    assert {r.id: r.answer for r in served.generate(requests, Sampling(max_new_tokens=16))} == expected
    for request in requests:
        messages = [{"role": "user", "content": request.id}]
        body = {"model": "base", "messages": messages, "max_tokens": 16, "temperature": 0, "return_token_ids": True}
        body["stop"] = list(served.template.stop_strings)
        (choice,) = served.server.client.post("/v1/chat/completions", json=body).json()["choices"]
        tokens = [token for token in choice["token_ids"] if token != 2]
        said = decode(served.tokenizer, tokens).strip().rstrip("\ufffd").strip()
        assert said == expected[request.id]
    served.close()
