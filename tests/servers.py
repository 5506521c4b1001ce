"""A local server that speaks POST /v1/chat/completions: plain and streamed answers, refusals, hangs, junk."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], Any]


@dataclass
class ChatServer:
    """What the server does and what it was asked.

    Args:
        answer: for a request body the text, (text, finish reason), or (status, headers, body).
        script: one (status, headers, body) for each of the next requests; None in it means a normal answer.
        key: when set, the bearer token it wants.
        delay: seconds before each answer.
        drip: when set, a blank comes every so many seconds, and no answer ever.
    """

    answer: Answer = lambda body: "答：" + body["messages"][-1]["content"]
    script: list[Any] = field(default_factory=list)
    key: str = ""
    delay: float = 0.0
    drip: float = 0.0
    finish: str | None = "stop"
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    url: str = ""
    lock: Any = field(default_factory=threading.Lock)


@contextmanager
def chat_server(**settings: Any) -> Iterator[ChatServer]:
    """Run a server on a free port of 127.0.0.1; `url` is its base URL."""
    state = ChatServer(**settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: ChatServer

    def do_POST(self) -> None:
        state = self.state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with state.lock:
            state.requests.append(body)
            state.times.append(time.monotonic())
            state.keys.append(self.headers.get("Authorization", ""))
            state.running += 1
            state.most_running = max(state.most_running, state.running)
            scripted = state.script.pop(0) if state.script else None
        try:
            time.sleep(state.delay)
            if state.drip:
                return self._drip()
            self._respond(body, scripted)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with state.lock:
                state.running -= 1

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b" ")
            time.sleep(self.state.drip)

    def _respond(self, body: dict[str, Any], scripted: Any) -> None:
        if self.path != "/v1/chat/completions":
            return self._send(404, {"error": {"message": "no such path"}})
        if scripted == "hang":
            time.sleep(5)
            return None
        if scripted == "cut":
            return self.connection.close()
        if scripted is not None:
            status, headers, content = scripted
            return self._send(status, content, headers)
        if self.state.key and self.headers.get("Authorization") != f"Bearer {self.state.key}":
            return self._send(401, {"error": {"message": f"bad key: {self.headers.get('Authorization')}"}})
        text, finish = self.state.answer(body), self.state.finish
        if isinstance(text, tuple) and len(text) == 3:
            return self._send(text[0], text[2], text[1])
        if isinstance(text, tuple):
            text, finish = text
        return self._stream(body, text) if body.get("stream") else self._send(200, self._completion(body, text, finish))

    def _completion(self, body: dict[str, Any], text: str, finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        usage = {"prompt_tokens": 7, "completion_tokens": len(text), "total_tokens": 7 + len(text)}
        return {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }

    def _stream(self, body: dict[str, Any], text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        for number, char in enumerate([*text, None]):
            choice = {"index": 0, "delta": {"content": char} if char else {}, "finish_reason": None if char else "stop"}
            event = {
                "id": "x",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": body["model"],
                "choices": [choice],
            }
            mark = "data: " if number % 2 else "data:"  # both are in use
            self.wfile.write((mark + json.dumps(event, ensure_ascii=False) + "\n\n: keep-alive\n\n").encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content.encode() if isinstance(content, str) else json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
