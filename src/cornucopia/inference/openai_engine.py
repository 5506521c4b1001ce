"""The engine behind an OpenAI-compatible HTTP endpoint: ERNIE, Spark, Qwen, DeepSeek, Kimi, GLM, a local server.

Speaks POST /chat/completions through httpx. Knows nothing of files or contestants, and never writes the key anywhere.
"""

from __future__ import annotations

import json
import os
import queue
import random
import threading
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from cornucopia.core.errors import EndpointError
from cornucopia.inference.engine import FinishReason, Reply, Request, Sampling
from cornucopia.inference.providers import find_provider, parameters, redact
from cornucopia.inference.text import Thought, mark_thoughts
from cornucopia.records.schema import Record
from cornucopia.tokens.reasoning import split_reasoning
from cornucopia.tokens.template import spoken

FIRST_WAIT, LONGEST_WAIT, MOST_ASKED = 0.5, 60.0, 300.0  # seconds: back-off, and the longest Retry-After obeyed
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_HOPELESS = frozenset({401, 402, 403, 404})
_SPENT = ("insufficient_quota", "arrears", "余额不足", "欠费")  # a 429 or 402 that no waiting mends
_HINTS = {
    401: "检查密钥：环境变量 {key_env}", 402: "账户余额不足，先充值", 403: "这个密钥没有使用此模型的权限",
    404: "检查接口地址（常要以 /v1 结尾）和模型名", 429: "降低 requests_per_minute 或稍后再运行同一命令",
}  # fmt: skip


class Hopeless(EndpointError):
    """A refusal that the next question would meet in the same way: wrong key, no such model."""


class OpenAIEngine:
    """A model behind an endpoint; see `cornucopia.inference.engine.Engine`.

    Args:
        endpoint: base URL, without /chat/completions.
        model: the model's name there.
        key_env: environment variable of the key; by default the known service's own.
        requests_per_minute: at most so many requests start in a minute; 0 for no limit.
        max_retries: how often a failed request is tried again.
        timeout: seconds without a byte after which a request has failed.
        concurrency: requests under way at a time.

    Raises:
        EndpointError: when the service needs a key and there is none.
    """

    def __init__(
        self, endpoint: str, model: str, *, key_env: str | None = None, requests_per_minute: float = 0,
        max_retries: int = 5, timeout: float = 120.0, concurrency: int = 4,
    ) -> None:  # fmt: skip
        self.url = endpoint.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self.model, self.max_retries, self.concurrency = model, max_retries, concurrency
        self.provider = find_provider(endpoint)
        self._key_env = key_env or self.provider.key_env
        self._key = os.environ.get(self._key_env, "").strip() if self._key_env else ""
        if self._key_env and not self._key:
            raise EndpointError("没有接口密钥", where=endpoint, fix=f"先设环境变量：export {self._key_env}=你的密钥")
        self._pace = Pace(requests_per_minute)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A proxy from the environment must not swallow requests to this very machine.
        local = httpx.URL(self.url).host in ("localhost", "127.0.0.1", "::1")
        limits = httpx.Timeout(timeout, connect=min(timeout, 20.0))
        self._client = httpx.Client(headers=headers, timeout=limits, trust_env=not local)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests, several at a time; one that fails after its retries gives an error reply."""
        todo: queue.SimpleQueue[Request] = queue.SimpleQueue()
        done: queue.Queue[Reply] = queue.Queue()
        for request in requests:
            todo.put(request)
        job = _Job(self, todo, done, sampling)
        # Daemon threads: Ctrl-C must not wait for a server that hangs.
        for _ in range(min(self.concurrency, len(requests))):
            threading.Thread(target=job.work, daemon=True).start()
        try:
            for _ in requests:
                yield _take(done)
        finally:
            job.stop.set()

    def stream(self, record: Record, sampling: Sampling) -> Iterator[str]:
        """Pieces of one answer as the server sends them (SSE), of what is thought before it as Thought.

        Raises:
            EndpointError: before the first piece, after all retries; or when the stream breaks.
        """
        yield from mark_thoughts(self._pieces(self._body(record, sampling) | {"stream": True}))

    def _pieces(self, body: dict[str, Any]) -> Iterator[str]:
        response = self._send(body, threading.Event(), stream=True)
        try:
            for event in events(response.iter_lines()):
                if event.get("error") or event.get("code"):
                    raise EndpointError("接口中途报错", where=self.url, found=self._safe(message_of(event)))
                for choice in event.get("choices") or []:
                    delta = choice.get("delta") or {}
                    if thought := _thinking(delta):
                        yield Thought(thought)
                    if piece := delta.get("content"):
                        yield piece
        except httpx.HTTPError as error:
            raise EndpointError("回答中断", where=self.url, found=self._safe(repr(error)), fix="再问一次") from None
        finally:
            response.close()

    def golden_loss(self, records: Sequence[Record]) -> list[tuple[float, int]] | None:
        """None: an endpoint does not score a given answer."""
        return None

    def answer(self, request: Request, sampling: Sampling, stop: threading.Event) -> Reply:
        """Ask once (with retries).

        Raises:
            EndpointError: when it cannot be had.
        """
        response = self._send(self._body(request.record, sampling), stop)
        try:
            body = response.json()
            choice = body["choices"][0]
            message, why = choice.get("message") or {}, choice.get("finish_reason")
            thought, text = split_reasoning(str(message.get("content") or ""))
            thought = thought or str(_thinking(message)).strip()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            found = self._safe(message_of(response.text))
            raise EndpointError("接口的回答不是 chat/completions 的形式", where=self.url, found=found) from None
        if why in ("content_filter", "sensitive"):
            return Reply(request.id, "", "error", error="平台的内容审核拦下了这个回答")
        usage = body.get("usage") if isinstance(body.get("usage"), dict) else {}
        finish: FinishReason = "length" if why == "length" else "stop"
        prompt, completion = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
        seconds = response.elapsed.total_seconds()
        return Reply(request.id, text, finish, prompt, completion, seconds, reasoning=thought)

    def _body(self, record: Record, sampling: Sampling) -> dict[str, Any]:
        messages = [{"role": message.role, "content": text} for message, text in spoken(record)]
        return {"model": self.model, "messages": messages, **parameters(sampling, self.provider)}

    def _send(self, body: dict[str, Any], stop: threading.Event, *, stream: bool = False) -> httpx.Response:
        """One request with its retries; the response is a success."""
        problem = EndpointError("已停止", where=self.url)
        for attempt in range(self.max_retries + 1):
            if self._pace.wait(stop):
                break
            asked = None
            try:
                response = self._client.send(self._client.build_request("POST", self.url, json=body), stream=stream)
                if response.is_success:
                    return response
                response.read()
                problem, asked = self._refused(response), response.headers.get("retry-after")
                response.close()
                if not again(response):
                    break
            except httpx.HTTPError as error:
                what = "接口超时" if isinstance(error, httpx.TimeoutException) else "连不上接口"
                problem = EndpointError(what, where=self.url, found=self._safe(repr(error)), fix="检查网络和接口地址")
            if attempt < self.max_retries and stop.wait(wait_seconds(attempt, asked)):
                break
        raise problem

    def _refused(self, response: httpx.Response) -> EndpointError:
        status = response.status_code
        fix = _HINTS.get(status, "").format(key_env=self._key_env or "key_env 指定的变量")
        kind = Hopeless if status in _HOPELESS else EndpointError
        found = f"HTTP {status}：{self._safe(message_of(response.text))}"
        return kind("接口拒绝了请求", where=self.url, found=found, fix=fix)

    def _safe(self, text: str) -> str:
        return redact(text, self._key)


def _thinking(message: dict[str, Any]) -> str:
    """What a message or delta holds of thinking: `reasoning_content` (DeepSeek, Qwen), `reasoning` (OpenRouter)."""
    return message.get("reasoning_content") or message.get("reasoning") or ""


class _Job:
    """The work of one `generate`: what is left to ask, where answers go, and when to stop."""

    def __init__(self, engine: OpenAIEngine, todo: Any, done: Any, sampling: Sampling) -> None:
        self.engine, self.todo, self.done, self.sampling = engine, todo, done, sampling
        self.stop = threading.Event()
        self.hopeless: Hopeless | None = None

    def work(self) -> None:
        while not self.stop.is_set():
            try:
                request = self.todo.get_nowait()
            except queue.Empty:
                return
            self.done.put(self._reply(request))

    def _reply(self, request: Request) -> Reply:
        try:
            if self.hopeless is not None:
                raise self.hopeless
            return self.engine.answer(request, self.sampling, self.stop)
        except EndpointError as error:
            if isinstance(error, Hopeless):
                self.hopeless = error
            return Reply(request.id, "", "error", error=str(error).replace("\n", " "))
        except Exception as error:  # a thread must give its reply, or the reader would wait for ever
            return Reply(request.id, "", "error", error=self.engine._safe(f"{type(error).__name__}: {error}")[:300])


class Pace:
    """Spreads the starts of requests evenly, over all threads."""

    def __init__(self, per_minute: float) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next, self._lock = 0.0, threading.Lock()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for this thread's turn; True when `stop` was set meanwhile."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        return stop.wait(turn - now) if turn > now else stop.is_set()


def again(response: httpx.Response) -> bool:
    """Whether waiting may mend this refusal."""
    return response.status_code in _AGAIN and not any(word in response.text for word in _SPENT)


def wait_seconds(attempt: int, asked: str | None) -> float:
    """Seconds before the next try: what the server asks for (seconds or an HTTP date), else exponential with jitter."""
    wanted = retry_after(asked)
    if wanted is not None:
        return min(wanted, MOST_ASKED) + random.uniform(0, FIRST_WAIT)
    return min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1.0)


def retry_after(value: str | None) -> float | None:
    """A Retry-After header (RFC 9110, 10.2.3) in seconds from now; None when it is absent or cannot be read."""
    if not value:
        return None
    try:
        seconds = float(value)
        return seconds if 0 <= seconds < float("inf") else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a server-sent event stream, up to [DONE]; comments and broken lines are passed over."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def message_of(body: Any) -> str:
    """What an error body says: `error.message`, `message`, or its first 300 characters."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return " ".join(body.split())[:300]
    error = body.get("error", body) if isinstance(body, dict) else body
    text = (error.get("message") or error.get("msg")) if isinstance(error, dict) else error
    return " ".join(str(text or body).split())[:300]


def _take(done: queue.Queue[Reply]) -> Reply:
    """The next reply; the wait has a limit so that Ctrl-C is heard on every system."""
    while True:
        try:
            return done.get(timeout=0.5)
        except queue.Empty:
            continue
