"""OpenAI Batch files: what a request line asks for, and the response line it gets.

`records.read` has already made the line a Record (kind "openai_batch", parameters of its body in `extra`); a line it
could not use comes here as a Reject and gets an error response when it has a custom_id.
Format: https://platform.openai.com/docs/api-reference/batch/request-input
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cornucopia.core.errors import ConfigError, nearest
from cornucopia.inference.completion import tool_calls_of
from cornucopia.inference.engine import Reply, Sampling
from cornucopia.records.read import Reject
from cornucopia.records.schema import Record, ToolCall

KIND = "openai_batch"
URL = "/v1/chat/completions"
_OURS = {"temperature": "temperature", "top_p": "top_p", "stop": "stop", "seed": "seed", "top_k": "top_k",
         "min_p": "min_p", "repetition_penalty": "repetition_penalty", "max_tokens": "max_new_tokens",
         "max_completion_tokens": "max_new_tokens"}  # fmt: skip
# Parameters that are not offered -> values that ask for nothing. Any other name is refused whatever its value.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "n": (1,), "stream": (False,), "logprobs": (False,), "top_logprobs": (0,), "frequency_penalty": (0,),
    "presence_penalty": (0,), "logit_bias": ({},), "response_format": ({"type": "text"},), "functions": ([],),
    "tool_choice": ("auto", "none"), "parallel_tool_calls": (True,), "store": (False,), "echo": (False,),
    "best_of": (1,), "use_beam_search": (False,), "ignore_eos": (False,), "min_tokens": (0,),
    "length_penalty": (1,), "skip_special_tokens": (True,), "add_generation_prompt": (True,),
}  # fmt: skip
# What changes no answer, or is the reader's own.
_BESIDE = {"model", "user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "stream_options",
           "tools"}  # fmt: skip


def is_request(record: Record) -> bool:
    """Whether a record was a line of an OpenAI Batch file."""
    return record.kind == KIND


def body_of(record: Record) -> dict[str, Any]:
    """The parameters of a request's body; its messages are the record's."""
    body = record.extra.get("body")
    return body if isinstance(body, dict) else {}


def with_tools(record: Record) -> Record:
    """The record with the tools that its body names, as an engine is shown them.

    Raises:
        ConfigError: they are no list of objects.
    """
    tools = body_of(record).get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ConfigError("tools 应是对象的列表", where="tools", found=str(tools)[:80])
    return replace(record, tools=tuple(tools))


def own_sampling(record: Record, common: Sampling) -> Sampling:
    """The line's own parameters laid over those of the command.

    Raises:
        ConfigError: a parameter that is wrong, or asks for what is not offered.
    """
    body, url = body_of(record), record.extra.get("url", URL)
    if url != URL:
        raise ConfigError("只支持 /v1/chat/completions", where="url", found=str(url)[:80])
    return sampling_of(body, common, f"custom_id {record.id}")


def sampling_of(body: Mapping[str, Any], common: Sampling, where: str) -> Sampling:
    """A request's own parameters laid over common ones.

    Args:
        body: its parameters by OpenAI's names, and those of ours that OpenAI lacks.
        common: what holds where it says nothing.
        where: the request, for the error.

    Raises:
        ConfigError: a parameter that is wrong, or asks for what is not offered.
    """
    for name, value in body.items():
        if name not in _OURS and name not in _BESIDE and not _asks_nothing(name, value):
            close = nearest(name, [*_OURS, *_BESIDE, *_HARMLESS])
            fix = f"最接近的是 {close}" if close and name not in _HARMLESS else ""
            raise ConfigError(f"不支持参数 {name}", where=name, found=str(value)[:80], fix=fix)
    given = {ours: body[theirs] for theirs, ours in _OURS.items() if body.get(theirs) is not None}
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    kept = {name: value for name, value in common.model_dump().items() if name not in given}
    return Sampling.build({**kept, **given}, where=where)


def _asks_nothing(name: str, value: Any) -> bool:
    """Whether a parameter that is not offered stands at a value that asks for nothing; True is not 1 here."""
    wanted = _HARMLESS.get(name, ())
    return value is None or any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in wanted)


def response_line(key: str, custom_id: str, reply: Reply, model: str, created: int) -> dict[str, Any]:
    """The response line of an answered (or failed) request."""
    if reply.finish_reason == "error":
        return _line(key, custom_id, 500, _error(reply.error, "server_error"))
    choice = {"index": 0, "message": message_of(reply), "finish_reason": reply.finish_reason, "logprobs": None}
    body = {"id": f"chatcmpl-{key}", "object": "chat.completion", "created": created, "model": model,
            "choices": [choice], "usage": usage_of([reply])}  # fmt: skip
    return _line(key, custom_id, 200, body)


def message_of(reply: Reply) -> dict[str, Any]:
    """The assistant's message of a reply."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.answer}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = [call_dict(call) for call in reply.tool_calls]
    return message


def call_dict(call: ToolCall) -> dict[str, Any]:
    """A tool call as OpenAI writes it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def usage_of(replies: Sequence[Reply]) -> dict[str, int]:
    """Tokens of the answers to one prompt, which counts once."""
    asked, written = max((r.prompt_tokens for r in replies), default=0), sum(r.completion_tokens for r in replies)
    return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}


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
                 usage["completion_tokens"], reasoning=message.get("reasoning_content", ""),
                 tool_calls=tool_calls_of(message.get("tool_calls")))  # fmt: skip


def _line(key: str, custom_id: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    response = {"status_code": status, "request_id": f"req_{key}", "body": body}
    return {"id": f"batch_req_{key}", "custom_id": custom_id, "response": response, "error": None}


def _error(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
