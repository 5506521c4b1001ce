"""The engine behind an OpenAI-compatible HTTP endpoint: ERNIE, Spark, Qwen, DeepSeek, Kimi, GLM, a local server.

Speaks POST /chat/completions through httpx. Knows nothing of files or contestants, and never writes the key anywhere.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

import httpx

from cornucopia.core.errors import EndpointError
from cornucopia.core.jsonl import mended
from cornucopia.inference.completion import Completion, NoAnswer, finish_of, parts_of, read_completion, text_of_body
from cornucopia.inference.engine import Engine, Failure, Limits, Reply, Request, Sampling
from cornucopia.inference.event_stream import Streamed, events, noted, pieces_of
from cornucopia.inference.pace import Pace, Patience, wait_seconds
from cornucopia.inference.providers import THIS_MACHINE, body_of, find_provider, parameters, redact
from cornucopia.inference.refusal import Refusal, judge
from cornucopia.inference.text import StopStream, Thought, first_stop, mark_thoughts
from cornucopia.records.schema import Record

TIMEOUTS = 3  # one question waits at most so many times `timeout` in all
JUNK_TRIES = 3  # a success that holds no answer is asked again at most so often in all
STRIKES = 3  # so many questions that found no service at all, and none that did: the rest is not asked


class Hopeless(EndpointError):
    """A refusal that the next question would meet in the same way: wrong key, no such model, no money."""


class Declined(EndpointError):
    """The content check did not let this one question through."""


class Unreachable(EndpointError):
    """Nobody answered: no connection, or silence."""


class OpenAIEngine(Engine):
    """A model behind an endpoint; see `cornucopia.inference.engine.Engine`.

    Args:
        endpoint: base URL, without /chat/completions.
        model: the model's name there.
        key_env: environment variable of the key; by default the known service's own.
        requests_per_minute: at most so many requests start in a minute; 0 for no limit.
        max_retries: how often a failed request is tried again.
        timeout: seconds without a byte after which a request has failed; a question waits TIMEOUTS times that in all.
        concurrency: requests under way at a time.

    Raises:
        EndpointError: when the service needs a key and there is none.
    """

    def __init__(
        self, endpoint: str, model: str, *, key_env: str | None = None, requests_per_minute: float = 0,
        max_retries: int = 5, timeout: float = 120.0, concurrency: int = 4,
    ) -> None:  # fmt: skip
        self.endpoint = endpoint.rstrip("/").removesuffix("/chat/completions")
        self.url = self.endpoint + "/chat/completions"
        self.model, self.max_retries, self.concurrency = model, max_retries, concurrency
        self.provider = find_provider(endpoint)
        self._patience = TIMEOUTS * timeout
        self._key_env = key_env or self.provider.key_env
        self._key = os.environ.get(self._key_env, "").strip() if self._key_env else ""
        if self._key_env and not self._key:
            raise EndpointError("没有接口密钥", where=endpoint, fix=f"先设环境变量：export {self._key_env}=你的密钥")
        self._pace = Pace(requests_per_minute)
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A proxy from the environment must not swallow requests to this very machine.
        local = httpx.URL(self.url).host in THIS_MACHINE
        limits = httpx.Timeout(timeout, connect=min(timeout, 20.0))
        self._client = httpx.Client(headers=headers, timeout=limits, trust_env=not local)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests, several at a time; one that fails after its retries gives an error reply."""
        todo: queue.SimpleQueue[Request] = queue.SimpleQueue()
        done: queue.Queue[Reply] = queue.Queue()
        for request in requests:
            todo.put(request)
        with Patience(self.endpoint) as patience:
            job = _Job(self, todo, done, sampling, patience)
            # Daemon threads: Ctrl-C must not wait for a server that hangs.
            for _ in range(min(self.concurrency, len(requests))):
                threading.Thread(target=job.work, daemon=True).start()
            try:
                for _ in requests:
                    yield _take(done)
            finally:
                job.stop.set()

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of one answer as the server sends them (SSE), of what is thought before it as Thought.

        Raises:
            EndpointError: before the first piece, after all retries; or when the stream breaks.
        """
        begun, end, stops = time.monotonic(), Streamed(), StopStream(sampling.stop)
        for piece in mark_thoughts(self._pieces(self._body(record, sampling) | {"stream": True}, end)):
            shown = piece if isinstance(piece, Thought) else stops.feed(piece)
            if shown:
                yield shown
            if stops.stopped:
                break
        if rest := stops.end():
            yield rest
        thought, answer = end.texts()
        at = first_stop(answer, sampling.stop)
        finish = end.finish if at < 0 else "stop"
        answer = answer if at < 0 else answer[:at].strip()
        return Reply("stream", answer, finish, *end.tokens, time.monotonic() - begun, reasoning=thought)

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """Address, model and what is sent for the sampling settings; the key is not in it."""
        return {"endpoint": self.endpoint, "model": self.model, "sampling": parameters(sampling, self.provider)}

    def limits(self) -> Limits:
        """An endpoint streams and, as far as its model does, calls tools and sees images; it scores nothing."""
        return Limits(concurrency=self.concurrency, streams=True, tools=True, images=True, schemas=True)

    def answer(self, request: Request, sampling: Sampling, stop: threading.Event, patience: Patience) -> Reply:
        """Ask once (with retries).

        Raises:
            EndpointError: when it cannot be had.
        """
        begun, body = time.monotonic(), self._body(request.record, sampling)
        got: Completion = self._send(body, stop, patience, lambda response: self._completion(response, body))
        at = first_stop(got.answer, sampling.stop)  # some services say the stop text, or do not know it
        answer, finish = (got.answer, got.finish_reason) if at < 0 else (got.answer[:at].strip(), "stop")
        return Reply(
            request.id, answer, finish, got.prompt_tokens, got.completion_tokens,
            time.monotonic() - begun, reasoning=got.reasoning, tool_calls=got.tool_calls,
        )  # fmt: skip

    def _body(self, record: Record, sampling: Sampling) -> dict[str, Any]:
        return {"model": self.model, **body_of(record), **parameters(sampling, self.provider)}

    def _completion(self, response: httpx.Response, body: dict[str, Any]) -> Completion:
        deadline, parts = time.monotonic() + self._patience, []
        with closing(response):
            for part in response.iter_bytes():  # a service may drip blanks for ever to keep the line open
                parts.append(part)
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("no end of the answer")
        return read_completion(text_of_body(b"".join(parts), response.charset_encoding), _asked(body))

    def _pieces(self, body: dict[str, Any], end: Streamed) -> Iterator[str]:
        with Patience(self.endpoint) as patience:
            response = self._send(body, threading.Event(), patience, lambda response: response)
            with closing(response):
                yield from self._read_stream(response, _asked(body), end, patience)

    def _read_stream(self, response: httpx.Response, asked: str, end: Streamed, patience: Patience) -> Iterator[str]:
        lines: list[str] = []
        got = False
        try:
            for event in events(noted(response.iter_lines(), lines)):
                patience.seen()
                if event.get("error") or event.get("code"):
                    raise self._problem(judge(200, event, asked), 1)
                for choice in event.get("choices") or []:
                    got = True
                    yield from end.note(pieces_of(choice.get("delta") or choice.get("message") or {}))
                    if choice.get("finish_reason"):
                        end.finish = finish_of(choice["finish_reason"])
                end.count(event.get("usage"))
            if not got:  # no stream: an error object, a page, or a whole answer at once
                whole = read_completion("\n".join(lines), asked)
                end.finish, end.tokens = whole.finish_reason, (whole.prompt_tokens, whole.completion_tokens)
                yield from end.note(piece for piece in (Thought(whole.reasoning), whole.answer) if piece)
        except NoAnswer as error:
            raise self._problem(error.refusal, 1) from None
        except httpx.HTTPError as error:
            raise EndpointError("回答中断", where=self.url, found=self._safe(repr(error)), fix="再问一次") from None

    def _send(self, body: dict[str, Any], stop: threading.Event, patience: Patience, read: Any) -> Any:
        """What `read` makes of a success, after as many tries as are worth it.

        Raises:
            EndpointError: the last problem met.
        """
        data = mended(json.dumps(body, ensure_ascii=False)).encode()
        problem, deadline, junk = EndpointError("已停止", where=self.url), time.monotonic() + self._patience, 0
        for attempt in range(self.max_retries + 1):
            asked_at = time.monotonic()
            if self._pace.wait(stop):
                break
            deadline += time.monotonic() - asked_at  # our own slowness is not the service's
            refusal, asked = None, None
            try:
                response = self._client.send(self._client.build_request("POST", self.url, content=data), stream=True)
                if response.is_success:
                    return read(response)
                response.read()
                refusal, asked = (
                    judge(response.status_code, response.text, _asked(body)),
                    response.headers.get("retry-after"),
                )
                response.close()
            except NoAnswer as error:
                refusal, junk = error.refusal, junk + 1
            except httpx.HTTPError as error:
                problem = self._unreachable(error, attempt + 1)
            if refusal is not None:
                problem = self._problem(refusal, attempt + 1)
                if not refusal.again or junk >= JUNK_TRIES:
                    break
            patience.problem = problem.what
            pause = wait_seconds(attempt, asked)
            if attempt == self.max_retries or time.monotonic() + pause > deadline or stop.wait(pause):
                break
        raise problem

    def _problem(self, refusal: Refusal, tries: int) -> EndpointError:
        kind = Hopeless if refusal.all else Declined if refusal.kind == "content" else EndpointError
        often = f"，试了 {tries} 次" if tries > 1 else ""
        status = f"HTTP {refusal.status}{often}：" if refusal.status != 200 or often else ""
        fix = refusal.fix(self._key_env or "key_env 指定的变量")
        return kind(refusal.what, where=self.url, found=status + self._safe(refusal.message), fix=fix)

    def _unreachable(self, error: httpx.HTTPError, tries: int) -> EndpointError:
        what = "接口超时" if isinstance(error, httpx.TimeoutException) else "连不上接口"
        found = f"{self._safe(repr(error))}，试了 {tries} 次"
        return Unreachable(what, where=self.url, found=found, fix="检查网络和接口地址")

    def _safe(self, text: str) -> str:
        return redact(text, self._key)


class _Job:
    """The work of one `generate`: what is left to ask, where answers go, and when to stop."""

    def __init__(self, engine: OpenAIEngine, todo: Any, done: Any, sampling: Sampling, patience: Patience) -> None:
        self.engine, self.todo, self.done, self.sampling, self.patience = engine, todo, done, sampling, patience
        self.stop = threading.Event()
        self.hopeless: EndpointError | None = None
        self.strikes: int | None = 0  # None once the service has been reached

    def work(self) -> None:
        while not self.stop.is_set():
            try:
                request = self.todo.get_nowait()
            except queue.Empty:
                return
            self.done.put(self._reply(request))
            self.patience.seen()

    def _reply(self, request: Request) -> Reply:
        try:
            if self.hopeless is not None:
                raise self.hopeless
            reply = self.engine.answer(request, self.sampling, self.stop, self.patience)
            self.strikes = None
            return reply
        except EndpointError as error:
            self._judge(error)
            return Reply(request.id, "", "error", error=str(error).replace("\n", " "), failure=_failure(error))
        except Exception as error:  # a thread must give its reply, or the reader would wait for ever
            return Reply(request.id, "", "error", error=self.engine._safe(f"{type(error).__name__}: {error}")[:300])

    def _judge(self, error: EndpointError) -> None:
        """Whether the questions that follow are worth asking."""
        if not isinstance(error, Unreachable):
            self.strikes = None
        elif self.strikes is not None:
            self.strikes += 1
        if isinstance(error, Hopeless) or (self.strikes or 0) >= STRIKES:
            self.hopeless = self.hopeless or error


def _failure(error: EndpointError) -> Failure:
    return "account" if isinstance(error, Hopeless) else "prompt" if isinstance(error, Declined) else "service"


def _asked(body: dict[str, Any]) -> str:
    """All text of a request, to tell the service's words from the user's."""
    return "\n".join(parts_of(message.get("content"))[0] for message in body["messages"])


def _take(done: queue.Queue[Reply]) -> Reply:
    """The next reply; the wait has a limit so that Ctrl-C is heard on every system."""
    while True:
        try:
            return done.get(timeout=0.5)
        except queue.Empty:
            continue
