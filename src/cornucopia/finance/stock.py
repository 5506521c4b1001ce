"""A-share trading costs: commission with its 5-yuan minimum, stamp duty and transfer fee by date, break-even price."""

from __future__ import annotations

import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import CalculationError, percent, plain, rounded, yuan
from cornucopia.finance.fields import Day, Number, Rate, Whole

_RULES = ("stock.stamp_duty", "stock.transfer_fee", "stock.commission_minimum")


class _Trade(Config):
    """What every trade has."""

    shares: Whole = option(..., "股数", ge=1, le=10**9)
    commission: Rate = option(Decimal("0.00025"), "佣金费率，如 万分之2.5", ge=0, le=Decimal("0.003"))
    on: Day | None = option(None, "交易日期，决定印花税和过户费；不写按最近的规则", aliases=("date",))


class Trade(_Trade):
    """One trade."""

    side: Literal["买入", "卖出"] = option(..., "买入 或 卖出")
    price: Number = option(..., "成交价，元", gt=0, le=100000)


class RoundTrip(_Trade):
    """A purchase and a sale."""

    buy: Number = option(..., "买入价，元", gt=0, le=100000)
    sell: Number = option(..., "卖出价，元", gt=0, le=100000)


class BreakEven(_Trade):
    """A purchase to be sold without loss."""

    buy: Number = option(..., "买入价，元", gt=0, le=100000)


def fees(
    amount: Decimal, commission: Decimal, selling: bool, on: datetime.date | None
) -> tuple[Decimal, Decimal, Decimal]:
    """(commission, transfer fee, stamp duty) of a trade of `amount`, each rounded to 分."""
    paid = max(rounded(amount * commission), rules.at("stock.commission_minimum", on).value)
    transfer = rounded(amount * rules.at("stock.transfer_fee", on).value)
    stamp = rounded(amount * rules.at("stock.stamp_duty", on).value) if selling else Decimal(0)
    return paid, transfer, stamp


def _fee_text(amount: Decimal, trade: _Trade, selling: bool) -> tuple[str, Decimal]:
    paid, transfer, stamp = fees(amount, trade.commission, selling, trade.on)
    least = rules.at("stock.commission_minimum", trade.on).value
    note = f"（不足{yuan(least)}按{yuan(least)}）" if amount * trade.commission < least else ""
    text = f"佣金{yuan(paid)}{note}、过户费{yuan(transfer)}"
    parts = [paid, transfer]
    if selling:
        text += f"、印花税{percent(rules.at('stock.stamp_duty', trade.on).value)}即{yuan(stamp)}"
        parts.append(stamp)
    return f"{text}，共{'+'.join(map(yuan, parts))}={yuan(sum(parts, Decimal(0)))}", sum(parts, Decimal(0))


def trade_cost(trade: Trade) -> Result:
    amount, selling = trade.shares * trade.price, trade.side == "卖出"
    text, cost = _fee_text(amount, trade, selling)
    net = amount - cost if selling else amount + cost
    steps = [
        f"成交金额={trade.shares}股×{plain(trade.price)}元={yuan(amount)}",
        f"{trade.side}费用：{text}",
        f"{'到账' if selling else '实际付出'}{yuan(net)}" + ("" if selling else "；买入不收印花税"),
    ]
    return Result({"费用合计": money(cost), "收付金额": money(net)}, steps, rules.cite(*_RULES, day=trade.on))


def round_trip(trade: RoundTrip) -> Result:
    paid, got = trade.shares * trade.buy, trade.shares * trade.sell
    buy_text, buy_cost = _fee_text(paid, trade, False)
    sell_text, sell_cost = _fee_text(got, trade, True)
    profit = got - sell_cost - paid - buy_cost
    steps = [
        f"买入{yuan(paid)}：{buy_text}",
        f"卖出{yuan(got)}：{sell_text}",
        f"{'净赚' if profit >= 0 else '净亏'}{yuan(abs(profit))}，收益率{percent(profit / (paid + buy_cost), 2)}",
    ]
    values = {
        "净盈亏": money(profit),
        "费用合计": money(buy_cost + sell_cost),
        "收益率": ratio(profit / (paid + buy_cost)),
    }
    return Result(values, steps, rules.cite(*_RULES, day=trade.on))


def break_even(trade: BreakEven) -> Result:
    cost = trade.shares * trade.buy + sum(fees(trade.shares * trade.buy, trade.commission, False, trade.on))
    share = 1 - trade.commission - sum(rules.at(name, trade.on).value for name in _RULES[:2])
    price = (cost / trade.shares / share).quantize(Decimal("0.01"), rounding=ROUND_CEILING) - Decimal("0.02")
    while True:
        amount = trade.shares * price
        if price > 0 and amount - sum(fees(amount, trade.commission, True, trade.on)) >= cost:
            break
        price += Decimal("0.01")
        if price > trade.buy * 100 + 100:
            raise CalculationError("找不到保本价", found=f"{trade.shares}股", fix="检查股数和价格")
    text, _ = _fee_text(trade.shares * price, trade, True)
    steps = [
        f"买入{trade.shares}股连费用共付{yuan(cost)}",
        f"卖出要扣{text}",
        f"卖价至少{plain(price)}元才不亏，比买入价高{percent(price / trade.buy - 1, 2)}",
    ]
    return Result({"保本价": Value(price, "元"), "买入总成本": money(cost)}, steps, rules.cite(*_RULES, day=trade.on))


CALCULATORS = (
    Calculator(
        "股票费用", "stock-cost", "股票", "一笔买入或卖出的佣金、过户费、印花税", Trade, trade_cost, ("费用合计",)
    ),
    Calculator("股票盈亏", "stock-profit", "股票", "一买一卖扣掉全部费用后的盈亏", RoundTrip, round_trip, ("净盈亏",)),
    Calculator("保本价", "break-even", "股票", "卖到多少钱才不亏", BreakEven, break_even, ("保本价",)),
)
