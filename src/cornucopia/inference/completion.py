"""What a chat/completions endpoint sends back -> an answer, or why it is none. Knows no HTTP client.

Services differ: content as a list of parts, thinking under several names or in the text, finish reasons of their own,
error objects with status 200, pages of HTML.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cornucopia.core.jsonl import mended
from cornucopia.inference.engine import FinishReason
from cornucopia.inference.refusal import Refusal, judge
from cornucopia.records.schema import ToolCall
from cornucopia.tokens.reasoning import CLOSE, split_reasoning

_STOP = {"stop", "eos", "eos_token", "stop_sequence", "end_turn", "normal", "complete", "finished"}
_LENGTH = {"length", "max_tokens", "model_length", "model_context_window_exceeded"}
_CALLS = {"tool_calls", "function_call", "tool_use"}
_BARRED = {"content_filter", "sensitive", "safety", "prohibited_content", "recitation", "refusal", "blocklist", "spii"}


class NoAnswer(Exception):
    """A success that holds no answer."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.message)


@dataclass(frozen=True)
class Completion:
    """An answer as an endpoint gave it."""

    answer: str
    reasoning: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    tool_calls: tuple[ToolCall, ...] = ()


def read_completion(text: str, prompt: str = "") -> Completion:
    """The answer in the body of a success.

    Raises:
        NoAnswer: blank, a page, an error object, no choices, a finish reason never heard of, an answer of nothing, or
            one that the content check took away.
    """
    try:
        body = json.loads(text)
        choice = body["choices"][0]
        message, why = choice.get("message") or {}, choice.get("finish_reason")
        answer, thought = texts_of(message)
        calls = tool_calls_of(message.get("tool_calls"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise NoAnswer(judge(200, text.strip() or "空的回答", prompt)) from None
    usage = body.get("usage") if isinstance(body.get("usage"), dict) else {}
    prompt_tokens, completion_tokens = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    finish = finish_of(why)
    if not (answer or thought or calls or completion_tokens) and finish != "length":
        refusal = judge(200, body.get("error") or "空的回答", prompt)
        raise NoAnswer(refusal)
    return Completion(answer, thought, finish, prompt_tokens, completion_tokens, calls)


def finish_of(why: Any) -> FinishReason:
    """One of ours for a service's finish reason; a service that names none (Spark) has simply ended.

    Raises:
        NoAnswer: the content check stopped it, or nobody knows what the reason means.
    """
    name = "stop" if why in (None, "") else str(why).lower()
    if name in _BARRED:
        raise NoAnswer(Refusal("content", f"finish_reason: {why}", 200))
    if name in _STOP | _LENGTH | _CALLS:
        return "length" if name in _LENGTH else "tool_calls" if name in _CALLS else "stop"
    raise NoAnswer(Refusal("junk", f"没有见过的 finish_reason：{str(why)[:80]}", 200))


def texts_of(message: dict[str, Any]) -> tuple[str, str]:
    """(answer, thinking) of a message.

    Thinking stands in `reasoning_content` (DeepSeek, Qwen), `reasoning` (OpenRouter), parts of the content (Mistral),
    or before `</think>` in the text, whose opening mark a template may have kept for itself. A model that declines in
    `refusal` (OpenAI) has said that.
    """
    said, thought = parts_of(message.get("content") or message.get("refusal"))
    beside = message.get("reasoning_content") or message.get("reasoning") or ""
    thought = thought or (beside if isinstance(beside, str) else parts_of(beside)[0])
    inside, answer = split_reasoning(said, opened=not thought and CLOSE in said)
    return mended(answer), mended((inside or thought).strip())


def parts_of(content: Any) -> tuple[str, str]:
    """(text, thinking) of a content: text, or a list of parts of which those that are no text are passed over."""
    if isinstance(content, str):
        return content, ""
    said: list[str] = []
    thought: list[str] = []
    for part in content if isinstance(content, list) else []:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, dict):
            kind = str(part.get("type") or "text")
            inner = part.get("thinking") or part.get("reasoning") or part.get("text") or ""
            text = inner if isinstance(inner, str) else parts_of(inner)[0]
            (thought if kind in ("thinking", "reasoning") else said).append(text)
    return "".join(said), "".join(thought)


def tool_calls_of(value: Any) -> tuple[ToolCall, ...]:
    """The calls of a message; arguments that came as an object become JSON text."""
    calls = []
    for item in value or []:
        function = item["function"]
        arguments = function.get("arguments") or "{}"
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        calls.append(ToolCall(str(function["name"]), text, str(item.get("id") or "")))
    return tuple(calls)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
