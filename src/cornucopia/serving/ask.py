"""The body of a request -> what is asked of an engine. Every wrong body is a Problem with status 400."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cornucopia.core.errors import CornucopiaError
from cornucopia.core.jsonl import mended
from cornucopia.inference.asking import unfit
from cornucopia.inference.openai_batch import sampling_of
from cornucopia.inference.request import Limits, Sampling
from cornucopia.records.schema import Message, Record
from cornucopia.records.turns import turns_of
from cornucopia.serving.problems import Problem, refused

MOST_ANSWERS = 16  # of one request
MOST_LIKELY = 20  # tokens told at each place, as OpenAI has it
DEEPEST = 60  # levels of a body's JSON
_CHAT = ("model", "messages", "n", "stream", "stream_options", "logprobs", "top_logprobs", "tools", "tool_choice",
         "response_format", "parallel_tool_calls")  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """What one request wants.

    Args:
        record: the conversation.
        sampling: its settings, the model's own laid under them.
        n: how many answers.
        stream, usage: whether pieces are sent as they are made, and the token counts after them.
        logprobs: likeliest tokens told at each place; None for no log-probabilities.
        forced: whether the answer is a call of one of the record's tools, written as JSON.
    """

    record: Record
    sampling: Sampling
    n: int = 1
    stream: bool = False
    usage: bool = False
    logprobs: int | None = None
    forced: bool = False


def read_json(data: bytes) -> dict[str, Any]:
    """The object in a body.

    Raises:
        Problem: it is not UTF-8 JSON, or no object.
    """
    try:
        body = _mended(json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant))
    except UnicodeDecodeError:
        raise Problem(400, "正文不是 UTF-8") from None
    except RecursionError:
        raise Problem(400, "正文的 JSON 套得太深") from None
    except ValueError as error:
        raise Problem(400, f"正文不是 JSON：{str(error)[:80]}") from None
    if not isinstance(body, dict):
        raise Problem(400, "正文应是 JSON 对象")
    return body


def read_chat(body: Mapping[str, Any], common: Sampling, limits: Limits) -> Ask:
    """A body of /v1/chat/completions.

    Raises:
        Problem: something in it is wrong, or the engine cannot do it.
    """
    likely = integer(body, "top_logprobs", 0, 0, MOST_LIKELY)
    logprobs = likely if switch(body, "logprobs") else None
    if likely and logprobs is None:
        raise Problem(400, "top_logprobs 要和 logprobs: true 一起用", param="top_logprobs")
    record = _conversation(body)
    sampling = read_sampling({name: value for name, value in body.items() if name not in _CHAT}, common)
    schema = _schema(body.get("response_format"))
    tools, choice = _tools(body)
    forced = choice not in ("auto", "none")
    if forced and schema:
        raise Problem(400, "tool_choice 要求调用工具时不能再写 response_format", param="response_format")
    if forced:
        tools = [tool for tool in tools if choice in ("required", tool["function"]["name"])]
        schema = _call_schema(tools)
    ask = Ask(
        replace(record, tools=() if choice == "none" else tuple(tools)),
        sampling.model_copy(update={"json_schema": schema}) if schema else sampling,
        integer(body, "n", 1, 1, MOST_ANSWERS), switch(body, "stream"), wants_usage(body), logprobs, forced,
    )  # fmt: skip
    return _possible(ask, limits)


def _possible(ask: Ask, limits: Limits) -> Ask:
    """The same, if an engine with these limits can do it."""
    record = replace(ask.record, tools=()) if ask.forced else ask.record
    if why := unfit(record, limits):
        raise Problem(400, why)
    if ask.logprobs is not None and not limits.logprobs:
        raise Problem(400, "这个模型的引擎不给对数概率", param="logprobs")
    if ask.sampling.json_schema and not limits.schemas:
        name = "tool_choice" if ask.forced else "response_format"
        raise Problem(400, f"这个模型的引擎不能按 JSON Schema 约束回答，所以不支持这样的 {name}", param=name)
    return ask


def _conversation(body: Mapping[str, Any]) -> Record:
    items = body.get("messages")
    if not isinstance(items, list) or not items:
        raise Problem(400, "messages 应是不空的列表", param="messages")
    try:
        messages = turns_of(items)
    except CornucopiaError as error:
        raise refused(error, "messages") from None
    _check(messages)
    return Record(tuple(messages))


def _check(messages: list[Message]) -> None:
    if messages[-1].role not in ("user", "tool"):
        raise Problem(400, "messages 的最后一轮应是 user 或 tool", param="messages")
    if messages[-1].role == "user" and messages[-1].is_blank:
        raise Problem(400, "最后一轮是空的", param="messages")
    for message in messages:
        if any(not image.startswith("data:image/") for image in message.images):
            raise Problem(400, "图片只收 data:image/…;base64,… 的地址", param="messages")


def read_sampling(body: Mapping[str, Any], common: Sampling) -> Sampling:
    """The sampling settings among a body's parameters; empty stop texts, which some clients send, are none.

    Raises:
        Problem: one is wrong, unknown or not offered.
    """
    stop = body.get("stop")
    given = {**body, "stop": [text for text in stop if text not in ("", None)]} if isinstance(stop, list) else body
    try:
        return sampling_of(given, common, "请求")
    except CornucopiaError as error:
        raise refused(error, error.where if error.where != "请求" else "") from None


def _tools(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """(the tools, what is chosen: auto, none, required or a tool's name)"""
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(_is_tool(tool) for tool in tools):
        shape = '{"type": "function", "function": {"name": …, "parameters": {…}}}'
        raise Problem(400, f"tools 的每一项应是 {shape}", param="tools")
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        function = choice.get("function", choice)
        choice = function.get("name") if isinstance(function, dict) else None
        choice = choice if choice not in ("auto", "none", "required") else None
    choice = "auto" if choice is None and body.get("tool_choice") is None else choice
    names = [tool["function"]["name"] for tool in tools]
    if not isinstance(choice, str) or choice not in ("auto", "none", *(["required"] if tools else []), *names):
        raise Problem(400, "tool_choice 应为 auto、none、required 或 tools 里的一个", param="tool_choice")
    return tools, choice


def _is_tool(tool: Any) -> bool:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        return False
    return isinstance(function.get("parameters", {}), dict) and isinstance(function.get("description") or "", str)


def _call_schema(tools: list[dict[str, Any]]) -> str:
    """The schema of a call of one of the tools."""
    shapes = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool["function"]["name"]},
                "arguments": tool["function"].get("parameters") or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    return json.dumps(shapes[0] if len(shapes) == 1 else {"anyOf": shapes}, ensure_ascii=False)


def _schema(wanted: Any) -> str | None:
    """The JSON schema that a response_format asks for, as text."""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return '{"type": "object"}'
    inner = wanted.get("json_schema") if kind == "json_schema" else None
    schema = inner.get("schema") if isinstance(inner, dict) else None
    if not isinstance(schema, dict):
        shape = '{"type": "json_schema", "json_schema": {"name": …, "schema": {…}}}'
        raise Problem(400, f"response_format 应为 text、json_object 或 {shape}", param="response_format")
    return json.dumps(schema, ensure_ascii=False)


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Whether a stream ends with the token counts."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise Problem(400, "stream_options 应是对象", param="stream_options")
    return switch(options, "include_usage")


def integer(body: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """The whole number under a name.

    Raises:
        Problem: it is none, or out of bounds.
    """
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Problem(400, f"{name} 应为 {least} 到 {most} 的整数", param=name)
    return value


def switch(body: Mapping[str, Any], name: str) -> bool:
    """Whether something is asked for.

    Raises:
        Problem: neither true nor false stands there.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Problem(400, f"{name} 应为 true 或 false", param=name)
    return bool(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} 不是 JSON 的数")


def _mended(value: Any, depth: int = 0) -> Any:
    """Halves of characters, which JSON can write and nothing can encode, replaced.

    Raises:
        RecursionError: it is deeper than what works on it later can go.
    """
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, dict):
        return {mended(key): _mended(item, depth + 1) for key, item in value.items()}
    return [_mended(item, depth + 1) for item in value] if isinstance(value, list) else value
