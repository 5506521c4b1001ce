"""Open-end funds: subscription and redemption, fees deducted outside the amount (价外法), and both ways round."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, Value, money
from cornucopia.finance.decimals import percent, plain, rounded, yuan
from cornucopia.finance.fields import Money, Number, Rate, Whole

_OUTSIDE = (
    "证监基金字〔2007〕10号《关于统一规范证券投资基金认（申）购费用及认（申）购份额计算方法有关问题的通知》（价外法）"
)


class Subscription(Config):
    """Buying for an amount of money."""

    amount: Money = option(..., "申购金额，元", gt=0, le=Decimal("1e10"))
    rate: Rate = option(..., "申购费率（打折后），如 0.15%", ge=0, le=Decimal("0.05"))
    nav: Number = option(..., "确认日单位净值，元", gt=0, le=10000)


class SubscriptionFor(Config):
    """Buying a number of shares."""

    shares: Number = option(..., "想买到多少份", gt=0, le=Decimal("1e10"))
    rate: Rate = option(..., "申购费率（打折后）", ge=0, le=Decimal("0.05"))
    nav: Number = option(..., "确认日单位净值，元", gt=0, le=10000)


class Redemption(Config):
    """Selling a number of shares."""

    shares: Number = option(..., "赎回份额，份", gt=0, le=Decimal("1e10"))
    nav: Number = option(..., "确认日单位净值，元", gt=0, le=10000)
    days: Whole = option(..., "持有天数", ge=0, le=36500)
    rate: Rate = option(..., "合同约定的赎回费率（这个持有期），如 0.5%", ge=0, le=Decimal("0.05"))
    kind: Literal["一般", "货币或ETF"] = option("一般", "基金类别：一般，货币或ETF（不适用7天1.5%的规定）")


class RedemptionFor(Config):
    """Selling enough to receive an amount."""

    target: Money = option(..., "想到手多少钱，元", gt=0, le=Decimal("1e10"))
    nav: Number = option(..., "确认日单位净值，元", gt=0, le=10000)
    days: Whole = option(..., "持有天数", ge=0, le=36500)
    rate: Rate = option(..., "合同约定的赎回费率（这个持有期）", ge=0, le=Decimal("0.05"))
    kind: Literal["一般", "货币或ETF"] = option("一般", "基金类别")


def subscribe(order: Subscription) -> Result:
    net = rounded(order.amount / (1 + order.rate))
    fee, shares = order.amount - net, rounded(net / order.nav)
    steps = [
        f"价外法：净申购金额={yuan(order.amount)}÷(1+{percent(order.rate)})={yuan(net)}",
        f"申购费={yuan(order.amount)}−{yuan(net)}={yuan(fee)}",
        f"份额={yuan(net)}÷{plain(order.nav)}={plain(shares)}份",
    ]
    return Result({"申购费": money(fee), "净申购金额": money(net), "份额": Value(shares, "份")}, steps, _OUTSIDE)


def subscribe_for(order: SubscriptionFor) -> Result:
    net = rounded(order.shares * order.nav)
    amount = rounded(net * (1 + order.rate))
    steps = [
        f"净申购金额={plain(order.shares)}份×{plain(order.nav)}={yuan(net)}",
        f"申购费={yuan(net)}×{percent(order.rate)}={yuan(amount - net)}",
        f"要付的申购金额={yuan(net)}+{yuan(amount - net)}={yuan(amount)}",
    ]
    return Result({"申购金额": money(amount), "申购费": money(amount - net)}, steps, _OUTSIDE)


def _redemption_rate(days: int, rate: Decimal, kind: str) -> tuple[Decimal, str]:
    """The rate that applies and why: less than 7 days costs at least 1.5%."""
    rule = rules.at("bank.fund_short_holding").value
    if kind == "一般" and days < rule["days"] and rate < rule["rate"]:
        return rule["rate"], f"持有{days}天、不足{rule['days']}天，赎回费率不低于{percent(rule['rate'])}"
    return rate, f"持有{days}天，赎回费率{percent(rate)}"


def redeem(order: Redemption) -> Result:
    rate, why = _redemption_rate(order.days, order.rate, order.kind)
    gross = rounded(order.shares * order.nav)
    fee = rounded(gross * rate)
    steps = [
        f"赎回总额={plain(order.shares)}份×{plain(order.nav)}={yuan(gross)}",
        f"{why}，赎回费={yuan(gross)}×{percent(rate)}={yuan(fee)}",
        f"到手={yuan(gross)}−{yuan(fee)}={yuan(gross - fee)}",
    ]
    return Result(
        {"到手金额": money(gross - fee), "赎回费": money(fee), "赎回总额": money(gross)},
        steps,
        f"基金合同赎回费条款；{rules.cite('bank.fund_short_holding')}",
    )


def redeem_for(order: RedemptionFor) -> Result:
    rate, why = _redemption_rate(order.days, order.rate, order.kind)
    gross = order.target / (1 - rate)
    shares = rounded(gross / order.nav)
    steps = [
        why,
        f"赎回总额={yuan(order.target)}÷(1−{percent(rate)})={yuan(gross)}",
        f"要赎回的份额={yuan(gross)}÷{plain(order.nav)}={plain(shares)}份，其中赎回费约{yuan(gross - order.target)}",
    ]
    return Result(
        {"份额": Value(shares, "份"), "赎回费": money(gross - order.target)},
        steps,
        f"基金合同赎回费条款；{rules.cite('bank.fund_short_holding')}",
    )


CALCULATORS = (
    Calculator(
        "基金申购",
        "fund-subscribe",
        "基金",
        "一笔钱申购能得多少份额、多少费用（价外法）",
        Subscription,
        subscribe,
        ("申购费", "份额"),
    ),
    Calculator(
        "申购反算",
        "fund-subscribe-for",
        "基金",
        "想买到若干份要付多少钱",
        SubscriptionFor,
        subscribe_for,
        ("申购金额",),
    ),
    Calculator(
        "基金赎回",
        "fund-redeem",
        "基金",
        "赎回到手多少、赎回费多少（不足7天1.5%）",
        Redemption,
        redeem,
        ("到手金额", "赎回费"),
    ),
    Calculator("赎回反算", "fund-redeem-for", "基金", "想到手一笔钱要赎回多少份", RedemptionFor, redeem_for, ("份额",)),
)
