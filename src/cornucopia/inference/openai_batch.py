"""OpenAI Batch files: what a request line asks for, and the response line it gets.

`records.read` has already made the line a Record (kind "openai_batch", parameters of its body in `extra`); a line it
could not use comes here as a Reject and gets an error response when it has a custom_id.
Format: https://platform.openai.com/docs/api-reference/batch/request-input
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cornucopia.core.errors import ConfigError
from cornucopia.inference.engine import Reply, Sampling
from cornucopia.records.read import Reject
from cornucopia.records.schema import Record

KIND = "openai_batch"
URL = "/v1/chat/completions"
_OURS = {"temperature": "temperature", "top_p": "top_p", "stop": "stop", "seed": "seed", "top_k": "top_k",
         "repetition_penalty": "repetition_penalty", "max_tokens": "max_new_tokens",
         "max_completion_tokens": "max_new_tokens"}  # fmt: skip
# What would change the answer and is not offered: name -> values that ask for nothing.
_REFUSED: dict[str, tuple[Any, ...]] = {
    "n": (1,), "stream": (False,), "tools": ([],), "functions": ([],), "logprobs": (False,), "frequency_penalty": (0,),
    "presence_penalty": (0,), "logit_bias": ({},), "response_format": ({"type": "text"},),
}  # fmt: skip


def is_request(record: Record) -> bool:
    """Whether a record was a line of an OpenAI Batch file."""
    return record.kind == KIND


def own_sampling(record: Record, common: Sampling) -> Sampling:
    """The line's own parameters laid over those of the command.

    Raises:
        ConfigError: a parameter that is wrong, or asks for what is not offered.
    """
    body = record.extra
    url = body.get("url", URL)
    if url != URL:
        raise ConfigError("只支持 /v1/chat/completions", where="url", found=str(url)[:80])
    for name, harmless in _REFUSED.items():
        if body.get(name) is not None and body[name] not in harmless:
            raise ConfigError(f"不支持参数 {name}", where=name, found=str(body[name])[:80])
    given = {ours: body[theirs] for theirs, ours in _OURS.items() if body.get(theirs) is not None}
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    kept = {name: value for name, value in common.model_dump().items() if name not in given}
    return Sampling.build({**kept, **given}, where=f"custom_id {record.id}")


def response_line(key: str, custom_id: str, reply: Reply, model: str, created: int) -> dict[str, Any]:
    """The response line of an answered (or failed) request."""
    if reply.finish_reason == "error":
        return _line(key, custom_id, 500, _error(reply.error, "server_error"))
    usage = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens,
             "total_tokens": reply.prompt_tokens + reply.completion_tokens}  # fmt: skip
    message = {"role": "assistant", "content": reply.answer}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    body = {"id": f"chatcmpl-{key}", "object": "chat.completion", "created": created, "model": model,
            "choices": [choice], "usage": usage}  # fmt: skip
    return _line(key, custom_id, 200, body)


def refusal_line(key: str, custom_id: str, message: str) -> dict[str, Any]:
    """The response line of a request that asks for what cannot be done."""
    return _line(key, custom_id, 400, _error(message, "invalid_request_error"))


def rejected_id(reject: Reject) -> str | None:
    """The custom_id of a line the reader refused, when it was a request at all."""
    try:
        row = json.loads(reject.raw)
    except (ValueError, RecursionError):
        return None
    name = row.get("custom_id") if isinstance(row, dict) else None
    return name if isinstance(name, str) and name else None


def key_of(row: Mapping[str, Any]) -> str:
    """The key of a response line this module wrote, or ''."""
    return str(row.get("id", "")).removeprefix("batch_req_") if "custom_id" in row else ""


def reply_of(row: Mapping[str, Any]) -> Reply:
    """The Reply a response line was made from (without its time)."""
    response = row["response"]
    body = response["body"]
    if response["status_code"] != 200:
        return Reply(row["custom_id"], "", "error", error=body["error"]["message"])
    choice, usage = body["choices"][0], body["usage"]
    message = choice["message"]
    return Reply(row["custom_id"], message["content"], choice["finish_reason"], usage["prompt_tokens"],
                 usage["completion_tokens"], reasoning=message.get("reasoning_content", ""))  # fmt: skip


def _line(key: str, custom_id: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    response = {"status_code": status, "request_id": f"req_{key}", "body": body}
    return {"id": f"batch_req_{key}", "custom_id": custom_id, "response": response, "error": None}


def _error(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
