"""What every engine offers: generate many, stream one, score a golden answer.

An engine knows nothing of files, reports or contestants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cornucopia.core.config import Config, option
from cornucopia.records.schema import Record

FinishReason = Literal["stop", "length", "error"]


class Sampling(Config):
    """How tokens are chosen. A value left unset comes from the model's own generation_config."""

    max_new_tokens: int | None = option(None, "最多生成多少个词元", aliases=("max_tokens",), gt=0)
    do_sample: bool | None = option(None, "是否随机采样；false 为贪心")
    temperature: float | None = option(None, "采样温度；0 等于贪心", ge=0)
    top_p: float | None = option(None, "核采样累计概率", gt=0, le=1)
    top_k: int | None = option(None, "只在概率最高的 k 个词元里采样", ge=0)
    num_beams: int | None = option(None, "束搜索的束数，1 为不用", ge=1)
    repetition_penalty: float | None = option(None, "重复惩罚，1 为不罚", gt=0)
    stop: list[str] = option([], "遇到这段文字就停；可写多次，一次一段，原样使用", split="never")
    seed: int = option(42, "随机种子；同一种子、同一行总给同一答案")


@dataclass(frozen=True)
class Request:
    """One question for an engine: `id` is unique in a run; `record` ends with the user's turn."""

    id: str
    record: Record


@dataclass(frozen=True)
class Reply:
    """One answer.

    Args:
        id: the request's.
        answer: text without special tokens, stripped; what was thought before it is not in it.
        finish_reason: "stop" (end of sequence or stop text), "length" (cut off), "error".
        prompt_tokens, completion_tokens: token counts, the end-of-sequence token included.
        seconds: wall time this answer is charged with (a batch's time shared by its tokens).
        error: Chinese message when finish_reason is "error".
        reasoning: what was thought before the answer, or ''.
    """

    id: str
    answer: str
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    error: str = ""
    reasoning: str = ""


class Engine(Protocol):
    """A model that answers."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests; replies come as they finish, in any order, one for each request."""
        ...

    def stream(self, record: Record, sampling: Sampling) -> Iterator[str]:
        """Pieces of the answer to one conversation, as they are made; what is thought before it as `text.Thought`."""
        ...

    def golden_loss(self, records: Sequence[Record]) -> list[tuple[float, int]] | None:
        """For each record: (sum of negative log-likelihood in nats, number of tokens) of its golden answer.

        The reasoning of the last message stands before the answer and is not counted.

        None when the engine cannot score (an HTTP endpoint).
        """
        ...
