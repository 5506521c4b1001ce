"""What goes into an engine and what comes out of it: sampling settings, requests, replies, tokens to score, limits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import field_validator

from cornucopia.core.config import Config, option
from cornucopia.records.schema import Message, Record, ToolCall

FinishReason = Literal["stop", "length", "tool_calls", "error"]
Failure = Literal["", "prompt", "service", "account"]


class Sampling(Config):
    """How tokens are chosen. A value left unset comes from the model's own generation_config."""

    max_new_tokens: int | None = option(None, "最多生成多少个词元", aliases=("max_tokens",), gt=0)
    do_sample: bool | None = option(None, "是否随机采样；false 为贪心")
    temperature: float | None = option(None, "采样温度；0 等于贪心", ge=0)
    top_p: float | None = option(None, "核采样累计概率", gt=0, le=1)
    top_k: int | None = option(None, "只在概率最高的 k 个词元里采样", ge=0)
    min_p: float | None = option(None, "只采样概率不低于最高者这么多倍的词元，0 为不限", ge=0, le=1)
    num_beams: int | None = option(None, "束搜索的束数，1 为不用", ge=1)
    repetition_penalty: float | None = option(None, "重复惩罚，1 为不罚", gt=0)
    stop: list[str] = option([], "遇到这段文字就停；可写多次，一次一段，原样使用", split="never")
    seed: int = option(42, "随机种子；同一种子、同一行总给同一答案")
    json_schema: str | None = option(None, "回答只能是符合这个 JSON Schema 的 JSON；写 JSON 文字", split="never")

    @field_validator("json_schema")
    @classmethod
    def _check_schema(cls, text: str | None) -> str | None:
        if text is not None and not _is_schema(text):
            raise ValueError('应是 JSON 对象，如 {"type": "object"}')
        return text

    def fingerprint(self) -> str:
        """See Config; of settings that came later only the given ones count, so that older files go on."""
        later = {name for name in ("min_p", "json_schema") if getattr(self, name) is None}
        values = self.model_dump(mode="json", exclude=later)
        return hashlib.sha256(json.dumps(values, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]

    def sampling(self) -> Sampling:
        """The sampling settings alone, out of a larger set of options."""
        return Sampling.build({name: getattr(self, name) for name in Sampling.model_fields})


@dataclass(frozen=True)
class Request:
    """One question for an engine.

    Args:
        id: unique in a run.
        record: ends with the user's (or a tool's) turn.
        ids: where given, the tokens to go on from, as they stand, in place of the record through its template; for
            engines that say `tokens` among their limits.
    """

    id: str
    record: Record
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reply:
    """One answer.

    Args:
        id: the request's.
        answer: text without special tokens, stripped; what was thought before it is not in it.
        finish_reason: "stop" (end of sequence or stop text), "length" (cut off), "tool_calls", "error".
        prompt_tokens, completion_tokens: token counts, the end-of-sequence token included.
        seconds: wall time this answer is charged with (a batch's time shared by its tokens).
        error: Chinese message when finish_reason is "error".
        failure: what an error is about: "prompt" (its content check), "service" (may pass), "account" (the next
            question would meet it too: key, model, money); '' where the engine does not say.
        reasoning: what was thought before the answer, or ''.
        tool_calls: the tools of the record that the model wants called.
        said: turns before the answer: calls that were carried out (see `tool_engine`), and their results.
    """

    id: str
    answer: str
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    error: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    failure: Failure = ""
    said: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Token:
    """One token that was written.

    Args:
        id, text: its number and what it reads as alone; half a character where it holds only some of its bytes.
        logprob: natural logarithm of its probability by the model's own distribution, before temperature and the
            like; None where it was not asked for.
        top: the most likely tokens at its place, likeliest first, as many as were asked for.
    """

    id: int
    text: str = ""
    logprob: float | None = None
    top: tuple[Token, ...] = ()


@dataclass(frozen=True)
class Event:
    """What became known of one running request: a piece of text, or its end.

    Args:
        id: the request's.
        piece: text to show, a `text.Thought` where it is thought before the answer; '' when there is none.
        reply: the whole answer, in a request's last event only.
        tokens: those chosen since this request's last event; empty for engines that do not tell them.
    """

    id: str
    piece: str = ""
    reply: Reply | None = None
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True)
class TokenSpan:
    """Tokens to score: those of `ids` in [begin, end), each given all before it; begin is at least 1."""

    ids: Sequence[int]
    begin: int
    end: int


@dataclass(frozen=True)
class Score:
    """How likely given tokens are.

    Args:
        nats: sum of their negative log-likelihood.
        tokens: how many they are.
        greedy: for each, whether it is the most likely token at its place.
        each: for each its log-probability, the likeliest token at its place, and that one's.
    """

    nats: float = 0.0
    tokens: int = 0
    greedy: tuple[bool, ...] = ()
    each: tuple[tuple[float, int, float], ...] = ()

    @property
    def all_greedy(self) -> bool:
        """Whether greedy decoding would give just these tokens."""
        return self.tokens > 0 and all(self.greedy)


@dataclass(frozen=True)
class Limits:
    """What an engine can do.

    Args:
        context: most tokens of prompt and answer together; None when unknown.
        concurrency: most requests worked on at a time.
        scores, streams, tools, images, logprobs: whether it scores given tokens, streams as it writes, calls tools,
            sees images, gives log-probabilities of what it writes (through `live`).
        schemas: whether it holds its answers to `Sampling.json_schema`; one that cannot refuses it.
        tokens: whether it goes on from given token ids (see Request) and tells those it writes (through `live`).
    """

    context: int | None = None
    concurrency: int = 1
    scores: bool = False
    streams: bool = False
    tools: bool = False
    images: bool = False
    logprobs: bool = False
    tokens: bool = False
    schemas: bool = False


def _is_schema(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
