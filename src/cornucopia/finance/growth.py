"""Compound growth, annuities, saving for a target, real return, nominal and effective rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import percent, plain, rounded, yuan
from cornucopia.finance.fields import Money, Rate, Span, Whole, Years

_SOURCE = "复利与年金公式（《财务管理》教材；CFA一级《Quantitative Methods》货币时间价值）"
_RATE = "年利率或假设的年收益率，如 3%"


class Compound(Config):
    """A sum that grows."""

    principal: Money = option(..., "本金，元", gt=0, le=Decimal("1e10"))
    rate: Rate = option(..., _RATE, gt=Decimal("-0.5"), le=1)
    years: Span = option(..., "年数", gt=0, le=100)
    per_year: Whole = option(1, "每年计息次数", ge=1, le=365)


class Annuity(Config):
    """Equal yearly sums."""

    payment: Money = option(..., "每期金额，元", gt=0, le=Decimal("1e9"))
    rate: Rate = option(..., "每期利率，如 3%", ge=0, le=1)
    periods: Whole = option(..., "期数", ge=1, le=600)
    due: Literal["期末", "期初"] = option("期末", "每期收付时点：期末（普通年金）、期初（先付年金）")


class Target(Config):
    """A sum to be reached."""

    target: Money = option(..., "目标金额，元", gt=0, le=Decimal("1e10"))
    years: Years = option(..., "几年后要用", ge=1, le=60)
    rate: Rate = option(..., _RATE, ge=0, le=Decimal("0.3"))
    now: Money = option(Decimal(0), "现在已有，元", ge=0, le=Decimal("1e10"))


class Real(Config):
    """A nominal return and inflation."""

    nominal: Rate = option(..., "名义年收益率", gt=Decimal("-0.9"), le=1)
    inflation: Rate = option(..., "通货膨胀率（年）", gt=Decimal("-0.5"), le=1)


class Effective(Config):
    """A nominal yearly rate."""

    nominal: Rate = option(..., "名义年利率", ge=0, le=1)
    per_year: Whole = option(12, "每年计息次数", ge=1, le=365)


class Purchasing(Config):
    """Money under inflation."""

    amount: Money = option(..., "金额，元", gt=0, le=Decimal("1e10"))
    inflation: Rate = option(..., "每年物价涨幅", gt=Decimal("-0.2"), le=1)
    years: Years = option(..., "多少年", ge=1, le=100)


def compound(saving: Compound) -> Result:
    per = saving.rate / saving.per_year
    total = saving.principal * (1 + per) ** (saving.years * saving.per_year)
    power = plain(saving.years * saving.per_year)
    simple = saving.principal * (1 + saving.rate * saving.years)
    steps = [
        f"复利终值=本金×(1+每期利率)^期数={yuan(saving.principal)}×(1+{percent(per)})^{power}={yuan(total)}",
        f"增加{yuan(total - saving.principal)}",
        f"同样利率按单利是{yuan(simple)}，复利与单利差{yuan(abs(total - simple))}；假设利率每年不变",
    ]
    return Result({"终值": money(total), "收益": money(total - saving.principal)}, steps, _SOURCE)


def annuity(plan: Annuity) -> Result:
    growth, early = (1 + plan.rate) ** plan.periods, "×(1+i)" if plan.due == "期初" else ""
    future = plan.payment * ((growth - 1) / plan.rate if plan.rate else plan.periods)
    present = future / growth
    if plan.due == "期初":
        future, present = future * (1 + plan.rate), present * (1 + plan.rate)
    steps = [
        f"每期{plan.due}{yuan(plan.payment)}，共{plan.periods}期，每期利率{percent(plan.rate)}",
        (f"终值系数[(1+i)^n−1]÷i{early}=" if plan.rate else "利率为0，终值系数就是期数")
        + f"{plain(future / plan.payment, 4)}，终值{yuan(future)}",
        f"折算到现在，现值={yuan(future)}÷{plain(growth, 4)}={yuan(present)}",
    ]
    return Result({"终值": money(future), "现值": money(present)}, steps, _SOURCE)


def target(plan: Target) -> Result:
    months, monthly = plan.years * 12, plan.rate / 12
    growth = (1 + monthly) ** months
    have = plan.now * growth
    short = max(plan.target - have, Decimal(0))
    need = short * monthly / (growth - 1) if monthly else short / months
    steps = [
        f"月收益率{percent(monthly)}，{months}个月；已有{yuan(plan.now)}届时变成{yuan(have)}",
        f"还差{yuan(short)}，每月月末存="
        + (f"缺口×月利率÷[(1+月利率)^{months}−1]" if monthly else f"缺口÷{months}")
        + f"={yuan(need)}",
        f"自己共存{yuan(need * months)}；收益率是假设，存不到时要多存或推迟",
    ]
    return Result({"每月存": money(need), "缺口": money(short)}, steps, _SOURCE)


def real(rate: Real) -> Result:
    value = (1 + rate.nominal) / (1 + rate.inflation) - 1
    steps = [
        f"实际收益率=(1+名义收益率{percent(rate.nominal)})÷(1+通胀率{percent(rate.inflation)})−1={percent(value, 2)}",
        f"近似算法是两者相减：{percent(rate.nominal - rate.inflation, 2)}",
        "为负说明名义上有收益，购买力却在下降" if value < 0 else "为正说明购买力在增加",
    ]
    return Result({"实际收益率": ratio(value)}, steps, "费雪方程（Irving Fisher，1930；《货币银行学》教材）")


def effective(rate: Effective) -> Result:
    per = rate.nominal / rate.per_year
    value = (1 + per) ** rate.per_year - 1
    steps = [
        f"每期利率={percent(rate.nominal)}÷{rate.per_year}={percent(per)}",
        f"有效年利率=(1+{percent(per)})^{rate.per_year}−1={percent(value)}",
        f"比名义利率高{percent(value - rate.nominal)}，比较产品时要用同一口径",
    ]
    return Result({"有效年利率": ratio(value, 6)}, steps, _SOURCE)


def purchasing(money_held: Purchasing) -> Result:
    growth = (1 + money_held.inflation) ** money_held.years
    worth, need = money_held.amount / growth, money_held.amount * growth
    steps = [
        f"物价每年涨{percent(money_held.inflation)}，{money_held.years}年后是现在的{plain(growth, 4)}倍",
        f"{yuan(money_held.amount)}那时的购买力={yuan(money_held.amount)}÷{plain(growth, 4)}，相当于现在{yuan(worth)}",
        f"要保持购买力，那时需要{yuan(need)}",
    ]
    values = {"购买力": money(worth), "需要金额": money(need), "物价倍数": Value(rounded(growth, 4), "倍")}
    return Result(values, steps, _SOURCE)


CALCULATORS = (
    Calculator("复利", "compound", "复利与年金", "一笔钱按复利增长到多少", Compound, compound, ("终值",)),
    Calculator("年金", "annuity", "复利与年金", "每期等额收付的终值和现值", Annuity, annuity, ("终值", "现值")),
    Calculator("目标储蓄", "target-saving", "复利与年金", "为一个目标每月要存多少", Target, target, ("每月存",)),
    Calculator("实际收益率", "real-return", "复利与年金", "扣掉通胀的收益率", Real, real, ("实际收益率",)),
    Calculator(
        "有效年利率", "effective-rate", "复利与年金", "名义年利率折成有效年利率", Effective, effective, ("有效年利率",)
    ),
    Calculator("购买力", "purchasing-power", "复利与年金", "通胀之后钱还值多少", Purchasing, purchasing, ("购买力",)),
)
