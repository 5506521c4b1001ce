"""A stand-in for `vllm`: takes `serve FOLDER --port N ...` and speaks what our engine asks of it.

An answer says the last tokens of its prompt backwards, so that what was asked can be read from it.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COUNT = 6


def _ids(text):
    """The tokens of a text in the tests' byte-level tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(sys.argv[2])(text, add_special_tokens=False).input_ids


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self._send(200, {})
        return self._send(200, {"data": [{"id": "base", "max_model_len": 200}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with Path(os.environ["FAKE_VLLM_LOG"]).open("a") as log:
            log.write(json.dumps({"argv": sys.argv[1:], "body": body}) + "\n")
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            return self._send(401, {"error": {"message": "Unauthorized"}})
        if os.environ.get("FAKE_VLLM_DIES"):
            print("ValueError: the engine core has died", flush=True)
            os._exit(1)
        ids = body["prompt"]
        tokens = ids[-1 : -1 - min(COUNT, body["max_tokens"]) : -1]
        if body["model"] != "base":
            tokens = tokens[:2]
        if body.get("stream"):
            return self._stream()
        choice = {"text": "-", "token_ids": [*tokens, 2], "finish_reason": "stop"}
        if "prompt_logprobs" in body:
            told = {place: {str(token): {"logprob": -float(place), "rank": place}} for place, token in enumerate(ids)}
            choice["prompt_logprobs"] = [None, *(told[place] for place in range(1, len(ids)))]
        return self._send(200, {"choices": [choice], "usage": {"completion_tokens": len(tokens) + 1}})

    def _stream(self):
        self.send_response(200)
        self.end_headers()
        for piece in ("<thi", "nk>想", "</think>", "好", "的"):
            self.wfile.write(
                f"data: {json.dumps({'choices': [{'text': piece, 'token_ids': _ids(piece)}]})}\n\n".encode()
            )
        self.wfile.write(
            b'data: {"choices": [{"text": "", "token_ids": [], "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
        )

    def _send(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    if "--refuse" in sys.argv:
        print("INFO starting\nRuntimeError: Insufficient memory for the cache\nbye", flush=True)
        raise SystemExit(3)
    Path(os.environ["FAKE_VLLM_LOG"] + ".pid").write_text(str(os.getpid()))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
