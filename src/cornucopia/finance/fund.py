"""Open-end funds: subscription and redemption, fees deducted outside the amount (价外法), and both ways round."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, Value, money
from cornucopia.finance.decimals import percent, plain, rounded, yuan
from cornucopia.finance.fields import Day, Days, Money, Number, Rate

_OUTSIDE = (
    "证监基金字〔2007〕10号《关于统一规范证券投资基金认（申）购费用及认（申）购份额计算方法有关问题的通知》（价外法）"
)
_FLOOR = "bank.fund_redemption_floor"
_KIND = "基金类别：一般（类别不明，或个人持有的指数、债券基金，只查不足7天），股票或混合（各档都查），货币或ETF（不查）"


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
    days: Days = option(..., "持有天数", ge=0, le=36500)
    rate: Rate = option(..., "合同约定的赎回费率（这个持有期），如 0.5%", ge=0, le=Decimal("0.05"))
    kind: Literal["一般", "股票或混合", "货币或ETF"] = option("一般", _KIND)
    on: Day | None = option(None, "赎回日期；不写按最近的规则", aliases=("date",))


class RedemptionFor(Config):
    """Selling enough to receive an amount."""

    target: Money = option(..., "想到手多少钱，元", gt=0, le=Decimal("1e10"))
    nav: Number = option(..., "确认日单位净值，元", gt=0, le=10000)
    days: Days = option(..., "持有天数", ge=0, le=36500)
    rate: Rate = option(..., "合同约定的赎回费率（这个持有期）", ge=0, le=Decimal("0.05"))
    kind: Literal["一般", "股票或混合", "货币或ETF"] = option("一般", _KIND)
    on: Day | None = option(None, "赎回日期；不写按最近的规则", aliases=("date",))


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


def _redemption_rate(order: Redemption | RedemptionFor) -> tuple[Decimal, str]:
    """The rate that applies and why: the contract's, or the lowest the rule allows for so short a holding.

    The first tier binds every fund but money funds and ETFs; index and bond funds of individuals are free of the rest.
    """
    tiers = rules.at(_FLOOR, order.on).value
    checked = {"一般": tiers[:1], "股票或混合": tiers, "货币或ETF": []}[order.kind]
    for days, floor in checked:
        if order.days < days and order.rate < floor:
            return floor, f"持有{order.days}天、不足{days}天，赎回费率不低于{percent(floor)}"
    return order.rate, f"持有{order.days}天，赎回费率{percent(order.rate)}"


def redeem(order: Redemption) -> Result:
    rate, why = _redemption_rate(order)
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
        f"基金合同赎回费条款；{rules.cite(_FLOOR, day=order.on)}",
    )


def redeem_for(order: RedemptionFor) -> Result:
    rate, why = _redemption_rate(order)
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
        f"基金合同赎回费条款；{rules.cite(_FLOOR, day=order.on)}",
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
