"""How a fund did: regular investment (定投) with its IRR, maximum drawdown, Sharpe ratio."""

from __future__ import annotations

from decimal import Decimal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import CalculationError, irr, percent, plain, rounded, yuan
from cornucopia.finance.fields import Money, Number, Rate, Whole, Years


class Regular(Config):
    """The same sum every period at known net values."""

    amount: Money = option(..., "每期定投金额，元", gt=0, le=Decimal("1e8"))
    navs: list[Number] = option(..., "每期买入时的单位净值，逗号分隔")
    final: Number = option(..., "最后（再过一期）的单位净值", gt=0, le=10000)
    rate: Rate = option(Decimal(0), "申购费率", ge=0, le=Decimal("0.05"))
    per_year: Whole = option(12, "每年多少期", ge=1, le=252)


class RegularPlan(Config):
    """The same sum every month at an assumed yearly return."""

    amount: Money = option(..., "每月定投金额，元", gt=0, le=Decimal("1e8"))
    years: Years = option(..., "投多少年", ge=1, le=60)
    rate: Rate = option(..., "假设的年化收益率", gt=Decimal("-0.5"), le=Decimal("0.5"))


class Series(Config):
    """Net values in order of time."""

    navs: list[Number] = option(..., "按时间先后的单位净值，逗号分隔")


class Sharpe(Config):
    """Returns of equal periods."""

    returns: list[Rate] = option(..., "每期收益率，逗号分隔，如 1.2%,-0.5%,0.8%")
    risk_free: Rate = option(Decimal("0.02"), "无风险年利率", ge=0, le=Decimal("0.2"))
    per_year: Whole = option(12, "每年多少期（月度12，周度52，日度252）", ge=1, le=252)


def _positive(navs: list[Decimal], least: int) -> None:
    if len(navs) < least or min(navs) <= 0:
        raise CalculationError(f"至少要 {least} 个大于0的净值", found=f"{len(navs)} 个", fix="--navs 1.00,0.95,1.02")


def _gain(amount: Decimal) -> str:
    return f"{'盈利' if amount >= 0 else '亏损'}{yuan(abs(amount))}"


def regular(plan: Regular) -> Result:
    _positive(plan.navs, 1)
    net = rounded(plan.amount / (1 + plan.rate))
    shares = sum((rounded(net / nav) for nav in plan.navs), Decimal(0))
    paid, worth = plan.amount * len(plan.navs), shares * plan.final
    rate = irr([-plan.amount] * len(plan.navs) + [worth])
    yearly = (1 + rate) ** plan.per_year - 1
    steps = [
        f"{len(plan.navs)}期共投{yuan(paid)}，累计{plain(shares)}份，平均成本每份{plain(paid / shares, 4)}元",
        f"期末市值={plain(shares)}×{plain(plan.final)}={yuan(worth)}，{_gain(worth - paid)}",
        f"总收益率{percent(worth / paid - 1, 2)}；按每期投入时间算的年化内部收益率{percent(yearly, 2)}",
        "过去的结果不代表以后",
    ]
    values = {
        "期末市值": money(worth),
        "盈亏": money(worth - paid),
        "平均成本": Value(rounded(paid / shares, 4), "元"),
        "总收益率": ratio(worth / paid - 1),
        "年化内部收益率": ratio(yearly),
    }
    return Result(values, steps, "内部收益率定义（CFA一级《Quantitative Methods》货币加权收益率）；份额按价外法")


def regular_plan(plan: RegularPlan) -> Result:
    monthly, months = plan.rate / 12, plan.years * 12
    growth = (1 + monthly) ** months
    worth = plan.amount * months if monthly == 0 else plan.amount * (growth - 1) / monthly * (1 + monthly)
    paid = plan.amount * months
    steps = [
        f"每月月初投{yuan(plan.amount)}，{months}个月共投入{yuan(paid)}",
        f"假设年化{percent(plan.rate)}，月收益率{percent(monthly)}，{'用先付年金终值公式' if monthly else '没有收益'}",
        f"期末约{yuan(worth)}，其中{_gain(worth - paid)}",
        "收益率只是假设，基金会涨会跌，不保证",
    ]
    return Result({"期末金额": money(worth), "累计投入": money(paid)}, steps, "先付年金终值公式（《财务管理》教材）")


def drawdown(series: Series) -> Result:
    _positive(series.navs, 2)
    peak, worst, pair = series.navs[0], Decimal(0), (series.navs[0], series.navs[0])
    for nav in series.navs:
        peak = max(peak, nav)
        if 1 - nav / peak > worst:
            worst, pair = 1 - nav / peak, (peak, nav)
    back = pair[0] / pair[1] - 1
    steps = [
        f"从每个时点往前找最高净值，最大的一段下跌是从{plain(pair[0])}到{plain(pair[1])}",
        f"最大回撤=({plain(pair[0])}−{plain(pair[1])})÷{plain(pair[0])}={percent(worst, 2)}",
        f"要从低点涨{percent(back, 2)}才能回到前高",
    ]
    return Result(
        {"最大回撤": ratio(worst), "回本涨幅": ratio(back)}, steps, "最大回撤定义（《证券投资基金》基金从业教材）"
    )


def sharpe(sample: Sharpe) -> Result:
    count = len(sample.returns)
    if count < 3:
        raise CalculationError("至少要3期收益率", found=f"{count} 期", fix="--returns 1.2%,-0.5%,0.8%")
    mean = sum(sample.returns, Decimal(0)) / count
    deviation = (sum(((x - mean) ** 2 for x in sample.returns), Decimal(0)) / (count - 1)).sqrt()
    if deviation == 0:
        raise CalculationError("收益率没有波动，夏普比率无定义", found=percent(mean), fix="检查 --returns")
    yearly, risk = mean * sample.per_year, deviation * Decimal(sample.per_year).sqrt()
    value = (yearly - sample.risk_free) / risk
    steps = [
        f"{count}期平均收益率{percent(mean)}，年化={percent(yearly)}",
        f"样本标准差{percent(deviation)}，年化波动率={percent(risk)}",
        f"夏普比率=(年化收益率−无风险利率{percent(sample.risk_free)})÷年化波动率={plain(value, 4)}",
    ]
    values = {
        "夏普比率": Value(rounded(value, 4), "none"),
        "年化收益率": ratio(yearly, 6),
        "年化波动率": ratio(risk, 6),
    }
    return Result(values, steps, "Sharpe（1994）The Sharpe Ratio；收益率算术年化，样本标准差（n−1）")


CALCULATORS = (
    Calculator(
        "基金定投",
        "regular-investment",
        "基金",
        "按历史净值算定投的市值、成本和年化内部收益率",
        Regular,
        regular,
        ("期末市值", "年化内部收益率"),
    ),
    Calculator(
        "定投测算",
        "regular-plan",
        "基金",
        "假设年化收益率的定投终值（不是承诺）",
        RegularPlan,
        regular_plan,
        ("期末金额",),
    ),
    Calculator("最大回撤", "drawdown", "基金", "净值序列的最大回撤", Series, drawdown, ("最大回撤",)),
    Calculator("夏普比率", "sharpe", "基金", "由每期收益率算年化夏普比率", Sharpe, sharpe, ("夏普比率",)),
)
