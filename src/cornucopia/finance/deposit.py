"""Bank deposits: demand, fixed term (to maturity, early, late), notice, instalment savings. Rates are inputs."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, money
from cornucopia.finance.decimals import CalculationError, percent, yuan
from cornucopia.finance.fields import Day, Days, Money, Months, Rate

EARLY = "《储蓄管理条例》（国务院令第107号，2011年修订）第二十四条、第二十五条"


class Demand(Config):
    """A demand deposit."""

    principal: Money = option(..., "存款金额，元", gt=0, le=Decimal("1e10"))
    rate: Rate = option(..., "活期年利率，如 0.1%", ge=0, le=Decimal("0.1"))
    days: Days = option(..., "存了多少天（算头不算尾）", ge=1, le=36500)
    base: Literal[360, 365] = option(360, "一年按 360 还是 365 天折日利率")


class Term(Config):
    """A fixed-term deposit kept to maturity, perhaps drawn late."""

    principal: Money = option(..., "存款金额，元", ge=50, le=Decimal("1e10"))
    rate: Rate = option(..., "定期年利率，如 1.5%", ge=0, le=Decimal("0.2"))
    months: Months = option(..., "存期，月（可写 3年）", ge=1, le=120)
    late_days: Days = option(0, "到期后又过多少天才取", ge=0, le=36500)
    demand_rate: Rate = option(Decimal("0.0005"), "支取日活期年利率（逾期部分按它计）", ge=0, le=Decimal("0.1"))


class EarlyDraw(Config):
    """A fixed-term deposit drawn, wholly or in part, before maturity."""

    principal: Money = option(..., "存款金额，元", ge=50, le=Decimal("1e10"))
    rate: Rate = option(..., "定期年利率，如 1.5%", ge=0, le=Decimal("0.2"))
    months: Months = option(..., "存期，月", ge=1, le=120)
    drawn: Money = option(..., "提前支取多少，元（全部就写存款金额）", gt=0)
    days: Days = option(..., "支取时已存多少天", ge=1, le=3650)
    demand_rate: Rate = option(..., "支取日活期年利率，如 0.05%", ge=0, le=Decimal("0.1"))


class Notice(Config):
    """A notice deposit."""

    principal: Money = option(..., "存款金额，元", gt=0, le=Decimal("1e10"))
    kind: Literal["1天", "7天"] = option("7天", "品种：1天 或 7天")
    rate: Rate = option(..., "通知存款年利率，如 0.75%", ge=0, le=Decimal("0.1"))
    days: Days = option(..., "实际存了多少天", ge=1, le=3650)
    notified: Literal["是", "否"] = option("是", "支取前按约定通知了吗：是 或 否")
    demand_rate: Rate = option(Decimal("0.0005"), "活期年利率（没有按约定通知时用它）", ge=0, le=Decimal("0.1"))


class Instalments(Config):
    """零存整取."""

    monthly: Money = option(..., "每月存入，元", ge=5, le=Decimal("1e8"))
    rate: Rate = option(..., "零存整取年利率", ge=0, le=Decimal("0.2"))
    months: Months = option(..., "存期，月", ge=1, le=120)


class DayCount(Config):
    """Simple interest between two days."""

    principal: Money = option(..., "本金，元", gt=0, le=Decimal("1e10"))
    rate: Rate = option(..., "年利率", ge=0, le=1)
    start: Day = option(..., "起息日（计入）")
    end: Day = option(..., "到期日（不计入）")
    base: Literal[360, 365] = option(365, "一年按 360 还是 365 天")


def _by_days(principal: Decimal, rate: Decimal, days: int, base: int = 360) -> Decimal:
    return principal * rate * days / base


def demand(deposit: Demand) -> Result:
    interest = _by_days(deposit.principal, deposit.rate, deposit.days, deposit.base)
    steps = [
        f"活期按日积数计息，日利率=年利率{percent(deposit.rate)}÷{deposit.base}",
        f"利息={yuan(deposit.principal)}×{percent(deposit.rate)}×{deposit.days}天÷{deposit.base}={yuan(interest)}",
        f"本息合计{yuan(deposit.principal + interest)}；银行每季末月20日结息，结息后利息并入本金，实际会略多",
    ]
    values = {"利息": money(interest), "本息合计": money(deposit.principal + interest)}
    return Result(values, steps, rules.cite("bank.day_base"))


def term(deposit: Term) -> Result:
    interest = deposit.principal * deposit.rate * deposit.months / 12
    late = _by_days(deposit.principal, deposit.demand_rate, deposit.late_days)
    steps = [f"整存整取到期利息={yuan(deposit.principal)}×{percent(deposit.rate)}×{deposit.months}÷12={yuan(interest)}"]
    if deposit.late_days:
        steps.append(
            f"逾期{deposit.late_days}天按活期：{yuan(deposit.principal)}×{percent(deposit.demand_rate)}"
            f"×{deposit.late_days}÷360={yuan(late)}"
        )
    total = interest + late
    steps.append(f"利息共{yuan(total)}，到期本息合计{yuan(deposit.principal + total)}，定期单利计息，期间不变")
    return Result(
        {"利息": money(total), "本息合计": money(deposit.principal + total)},
        steps,
        f"{rules.cite('bank.day_base')}；{EARLY}",
    )


def early(deposit: EarlyDraw) -> Result:
    if deposit.drawn > deposit.principal or deposit.days >= deposit.months * 31:
        raise CalculationError(
            "支取额不能超过存款，天数应在存期之内",
            fix="逾期支取用 cornucopia calc 定期存款",
            found=f"支取 {yuan(deposit.drawn)}，已存 {deposit.days} 天，存期 {deposit.months} 个月",
        )
    rest = deposit.principal - deposit.drawn
    now = _by_days(deposit.drawn, deposit.demand_rate, deposit.days)
    later, full = (x * deposit.rate * deposit.months / 12 for x in (rest, deposit.principal))
    steps = [
        f"提前支取部分按活期：{yuan(deposit.drawn)}×{percent(deposit.demand_rate)}×{deposit.days}天÷360={yuan(now)}"
    ]
    if rest:
        steps.append(f"余下{yuan(rest)}到期仍按{percent(deposit.rate)}，利息{yuan(later)}")
    loss = full - now - later
    steps.append(f"全部存到期利息是{yuan(full)}，提前支取少得{yuan(loss)}")
    values = {"支取利息": money(now), "余款到期利息": money(later), "少得利息": money(loss)}
    return Result(values, steps, f"{EARLY}；{rules.cite('bank.day_base')}")


def notice(deposit: Notice) -> Result:
    minimum, shortest = rules.at("bank.notice_minimum").value, 7 if deposit.kind == "7天" else 1
    if deposit.principal < minimum:
        raise CalculationError("个人通知存款低于起存金额", found=yuan(deposit.principal), fix=f"最低 {yuan(minimum)}")
    good = deposit.notified == "是" and deposit.days >= shortest
    rate = deposit.rate if good else deposit.demand_rate
    interest = _by_days(deposit.principal, rate, deposit.days)
    why = (
        f"已按约定提前{deposit.kind}通知，按通知存款利率{percent(rate)}"
        if good
        else (f"没有按约定通知或不足{shortest}天，按活期利率{percent(rate)}")
    )
    steps = [
        f"{deposit.kind}通知存款：{why}计息",
        f"利息={yuan(deposit.principal)}×{percent(rate)}×{deposit.days}天÷360={yuan(interest)}",
        f"本息合计{yuan(deposit.principal + interest)}",
    ]
    values = {"利息": money(interest), "本息合计": money(deposit.principal + interest)}
    return Result(values, steps, rules.cite("bank.notice_minimum", "bank.day_base"))


def instalments(plan: Instalments) -> Result:
    months = plan.months
    weight = plan.monthly * months * (months + 1) / 2
    interest = weight * plan.rate / 12
    total = plan.monthly * months + interest
    steps = [
        f"零存整取按月积数：{yuan(plan.monthly)}×{months}×({months}+1)÷2={yuan(weight)}",
        f"利息=积数×{percent(plan.rate)}÷12={yuan(interest)}",
        f"共存入{yuan(plan.monthly * months)}，到期本息{yuan(total)}",
    ]
    return Result(
        {"利息": money(interest), "本息合计": money(total)},
        steps,
        "月积数计息法（银发〔2005〕129号；商业银行零存整取计息说明）",
    )


def day_count(loan: DayCount) -> Result:
    days = (loan.end - loan.start).days
    if days <= 0:
        raise CalculationError("到期日应晚于起息日", found=f"{loan.start} 到 {loan.end}", fix="检查 --start 和 --end")
    interest = _by_days(loan.principal, loan.rate, days, loan.base)
    steps = [
        f"从{loan.start}到{loan.end}算头不算尾共{days}天",
        f"利息={yuan(loan.principal)}×{percent(loan.rate)}×{days}÷{loan.base}={yuan(interest)}",
        f"若按{725 - loan.base}天折算，利息是{yuan(_by_days(loan.principal, loan.rate, days, 725 - loan.base))}",
    ]
    return Result(
        {"利息": money(interest)}, steps, "单利，实际天数/360 或 /365（银发〔2005〕129号：存贷款日利率=年利率÷360）"
    )


CALCULATORS = (
    Calculator("活期存款", "demand-deposit", "存款", "活期利息（日积数）", Demand, demand, ("利息",)),
    Calculator(
        "定期存款", "term-deposit", "存款", "整存整取到期利息，逾期部分按活期", Term, term, ("利息", "本息合计")
    ),
    Calculator(
        "提前支取",
        "early-withdrawal",
        "存款",
        "定期存款提前支取的利息和损失",
        EarlyDraw,
        early,
        ("支取利息", "少得利息"),
    ),
    Calculator("通知存款", "notice-deposit", "存款", "1天和7天通知存款的利息", Notice, notice, ("利息",)),
    Calculator(
        "零存整取", "instalment-savings", "存款", "每月存一笔的到期利息", Instalments, instalments, ("利息", "本息合计")
    ),
    Calculator("按日计息", "day-count", "存款", "两个日期之间的利息，360天或365天", DayCount, day_count, ("利息",)),
)
