"""Foreign exchange at a bank's posted prices, which are for 100 units: 购汇, 结汇 and the spread between them."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import CalculationError, percent, plain, rounded, yuan
from cornucopia.finance.fields import Number

_SOURCE = "银行外汇牌价（每100外币折合人民币）；客户买外汇用卖出价，卖外汇用买入价"


class Exchange(Config):
    """Money changed at a bank."""

    amount: Number = option(..., "外币金额", gt=0, le=10**9)
    direction: Literal["购汇", "结汇"] = option(..., "购汇（用人民币买外币）或 结汇（卖外币换人民币）")
    bid: Number = option(..., "银行买入价，元/100外币", gt=0, le=100000)
    ask: Number = option(..., "银行卖出价，元/100外币", gt=0, le=100000)


class Spread(Config):
    """A day's posted prices."""

    amount: Number = option(..., "外币金额", gt=0, le=10**9)
    bid: Number = option(..., "银行买入价，元/100外币", gt=0, le=100000)
    ask: Number = option(..., "银行卖出价，元/100外币", gt=0, le=100000)


class Holding(Config):
    """A foreign-currency deposit seen in yuan."""

    amount: Number = option(..., "外币本金", gt=0, le=10**9)
    gain: Number = option(..., "外币收益", ge=0, le=10**9)
    ask: Number = option(..., "当初购汇的卖出价，元/100外币", gt=0, le=100000)
    bid: Number = option(..., "现在结汇的买入价，元/100外币", gt=0, le=100000)


def _check(bid: Decimal, ask: Decimal) -> None:
    if bid > ask:
        raise CalculationError(
            "买入价不应高于卖出价", found=f"{plain(bid)} > {plain(ask)}", fix="牌价是银行的买入和卖出，检查有没有写反"
        )


def exchange(order: Exchange) -> Result:
    _check(order.bid, order.ask)
    price, name = (order.ask, "卖出价") if order.direction == "购汇" else (order.bid, "买入价")
    total = order.amount * price / 100
    verb = "需付" if order.direction == "购汇" else "可得"
    steps = [
        f"{order.direction}按银行{name}{plain(price)}（每100外币）",
        f"{verb}人民币={plain(order.amount)}×{plain(price)}÷100={yuan(total)}",
        "个人结汇、购汇每年各有等值5万美元的便利化额度",
    ]
    return Result(
        {"人民币": money(total)}, steps, f"{_SOURCE}；《个人外汇管理办法》（中国人民银行令〔2006〕第3号）及实施细则"
    )


def spread(order: Spread) -> Result:
    _check(order.bid, order.ask)
    loss = order.amount * (order.ask - order.bid) / 100
    rate = 1 - order.bid / order.ask
    steps = [
        f"买入要付{yuan(order.amount * order.ask / 100)}，马上卖回得{yuan(order.amount * order.bid / 100)}",
        f"买卖价差={plain(order.amount)}×({plain(order.ask)}−{plain(order.bid)})÷100={yuan(loss)}",
        f"一买一卖损失{percent(rate, 2)}，频繁换汇的成本就在这里",
    ]
    return Result({"价差损失": money(loss), "损失比例": ratio(rate)}, steps, _SOURCE)


def holding(saving: Holding) -> Result:
    paid = saving.amount * saving.ask / 100
    got = (saving.amount + saving.gain) * saving.bid / 100
    rate = got / paid - 1
    even = saving.amount * saving.ask / (saving.amount + saving.gain)
    steps = [
        f"当初购汇付{yuan(paid)}，现在连收益结汇得{yuan(got)}",
        f"人民币{'盈利' if got >= paid else '亏损'}{yuan(abs(got - paid))}，收益率{percent(rate, 2)}",
        f"结汇价不低于{plain(even, 4)}才不亏，外币利息可能被汇率抵消",
    ]
    values = {"人民币盈亏": money(got - paid), "收益率": ratio(rate), "保本结汇价": Value(rounded(even, 4), "元")}
    return Result(values, steps, _SOURCE)


CALCULATORS = (
    Calculator("换汇", "exchange", "外汇", "购汇要付、结汇可得多少人民币", Exchange, exchange, ("人民币",)),
    Calculator("换汇价差", "exchange-spread", "外汇", "一买一卖损失多少", Spread, spread, ("价差损失",)),
    Calculator(
        "外币存款盈亏", "foreign-deposit", "外汇", "外币收益加汇率变化后的人民币盈亏", Holding, holding, ("人民币盈亏",)
    ),
)
