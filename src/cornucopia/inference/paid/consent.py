"""What asking is going to cost, told before the start, and agreed to."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from cornucopia.core.console import say
from cornucopia.core.errors import ConfigError, Interrupted
from cornucopia.inference.paid.settings import AskingConfig
from cornucopia.inference.providers import THIS_MACHINE


@dataclass(frozen=True)
class Estimate:
    """What is going to be asked: requests and tokens, guessed; `cached` answers are at hand and cost nothing."""

    requests: float
    tokens_in: float
    tokens_out: float
    cached: int = 0


def agree(config: AskingConfig, what: str, estimate: Estimate, *, unattended: str = "") -> None:
    """Tell what it is going to cost, and have it agreed to.

    Args:
        config: the model, its prices and the limits.
        what: name of what asks, for the user.
        unattended: how else than by `--yes` to agree beforehand, for the user.

    Raises:
        ConfigError: it may cost something, and neither `yes`, a budget nor a person agrees.
        Interrupted: the person does not want it.
    """
    free = f"；另有 {estimate.cached} 个回答已在缓存里，不再付钱" if estimate.cached else ""
    say(f"{what}：估计 {_told(config, estimate)}{free}")
    host = urlsplit(config.address[0]).hostname
    if estimate.requests and host and host not in THIS_MACHINE:
        say(f"{what}：记录里的文字会发给 {host}；有客户信息的，先做 redact 一步")
    if estimate.requests and _needs_a_yes(config):
        refuse_unattended(config, what, unattended=unattended)
        say("开始吗？输入 y 开始，其他任何字不开始：")
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "是", "好"):
            raise Interrupted("没有开始，什么也没有花", where=what, fix="想好了再运行同一条命令")


def refuse_unattended(config: AskingConfig, what: str, *, unattended: str = "") -> None:
    """Refuse at once what would have to be agreed to later, where nobody is there to do so; see `agree`.

    Raises:
        ConfigError: it may cost something, neither `yes` nor a budget is set, and nobody is at the terminal.
    """
    if _needs_a_yes(config) and not sys.stdin.isatty():
        yes = f"--yes（{unattended}）" if unattended else "--yes"
        fix = f"看过上面的估算后加 {yes}，或写预算 budget、budget_tokens"
        raise ConfigError("要花钱的一步，先要同意", where=what, fix=fix)


def _needs_a_yes(config: AskingConfig) -> bool:
    return config.may_cost and not (config.yes or config.bounded)


def _told(config: AskingConfig, estimate: Estimate) -> str:
    priced = config.price_in or config.price_out
    cost = (
        f"约 {config.cost(estimate.tokens_in, estimate.tokens_out):.2f} 元"
        if priced
        else "没有写价格 price_in、price_out，算不出多少元"
    )
    limits = [f"{config.budget} 元"] if config.budget else []
    limits += [f"{config.budget_tokens} 词元"] if config.budget_tokens else []
    limit = f"；预算 {'、'.join(limits)}" if limits else ""
    tokens = f"输入约 {estimate.tokens_in:.0f} 词元，输出约 {estimate.tokens_out:.0f} 词元（按字数估）"
    return f"{estimate.requests:.0f} 个请求，{tokens}，{cost}{limit}"
