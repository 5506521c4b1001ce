"""Many clients at once on `cornucopia serve`: time to first piece, whole time, errors, and what the server costs.

    python benchmarks/serving/clients.py --model nano --clients 200 --tokens 64
    python benchmarks/serving/clients.py --clients 64 --rounds 500     # hours of traffic: memory over time is printed

Each client asks one Chinese question after another over its own connection, streamed, greedy. The engine's own rate is
measured first, in this process, by the same questions through `Engine.live()`: the server's rate beside it is what
HTTP, JSON and the hand-over between threads cost. The clients need cores too, and so may other programs:
the processor time of the server's process beside that of the engine alone is what holds on a busy machine. Prints one
JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

import httpx
import psutil

WATCH = 15.0  # seconds
QUESTIONS = [
    f"请说明第{n}种情形下，{what}应当怎样计算？"
    for n in range(1, 17)
    for what in ("等额本息", "基金申购费", "个税", "票息")
]


def engine_rate(model: str, template: str | None, requests: int, tokens: int) -> tuple[float, float]:
    """Tokens a second of the engine alone, and processor seconds a token, by as many requests as the server gets."""
    from cornucopia.inference.open_engine import open_engine
    from cornucopia.inference.request import Request, Sampling
    from cornucopia.inference.spec import EngineSpec
    from cornucopia.records.schema import Message, Record

    engine = open_engine(EngineSpec(base=model, template=template))
    live, sampling = engine.live(), Sampling(max_new_tokens=tokens, temperature=0)

    def run(count: int) -> tuple[float, float]:
        begun, used, written = time.perf_counter(), time.process_time(), 0
        for number in range(count):
            record = Record((Message("user", QUESTIONS[number % len(QUESTIONS)]),))
            live.submit(Request(str(number), record), sampling)
        while live.busy:
            written += sum(event.reply.completion_tokens for event in live.step() if event.reply)
        return written / (time.perf_counter() - begun), (time.process_time() - used) / written

    run(8)
    return run(requests)


async def one_client(
    http: httpx.AsyncClient, number: int, rounds: int, tokens: int, seen: list[dict[str, Any]]
) -> None:
    """Ask `rounds` questions in turn; what was met goes to `seen`."""
    for turn in range(rounds):
        question = QUESTIONS[(number * rounds + turn) % len(QUESTIONS)]
        body = {
            "messages": [{"role": "user", "content": question}], "max_tokens": tokens, "temperature": 0,
            "stream": True, "stream_options": {"include_usage": True},
        }  # fmt: skip
        begun, first, used, whole = time.perf_counter(), None, 0, False
        try:
            async with http.stream("POST", "/v1/chat/completions", json=body) as response:
                async for line in response.aiter_lines():
                    if '"content": "' in line and '"content": ""' not in line and first is None:
                        first = time.perf_counter() - begun
                    if '"usage": {' in line:
                        used = json.loads(line[6:])["usage"]["completion_tokens"]
                    whole = whole or line == "data: [DONE]"
            seen.append(
                {
                    "ok": whole and response.status_code == 200,
                    "first": first,
                    "all": time.perf_counter() - begun,
                    "used": used,
                }
            )
        except httpx.HTTPError as error:
            seen.append({"ok": False, "error": repr(error)})


async def watch(pid: int, seen: list[dict[str, Any]]) -> None:
    """Print the server's memory, open files and threads every so often: they must not grow with the traffic."""
    process, begun = psutil.Process(pid), time.perf_counter()
    while True:
        memory = process.memory_info().rss / 1e6
        told = f"{memory:7.0f} MB  {process.num_fds():4d} files  {process.num_threads():3d} threads"
        print(f"{time.perf_counter() - begun:6.0f} s  {len(seen):6d} answers  {told}", file=sys.stderr, flush=True)
        await asyncio.sleep(WATCH)


async def crowd(
    url: str, pid: int, clients: int, rounds: int, tokens: int
) -> tuple[list[dict[str, Any]], float, float]:
    """All clients at once; what they met, the seconds it took, and the server's processor seconds."""
    seen: list[dict[str, Any]] = []
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits, trust_env=False) as http:
        await one_client(http, 0, 1, 4, [])  # the model is loaded, the first batch compiled
        begun, used = time.perf_counter(), processor_seconds(pid)
        watching = asyncio.create_task(watch(pid, seen))
        await asyncio.gather(*(one_client(http, number, rounds, tokens, seen) for number in range(clients)))
        watching.cancel()
        return seen, time.perf_counter() - begun, processor_seconds(pid) - used


def processor_seconds(pid: int) -> float:
    """User and system time of a process."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 in seconds."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    return {name: round(cuts[at], 3) for name, at in (("p50", 49), ("p95", 94), ("p99", 98))}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="nano")
    parser.add_argument("--template", default="nano")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    alone, cost_alone = engine_rate(options.model, options.template, options.clients, options.tokens)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    command = [sys.executable, "-m", "cornucopia", "serve", "--model", options.model, "--template", options.template]
    server = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert server.stderr is not None and any("地址" in line for line in server.stderr)
    drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)  # a full pipe would stop it
    try:
        seen, seconds, used = asyncio.run(
            crowd(f"http://127.0.0.1:{port}", server.pid, options.clients, options.rounds, options.tokens)
        )
        memory = psutil.Process(server.pid).memory_info().rss
    finally:
        server.terminate()
        server.wait(60)
        drain.terminate()
    good = [one for one in seen if one["ok"]]
    written = sum(one["used"] for one in good)
    rate, cost = written / seconds, used / max(1, written)
    report = {
        "clients": options.clients, "requests": len(seen), "errors": len(seen) - len(good),
        "seconds_to_first": quantiles([one["first"] for one in good if one["first"]]),
        "seconds_to_end": quantiles([one["all"] for one in good]),
        "tokens_a_second": round(rate, 1), "engine_alone": round(alone, 1),
        "processor_ms_a_token": round(cost * 1000, 2),
        "engine_alone_ms_a_token": round(cost_alone * 1000, 2), "overhead": round(cost / cost_alone - 1, 3),
        "server_memory_mb": round(memory / 1e6),
    }  # fmt: skip
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
