"""What all that ask a model for pay may be told: which model, how it samples, what it may cost, where answers go."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import model_validator

from cornucopia.core.config import option
from cornucopia.core.errors import ConfigError
from cornucopia.inference.engine import Sampling
from cornucopia.inference.providers import THIS_MACHINE
from cornucopia.inference.spec import EngineSpec


class AskingConfig(EngineSpec):
    """Settings common to all that ask through an Asker: the writing steps of a recipe, the judges of answers."""

    base: str = option(
        "", "由哪个模型写：接口写 https://地址/v1#模型，也可以是本地模型",
        aliases=("base_model", "model", "m", "model_name_or_path"),
    )  # fmt: skip
    temperature: float = option(0.7, "采样温度；0 为贪心", ge=0, le=2)
    top_p: float | None = option(None, "核采样累计概率；不写用服务自己的", gt=0, le=1)
    max_new_tokens: int = option(2048, "一次回答最多多少词元；会先想再答的模型要写大些", aliases=("max_tokens",), gt=0)
    price_in: float = option(0.0, "每百万输入词元多少元，估算花费用", ge=0)
    price_out: float = option(0.0, "每百万输出词元多少元，估算花费用", ge=0)
    budget: float | None = option(None, "最多花多少元，按上面的价格算；到了就停", gt=0)
    budget_tokens: int | None = option(None, "输入和输出最多共多少词元；到了就停", gt=0)
    when_spent: Literal["stop", "finish"] = option(
        "stop", "预算用完时：stop 停下，提高预算再运行就接着做；finish 用已有的回答做完，其余的丢掉"
    )
    yes: bool = option(False, "看过估算就开始，不再问")
    failures_allowed: float = option(
        0.05, "一片记录里最多多大比例的请求可以一直失败（这些记录丢掉并计数）；超过就停，再运行就接着做", ge=0, le=1
    )
    cache: str = option("", "回答存在哪个文件夹；默认在用户的缓存文件夹里，各个配方共用，同一个问题不付第二次钱")

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        if self.budget and not (self.price_in or self.price_out):
            raise ValueError("写了 budget 就要写价格 price_in、price_out；只想限词元数用 budget_tokens")
        return self

    @property
    def bounded(self) -> bool:
        """Whether a budget holds."""
        return bool(self.budget or self.budget_tokens)

    @property
    def may_cost(self) -> bool:
        """Whether answers may have to be paid: an endpoint that is not on this machine, or a price."""
        endpoint = self.address[0]
        away = bool(endpoint) and urlsplit(endpoint).hostname not in THIS_MACHINE
        return away or bool(self.price_in or self.price_out)

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """Price in yuan of so many tokens."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6

    def sampling(self, sample: int) -> Sampling:
        """How an answer is sampled.

        Args:
            sample: number of the answer to the same prompt, from 0. The run's own seed has no part in it, so that two
                recipes that ask the same share the answer.
        """
        values = {"temperature": self.temperature, "top_p": self.top_p, "max_new_tokens": self.max_new_tokens}
        return Sampling.build({**values, "do_sample": self.temperature > 0, "seed": 42 + sample})

    def check_model(self) -> None:
        """Refuse a step without a model.

        Raises:
            ConfigError: none is named.
        """
        if not self.base:
            fix = "加 --model https://地址/v1#模型（配方里写 model: …），本地模型写文件夹"
            raise ConfigError("没有说由哪个模型来写", where="model", fix=fix)
