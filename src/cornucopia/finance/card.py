"""Credit cards: true yearly rate of an instalment plan, interest after a minimum payment, cash advances.

Knows the daily rate as a convention of contracts (万分之五 is the common one); the issuer's contract decides.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, money, ratio
from cornucopia.finance.decimals import CalculationError, irr, percent, yuan
from cornucopia.finance.fields import DailyRate, Day, Days, Money, Months, Rate


class Instalment(Config):
    """An instalment plan with a fee a period."""

    amount: Money = option(..., "分期本金，元", gt=0, le=Decimal("1e8"))
    months: Months = option(..., "分期期数（月）", ge=2, le=120)
    fee_rate: Rate = option(..., "每期手续费率（占分期本金），如 0.6%", ge=0, le=Decimal("0.05"))
    upfront: Literal["逐期", "一次"] = option("逐期", "手续费收取方式：逐期，或首期一次收取全部")


class MinimumPayment(Config):
    """One bill of one purchase, paid in part on the due day."""

    amount: Money = option(..., "本期账单的消费金额，元", gt=0, le=Decimal("1e8"))
    paid: Money = option(..., "到期还款日还了多少，元", ge=0)
    posted: Day = option(..., "消费入账日，如 2024-03-30")
    due: Day = option(..., "到期还款日")
    until: Day = option(..., "算到哪一天（下一账单日或还清日）")
    method: Literal["全额", "未偿"] = option("全额", "计息方式：全额（账单全部金额从入账日起），未偿（只算没还的部分）")
    daily: DailyRate = option(Decimal("0.0005"), "日利率", gt=0)


class CashAdvance(Config):
    """Cash drawn on a credit card."""

    amount: Money = option(..., "取现金额，元", gt=0, le=Decimal("1e6"))
    days: Days = option(..., "天数：取现当天起到还款前一天", ge=1, le=3650)
    fee_rate: Rate = option(Decimal("0.01"), "取现手续费率，以发卡行公布为准", ge=0, le=Decimal("0.1"))
    fee_minimum: Money = option(Decimal(0), "手续费每笔最低，元", ge=0)
    daily: DailyRate = option(Decimal("0.0005"), "日利率", gt=0)


def _check_daily(daily: Decimal) -> None:
    ceiling = rules.at("bank.card_daily").value["ceiling"]
    if daily > ceiling:
        raise CalculationError(
            "日利率高于常见约定的万分之五", found=percent(daily), fix=f"不高于 {percent(ceiling)}，核对合同"
        )


def instalment(plan: Instalment) -> Result:
    fee, part = plan.amount * plan.fee_rate, plan.amount / plan.months
    total = fee * plan.months
    if plan.upfront == "逐期":
        flows = [plan.amount] + [-(part + fee)] * plan.months
    else:
        flows = [plan.amount, -(part + total)] + [-part] * (plan.months - 1)
    monthly = irr(flows) if fee else Decimal(0)
    nominal, effective = monthly * 12, (1 + monthly) ** 12 - 1
    steps = [
        f"每期还本金{yuan(part)}，{plan.upfront}收手续费，每期{yuan(fee)}，{plan.months}期共{yuan(total)}",
        f"名义费率{percent(plan.fee_rate * plan.months)}，但本金逐期减少，要按内部收益率算",
        f"月内部收益率{percent(monthly)}，折合年化利率（×12）{percent(nominal, 2)}，复利年化{percent(effective, 2)}",
    ]
    values = {
        "年化利率": ratio(nominal),
        "复利年化": ratio(effective),
        "手续费合计": money(total),
        "每期还款": money(part + fee),
    }
    source = "中国人民银行公告〔2021〕第3号（贷款年化利率可用内部收益率法计算，分期还款按实际占用资金计）"
    return Result(values, steps, source)


def minimum_payment(bill: MinimumPayment) -> Result:
    _check_daily(bill.daily)
    if not bill.posted < bill.due < bill.until or bill.paid >= bill.amount:
        raise CalculationError(
            "入账日、还款日、计息日应依次向后，还款应少于账单",
            found=f"{bill.posted}、{bill.due}、{bill.until}，还 {yuan(bill.paid)}",
            fix="全额还清没有利息",
        )
    first, second = (bill.due - bill.posted).days, (bill.until - bill.due).days
    rest = bill.amount - bill.paid
    base = bill.amount if bill.method == "全额" else rest
    one, two = base * bill.daily * first, rest * bill.daily * second
    daily = percent(bill.daily)
    steps = [
        f"入账日到还款日{first}天，按{'账单全额' if base == bill.amount else '未还部分'}计息："
        f"{yuan(base)}×{daily}×{first}={yuan(one)}",
        f"还款日到{bill.until}共{second}天：{yuan(rest)}×{daily}×{second}={yuan(two)}",
        f"循环利息合计{yuan(one + two)}，剩余欠款{yuan(rest)}继续按日计息",
    ]
    usual, cited = bill.amount * rules.at("bank.card_minimum").value, ["bank.card_daily"]
    if bill.paid < usual:
        steps.append(
            f"还的不到常见的最低还款额{yuan(usual)}（账单的一成，以账单为准），会算逾期、记入征信，另收违约金，这里没有计"
        )
        cited.append("bank.card_minimum")
    values = {"利息": money(one + two), "剩余欠款": money(rest)}
    return Result(values, steps, f"{rules.cite(*cited)}；发卡行信用卡领用合约的计息条款")


def cash_advance(draw: CashAdvance) -> Result:
    _check_daily(draw.daily)
    fee = max(draw.amount * draw.fee_rate, draw.fee_minimum)
    interest = draw.amount * draw.daily * draw.days
    lowest = f"、最低{yuan(draw.fee_minimum)}" if draw.fee_minimum else ""
    steps = [
        f"取现没有免息期，利息={yuan(draw.amount)}×{percent(draw.daily)}×{draw.days}天={yuan(interest)}",
        f"手续费按{percent(draw.fee_rate)}{lowest}收{yuan(fee)}",
        f"成本合计{yuan(interest + fee)}，连本金共还{yuan(draw.amount + interest + fee)}",
    ]
    values = {"利息": money(interest), "手续费": money(fee), "成本合计": money(interest + fee)}
    return Result(values, steps, f"{rules.cite('bank.card_daily')}；手续费以发卡行公布为准")


CALCULATORS = (
    Calculator(
        "信用卡分期", "card-instalment", "信用卡", "分期手续费折合的真实年化利率", Instalment, instalment, ("年化利率",)
    ),
    Calculator(
        "最低还款",
        "minimum-payment",
        "信用卡",
        "只还一部分时的循环利息，全额计息或未偿计息",
        MinimumPayment,
        minimum_payment,
        ("利息",),
    ),
    Calculator(
        "信用卡取现", "cash-advance", "信用卡", "取现的利息和手续费", CashAdvance, cash_advance, ("利息", "成本合计")
    ),
)
