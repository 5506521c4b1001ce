"""POST /v1/completions: a text, or token ids, gone on with as they stand; log-probabilities of given tokens too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.inference.engine import Engine
from cornucopia.inference.request import Reply, Token, TokenSpan
from cornucopia.inference.text import HALF
from cornucopia.records.schema import Record
from cornucopia.serving.answering import Answering, Piece
from cornucopia.serving.ask import MOST_ANSWERS, Ask, integer, read_sampling, switch, wants_usage
from cornucopia.serving.event_response import DONE, event, while_there
from cornucopia.serving.house import House, id_of
from cornucopia.serving.json_response import json_response
from cornucopia.serving.problems import Problem
from cornucopia.serving.sending import send
from cornucopia.serving.shelf import Served

MOST_PROMPTS = 256
MOST_LIKELY = 5  # tokens told at each place, as OpenAI has it
_OWN = ("model", "prompt", "n", "best_of", "stream", "stream_options", "logprobs", "echo", "suffix", "max_tokens")
DEFAULT_TOKENS = 16  # OpenAI's for this path
Prompts = Sequence[Sequence[int]]


async def complete(house: House, request: Request) -> Response:
    """Go on with a text.

    Raises:
        Problem: it cannot be done.
    """
    body = await house.body(request)
    served, lease = await while_there(request, house.lease(body.get("model"), request))
    try:
        ask, most, echo = _read(body, served)
        prompts = await served.worker.call(lambda: prompts_of(body.get("prompt"), served.engine))
        given = await served.worker.call(lambda: _scored(served.engine, prompts, ask.logprobs)) if echo else []
        if most == 0:
            await lease.aclose()
            choices = [_choice(index, tokens, "length", text) for index, (text, tokens) in enumerate(given)]
            return json_response({**_head(id_of(request), served), "choices": choices, "usage": _usage(prompts, [])})
    except BaseException:
        await lease.aclose()
        raise
    answering = Answering(id_of(request), served, ask, timeout=house.settings.timeout, lease=lease, prompts=prompts)
    return await send(house, request, answering, _Written(answering, prompts, given))


def _read(body: Mapping[str, Any], served: Served) -> tuple[Ask, int, bool]:
    """(what is asked, most new tokens, whether the prompt is given back)"""
    limits = served.engine.limits()
    n = integer(body, "n", integer(body, "best_of", 1, 1, MOST_ANSWERS), 1, MOST_ANSWERS)
    echo, stream = switch(body, "echo"), switch(body, "stream")
    most = integer(body, "max_tokens", DEFAULT_TOKENS, 0, 2**31)
    logprobs = None if body.get("logprobs") in (None, False) else integer(body, "logprobs", 0, 0, MOST_LIKELY)
    if body.get("best_of") not in (None, n) or body.get("suffix"):
        raise Problem(400, "不支持 suffix，best_of 只能等于 n", param="suffix" if body.get("suffix") else "best_of")
    if echo and (stream or n > 1):
        raise Problem(400, "echo 不能和 stream、n 一起用", param="echo")
    if not most and not echo:
        raise Problem(400, "max_tokens 至少为 1（为 0 时要 echo: true）", param="max_tokens")
    if echo and logprobs is not None and (logprobs > 1 or not limits.scores):
        raise Problem(400, "echo 时 logprobs 最多为 1，引擎要能给定文字算似然", param="logprobs")
    if most and not limits.tokens:
        raise Problem(400, "这个模型的引擎不能接着一段文字写，用 /v1/chat/completions", param="model")
    if most and logprobs is not None and not limits.logprobs:
        raise Problem(400, "这个模型的引擎不给对数概率", param="logprobs")
    left = {name: value for name, value in body.items() if name not in _OWN} | {"max_tokens": most or 1}
    sampling = read_sampling(left, served.model.own_sampling())
    return Ask(Record(), sampling, n, stream, wants_usage(body), logprobs), most, echo


def prompts_of(prompt: Any, engine: Engine, name: str = "prompt") -> list[list[int]]:
    """The token ids of each prompt; called where the engine works.

    Raises:
        Problem: it is neither text nor ids, nor a list of them, or longer than the model can take.
    """
    tokenizer = getattr(engine, "tokenizer", None)
    if tokenizer is None:
        raise Problem(400, "这个模型的引擎没有词表，用 /v1/chat/completions", param="model")
    one = isinstance(prompt, str) or (isinstance(prompt, list) and prompt and _is_id(prompt[0]))
    prompts = [prompt] if one else prompt
    if not isinstance(prompts, list) or not 0 < len(prompts) <= MOST_PROMPTS:
        raise Problem(400, f"{name} 应是文字、词元编号的列表，或它们的列表（至多 {MOST_PROMPTS} 个）", param=name)
    return [_ids(item, tokenizer, engine.limits().context, name) for item in prompts]


def _ids(prompt: Any, tokenizer: Any, context: int | None, name: str) -> list[int]:
    from cornucopia.tokens.render import encode_text

    if isinstance(prompt, str) and prompt:
        ids = encode_text(prompt, tokenizer, complete=False)
    elif isinstance(prompt, list) and prompt and all(_is_id(i) and 0 <= i < len(tokenizer) for i in prompt):
        ids = prompt
    else:
        raise Problem(400, f"{name} 里有一项是空的，或不是文字也不是词表里的编号", param=name)
    if context is not None and len(ids) >= context:
        message = f"{name} 有 {len(ids)} 个词元，模型的上下文是 {context} 个"
        raise Problem(400, message, param=name, code="context_length_exceeded")
    return ids


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _scored(engine: Engine, prompts: Prompts, logprobs: int | None) -> list[tuple[str, list[Token]]]:
    """Each prompt's text and its tokens, with log-probabilities where they are wanted; the first has none."""
    tokenizer = engine.tokenizer  # type: ignore[attr-defined]
    scores = engine.score([TokenSpan(ids, 1, len(ids)) for ids in prompts]) if logprobs is not None else []
    found = []
    for index, ids in enumerate(prompts):
        tokens = [Token(id, tokenizer.decode([id])) for id in ids]
        opened = ids[0] == tokenizer.bos_token_id  # a mark of the tokenizer's, no part of the text that was asked
        if opened:
            tokens[0] = Token(ids[0])
        for place, (own, best, likeliest) in enumerate(scores[index].each if scores else (), 1):
            top = (Token(best, tokenizer.decode([best]), likeliest),) if logprobs else ()
            tokens[place] = replace(tokens[place], logprob=own, top=top)
        found.append((tokenizer.decode(list(ids[opened:])), tokens))
    return found


class _Written:
    """Answers as a `text_completion`; see `sending.Written`."""

    def __init__(self, answering: Answering, prompts: Prompts, given: Sequence[tuple[str, list[Token]]]) -> None:
        self._answering, self._prompts, self._given = answering, prompts, given
        self._told = answering.ask.logprobs is not None
        self._head = _head(answering.id, answering.served)

    def whole(self) -> dict[str, Any]:
        answering, choices = self._answering, []
        for index, reply in sorted(answering.replies.items()):
            asked, before = self._given[index // answering.ask.n] if self._given else ("", [])
            tokens = [*before, *answering.tokens.get(index, [])] if self._told else []
            choices.append(_choice(index, tokens, reply.finish_reason, asked + reply.answer))
        return self._body(choices, usage=True)

    def begin(self) -> str:
        return ""

    def feed(self, pieces: Sequence[Piece]) -> str:
        parts = []
        for piece in pieces:
            finish = piece.reply.finish_reason if piece.reply else None
            if piece.text or finish or (self._told and piece.tokens):
                choice = _choice(piece.index, piece.tokens if self._told else [], finish, piece.text)
                parts.append(event(self._body([choice])))
        return "".join(parts)

    def end(self) -> str:
        return (event(self._body([], usage=True)) if self._answering.ask.usage else "") + DONE

    def _body(self, choices: list[dict[str, Any]], *, usage: bool = False) -> dict[str, Any]:
        used = {"usage": _usage(self._prompts, self._answering.replies.values())} if usage else {}
        return {**self._head, "choices": choices, **used}


def _choice(index: int, tokens: Sequence[Token], finish: str | None, text: str) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": _likely(tokens) if tokens else None, "finish_reason": finish}


def _likely(tokens: Sequence[Token]) -> dict[str, Any]:
    """Log-probabilities in the older form, each place's own token among the likeliest."""
    names = [_name(token) for token in tokens]
    tops = [
        None if token.logprob is None else {_name(one): one.logprob for one in (*token.top, token)} for token in tokens
    ]
    offsets = [0, *accumulate(len(token.text) for token in tokens)][:-1]
    told = [token.logprob for token in tokens]
    return {"tokens": names, "token_logprobs": told, "top_logprobs": tops, "text_offset": offsets}


def _name(token: Token) -> str:
    """A token's text, or its number where it has none or a part of a character: two such must not look the same."""
    return f"token_id:{token.id}" if not token.text or HALF in token.text else token.text


def _usage(prompts: Prompts, replies: Iterable[Reply]) -> dict[str, int]:
    asked, written = sum(map(len, prompts)), sum(reply.completion_tokens for reply in replies)
    return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}


def _head(id: str, served: Served) -> dict[str, Any]:
    return {"id": f"cmpl-{id}", "object": "text_completion", "created": int(time.time()), "model": served.name}
