"""POST /v1/chat/completions: whole answers, and streams of `chat.completion.chunk`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.core.jsonl import to_json
from cornucopia.inference.openai_batch import call_dict, message_of, usage_of
from cornucopia.inference.request import Reply, Token
from cornucopia.records.schema import ToolCall
from cornucopia.serving.answering import Answering, Piece
from cornucopia.serving.ask import Ask, read_chat
from cornucopia.serving.event_response import DONE, while_there
from cornucopia.serving.house import House, id_of
from cornucopia.serving.problems import Problem
from cornucopia.serving.sending import send


async def chat(house: House, request: Request) -> Response:
    """Answer a conversation.

    Raises:
        Problem: it cannot be answered.
    """
    body = await house.body(request)
    served, lease = await while_there(request, house.lease(body.get("model"), request))
    try:
        ask = read_chat(body, served.model.own_sampling(), served.engine.limits())
    except BaseException:
        await lease.aclose()
        raise
    answering = Answering(id_of(request), served, ask, timeout=house.settings.timeout, lease=lease)
    return await send(house, request, answering, ChatWritten(answering))


class ChatWritten:
    """Answers as a `chat.completion`, or their pieces as chunks; see `sending.Written`.

    Args:
        answering: the answers.
        model: the id that the caller is told; by default that of the model.
    """

    def __init__(self, answering: Answering, model: str | None = None) -> None:
        self._ask, self._replies, self._answering = answering.ask, answering.replies, answering
        self._head = {"id": f"chatcmpl-{answering.id}", "created": int(time.time())}
        self._head["model"] = answering.served.name if model is None else model
        head = {**self._head, "object": "chat.completion.chunk"}
        self._start = f"data: {to_json(head)[:-1]}, "  # what all chunks begin with, written once
        choice = to_json({"choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]})
        self._before, self._after = choice[1:].split('0, "delta": {}')  # of a chunk that is text alone

    def whole(self) -> dict[str, Any]:
        """The body."""
        tokens = self._answering.tokens if self._ask.logprobs is not None else {}
        replies = {index: called(self._ask, reply) for index, reply in sorted(self._replies.items())}
        choices = [
            {
                "index": index,
                "message": message_of(reply) | {"refusal": None},
                "logprobs": {"content": likely(tokens[index]), "refusal": None} if index in tokens else None,
                "finish_reason": reply.finish_reason,
            }
            for index, reply in replies.items()
        ]
        usage = usage_of(list(replies.values()))
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage}

    def begin(self) -> str:
        """Who speaks."""
        return "".join(self._chunk(index, {"role": "assistant", "content": ""}) for index in range(self._ask.n))

    def feed(self, pieces: Sequence[Piece]) -> str:
        """Chunks of what is new."""
        return "".join(part for piece in pieces for part in self._of(piece))

    def _of(self, piece: Piece) -> list[str]:
        told: dict[str, Any] = {"logprobs": {"content": likely(piece.tokens)}} if self._ask.logprobs is not None else {}
        name = "reasoning_content" if piece.thought else "content"
        if piece.text and piece.reply is None and not told and not self._ask.forced:  # nearly all of them
            text = to_json(piece.text)
            return [f'{self._start}{self._before}{piece.index}, "delta": {{"{name}": {text}}}{self._after}\n\n']
        delta = {name: piece.text} if piece.text else {}
        if self._ask.forced:
            delta = {}  # the call is told whole, when it is whole
        parts = [self._chunk(piece.index, delta, **told)] if delta or (piece.tokens and told) else []
        if piece.reply is not None:
            reply = called(self._ask, piece.reply)
            calls = [{"index": number, **call_dict(call)} for number, call in enumerate(reply.tool_calls)]
            parts += [self._chunk(piece.index, {"tool_calls": calls})] if calls else []
            parts.append(self._chunk(piece.index, {}, reply.finish_reason))
        return parts

    def end(self) -> str:
        """What stands behind the last answer."""
        usage = self._event({"choices": [], "usage": usage_of(list(self._replies.values()))})
        return (usage if self._ask.usage else "") + DONE

    def _chunk(self, index: int, delta: dict[str, Any], finish: str | None = None, **beside: Any) -> str:
        choice = {"index": index, "delta": delta, "logprobs": None, **beside, "finish_reason": finish}
        return self._event({"choices": [choice]})

    def _event(self, rest: dict[str, Any]) -> str:
        return f"{self._start}{to_json(rest)[1:]}\n\n"


def called(ask: Ask, reply: Reply) -> Reply:
    """The reply, its text taken for the call that it had to be.

    Raises:
        Problem: it was cut off before the call was whole.
    """
    if not ask.forced:
        return reply
    try:
        call = json.loads(reply.answer)
        arguments = json.dumps(call["arguments"], ensure_ascii=False)
        made = ToolCall(str(call["name"]), arguments, f"call_{reply.id[-24:]}")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Problem(500, "到了长度上限，工具调用没有写完；调大 max_tokens", param="max_tokens") from None
    return replace(reply, answer="", finish_reason="tool_calls", tool_calls=(made,))


def likely(tokens: Sequence[Token]) -> list[dict[str, Any]]:
    """Tokens with their log-probabilities, as OpenAI writes them."""
    return [{**_token(token), "top_logprobs": [_token(other) for other in token.top]} for token in tokens]


def _token(token: Token) -> dict[str, Any]:
    text = token.text
    return {"token": text, "logprob": token.logprob, "bytes": None if "\ufffd" in text else list(text.encode())}
