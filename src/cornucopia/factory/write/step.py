"""What all writing steps share: the estimate before the start, the asker, and dropping what no answer came for."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from cornucopia.core.console import say
from cornucopia.core.errors import ConfigError, Interrupted
from cornucopia.factory.write.asker import Asker, Prompt
from cornucopia.factory.write.settings import WriteConfig
from cornucopia.factory.write.spending import prompt_tokens
from cornucopia.factory.write.templates import Templates
from cornucopia.inference.providers import THIS_MACHINE
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Stage, Survey


@dataclass
class Forecast:
    """What a shard is going to ask.

    Args:
        prompts: the requests that are known beforehand.
        answer: tokens that one answer to them is expected to have.
        later: (requests, tokens in, tokens out) of those that depend on the first answers.
    """

    prompts: list[Prompt] = field(default_factory=list)
    answer: float = 300.0
    later: tuple[float, float, float] = (0.0, 0.0, 0.0)


class WritingStage(Stage):
    """A step that asks a model; see Stage. Its survey is the estimate of what that costs."""

    surveys = True
    local = True
    settings: ClassVar[type[WriteConfig]]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.templates = Templates(self.name, config.prompts)
        self._askers: dict[Path, Asker] = {}

    def inputs(self) -> list[Path]:
        """The user's own prompts."""
        return [Path(self.config.prompts)] if self.config.prompts else []

    def asker(self, context: Context) -> Asker:
        """The step's way to its model."""
        if context.folder not in self._askers:
            self._askers[context.folder] = Asker(self.config, self.name, context.folder)
        return self._askers[context.folder]

    @abstractmethod
    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """What a shard is going to ask."""

    def survey(self, records: Sequence[Record], context: Context) -> Survey:
        """Requests, tokens in, tokens out, and how many of the requests are answered already."""
        seen = self.forecast(records, context)
        asker = self.asker(context)
        cached = asker.cached(seen.prompts)
        tokens = [prompt_tokens(prompt.record) for prompt in seen.prompts]
        share = 1 - cached / len(tokens) if tokens else 0.0
        asked = [len(tokens) * share, sum(tokens) * share, len(tokens) * seen.answer * share]
        return {"later": np.array(seen.later) * share, "asked": np.array(asked), "cached": np.array([cached])}

    def decide(self, surveys: Sequence[Path], context: Context) -> None:
        """Tell what it is going to cost, and have it agreed to.

        Raises:
            ConfigError: it may cost something, and neither `yes`, a budget nor a person agrees.
            Interrupted: the person does not want it.
        """
        total, cached = np.zeros(3), 0
        for path in surveys:
            with np.load(path) as survey:
                total += survey["asked"] + survey["later"]
                cached += int(survey["cached"][0])
        requests, tokens_in, tokens_out = total
        free = f"；另有 {cached} 个回答已在缓存里，不再付钱" if cached else ""
        say(f"{self.name}：估计 {self._told(requests, tokens_in, tokens_out)}{free}")
        endpoint, _ = self.config.address
        if requests and endpoint and urlsplit(endpoint).hostname not in THIS_MACHINE:
            say(f"{self.name}：记录里的文字会发给 {urlsplit(endpoint).hostname}；有客户信息的，先做 redact 一步")
        if requests and self.config.may_cost and not (self.config.yes or self.config.bounded):
            self._have_agreed()

    def _told(self, requests: float, tokens_in: float, tokens_out: float) -> str:
        config = self.config
        priced = config.price_in or config.price_out
        cost = (
            f"约 {config.cost(tokens_in, tokens_out):.2f} 元"
            if priced
            else "没有写价格 price_in、price_out，算不出多少元"
        )
        limits = [f"{config.budget} 元"] if config.budget else []
        limits += [f"{config.budget_tokens} 词元"] if config.budget_tokens else []
        limit = f"；预算 {'、'.join(limits)}" if limits else ""
        tokens = f"输入约 {tokens_in:.0f} 词元，输出约 {tokens_out:.0f} 词元（按字数估）"
        return f"{requests:.0f} 个请求，{tokens}，{cost}{limit}"

    def _have_agreed(self) -> None:
        if not sys.stdin.isatty():
            within = f"配方里写 yes: true，或 --steps.{self.name}.yes true"
            fix = f"看过上面的估算后加 --yes（{within}），或写预算 budget、budget_tokens"
            raise ConfigError("要花钱的一步，先要同意", where=self.name, fix=fix)
        say("开始吗？输入 y 开始，其他任何字不开始：")
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "是", "好"):
            raise Interrupted("没有开始，什么也没有花", where=self.name, fix="想好了再运行同一条命令")
