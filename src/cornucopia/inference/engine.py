"""What every engine offers: generate many, stream one, score given tokens, and say what it is and can do.

An engine knows nothing of files, reports or contestants. A new one is a class that derives from Engine, and one entry
in `open_engine.KINDS`; see docs/infer.md.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cornucopia.core.config import Config, option
from cornucopia.core.errors import UsageError
from cornucopia.records.schema import Record, ToolCall

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

    def fingerprint(self) -> str:
        """See Config; of settings that came later only the given ones count, so that older files go on."""
        values = self.model_dump(mode="json", exclude={"min_p"} if self.min_p is None else None)
        return hashlib.sha256(json.dumps(values, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]

    def sampling(self) -> Sampling:
        """The sampling settings alone, out of a larger set of options."""
        return Sampling.build({name: getattr(self, name) for name in Sampling.model_fields})


@dataclass(frozen=True)
class Request:
    """One question for an engine: `id` is unique in a run; `record` ends with the user's (or a tool's) turn."""

    id: str
    record: Record


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
    """

    nats: float = 0.0
    tokens: int = 0
    greedy: tuple[bool, ...] = ()

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
            sees images, gives log-probabilities of what it writes.
    """

    context: int | None = None
    concurrency: int = 1
    scores: bool = False
    streams: bool = False
    tools: bool = False
    images: bool = False
    logprobs: bool = False


class Engine(Protocol):
    """A model that answers. A class that derives from this must give `generate`, `describe` and `limits`."""

    @abstractmethod
    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests; replies come as they finish, in any order, one for each request."""
        ...

    @abstractmethod
    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """Everything that decides the answers, for fingerprints and reports; JSON-ready, with "sampling" in it."""
        ...

    @abstractmethod
    def limits(self) -> Limits:
        """What it can do."""
        ...

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of one answer as they are made, of what is thought before it as `text.Thought`; returns the Reply.

        Raises:
            CornucopiaError: when there is no answer.
        """
        (reply,) = self.generate([Request("stream", record)], sampling)
        yield reply.answer
        return reply

    def score(self, items: Sequence[Record | TokenSpan]) -> list[Score]:
        """How likely given tokens are: a record's final answer with its end of sequence, or a span of ids.

        Thoughts of a record's last message stand before its answer and are not counted. What cannot be scored (no
        answer, longer than the context) has no tokens.

        Raises:
            UsageError: the engine cannot score (see `limits`).
        """
        raise UsageError("这个引擎不能给定文字算似然", found=type(self).__name__, fix="用本地模型")

    def settings(self, sampling: Sampling) -> Sampling:
        """The sampling settings in effect, the model's own values filled in where they are known."""
        return sampling

    def plan(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """The requests in the groups that hang together: a group asked again whole gives the same answers again.

        Groups of one (the default) do not hang on what else is asked.
        """
        return [[request] for request in requests]

    def prompt_length(self, record: Record) -> int:
        """Tokens of the whole conversation as it would be asked, nothing cut; 0 when they cannot be counted."""
        return 0

    def prompt_limit(self, sampling: Sampling) -> int | None:
        """Most tokens a prompt may have, so that an answer still fits the context; None when nothing limits it."""
        return None
