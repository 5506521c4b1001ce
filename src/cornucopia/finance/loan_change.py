"""A mortgage that changes on its way: prepayment (shorter term or smaller payment) and LPR repricing."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import CalculationError, percent, rounded, yuan
from cornucopia.finance.fields import Money, Months, Rate
from cornucopia.finance.loan import SOURCE, Loan, LoanAfter, balance_after, level_payment


class Prepayment(LoanAfter):
    """A partial prepayment right after a monthly payment."""

    amount: Money = option(..., "提前还的本金，元", gt=0)
    keep: Literal["月供", "期限"] = option("月供", "月供：月供不变、期限缩短；期限：期限不变、月供减少")


class Repricing(Config):
    """A floating mortgage at its repricing day."""

    balance: Money = option(..., "重定价日的剩余本金，元", gt=0, le=Decimal("1e10"))
    months: Months = option(..., "剩余期限，月", ge=1, le=600)
    old_lpr: Rate = option(..., "原来的5年期以上LPR", gt=0, le=Decimal("0.2"))
    new_lpr: Rate = option(..., "重定价日最近一期的5年期以上LPR", gt=0, le=Decimal("0.2"))
    spread: Rate = option(Decimal(0), "合同加点（减点写负数），如 -30BP", ge=Decimal("-0.05"), le=Decimal("0.05"))


class PayOff(LoanAfter):
    """Paying everything off."""

    penalty: Rate = option(Decimal(0), "违约金占提前还款本金的比例，合同没有就不写", ge=0, le=Decimal("0.1"))


def _periods(balance: Decimal, monthly: Decimal, payment: Decimal) -> int:
    """Months to repay `balance` at `payment` a month, the last one possibly smaller."""
    exact = balance / payment if monthly == 0 else -(1 - balance * monthly / payment).ln() / (1 + monthly).ln()
    return int(rounded(exact, 8).to_integral_value(rounding=ROUND_CEILING))


def _last_payment(balance: Decimal, monthly: Decimal, payment: Decimal, months: int) -> Decimal:
    """The payment that clears the rest in month `months` after months−1 payments of `payment`."""
    for _ in range(months - 1):
        balance = balance * (1 + monthly) - payment
    return balance * (1 + monthly)


def _interest(loan: Loan, method: str, balance: Decimal, months: int, payment: Decimal) -> Decimal:
    """Interest from now on: 等额本息 at `payment` for `months`, or 等额本金 over `months`."""
    monthly = loan.rate / 12
    if method == "等额本金":
        return balance * monthly * (months + 1) / 2
    last = _last_payment(balance, monthly, payment, months)
    return payment * (months - 1) + last - balance


def prepay(loan: Prepayment) -> Result:
    balance = balance_after(loan, loan.method, loan.paid)
    if loan.paid >= loan.months or loan.amount >= balance:
        raise CalculationError(
            "提前还款额不小于剩余本金",
            found=f"剩余本金 {yuan(max(balance, Decimal(0)))}",
            fix="全部还清用 cornucopia calc 结清",
        )
    monthly, left, after = loan.rate / 12, loan.months - loan.paid, balance - loan.amount
    level = loan.method == "等额本息"
    payment = level_payment(loan.principal, monthly, loan.months) if level else loan.principal / loan.months
    months, new = left, payment
    if loan.keep == "期限":
        new = level_payment(after, monthly, left) if level else after / left
    else:
        months = _periods(after, monthly if level else Decimal(0), payment)
    before = _interest(loan, loan.method, balance, left, payment)
    if level or loan.keep == "期限":
        saved = before - _interest(loan, loan.method, after, months, new)
    else:
        saved = before - monthly * sum((max(after - payment * k, Decimal(0)) for k in range(months)), Decimal(0))
    word = "月供" if level else "每月本金"
    steps = [f"已还{loan.paid}期后剩余本金{yuan(balance)}，提前还{yuan(loan.amount)}后剩{yuan(after)}"]
    if loan.keep == "期限":
        steps.append(f"剩余{left}期不变，{word}由{yuan(payment)}降到{yuan(new)}，以后少付利息{yuan(saved)}")
    else:
        steps.append(f"{word}{yuan(payment)}不变，剩余期限由{left}期缩到{months}期，以后少付利息{yuan(saved)}")
    values = {"节省利息": money(saved), "剩余期数": Value(Decimal(months), "月"), word: money(new)}
    return Result(values, [*steps, "没有计算合同约定的提前还款违约金"], SOURCE)


def pay_off(loan: PayOff) -> Result:
    if loan.paid >= loan.months:
        raise CalculationError("贷款已经还完", found=f"已还 {loan.paid} 期，共 {loan.months} 期", fix="检查 --paid")
    balance = balance_after(loan, loan.method, loan.paid)
    left = loan.months - loan.paid
    payment = level_payment(loan.principal, loan.rate / 12, loan.months)
    saved, fee = _interest(loan, loan.method, balance, left, payment), balance * loan.penalty
    steps = [
        f"{loan.method}已还{loan.paid}期，剩余本金{yuan(balance)}",
        f"违约金={yuan(balance)}×{percent(loan.penalty)}={yuan(fee)}" if fee else "合同没有违约金",
        f"结清共需{yuan(balance + fee)}，余下{left}期利息{yuan(saved)}不用再付",
    ]
    values = {"结清金额": money(balance + fee), "节省利息": money(saved), "违约金": money(fee)}
    return Result(values, steps, SOURCE)


def reprice(loan: Repricing) -> Result:
    old, new = loan.old_lpr + loan.spread, loan.new_lpr + loan.spread
    if min(old, new) < 0:
        raise CalculationError("LPR 加减点后利率为负", found=percent(min(old, new)), fix="检查 --spread")
    before, after = (level_payment(loan.balance, rate / 12, loan.months) for rate in (old, new))
    spread = f"{'加' if loan.spread >= 0 else '减'}{percent(abs(loan.spread))}"
    word = "少还" if after <= before else "多还"
    steps = [
        f"利率=LPR{spread}：由{percent(old)}变为{percent(new)}",
        f"剩余本金{yuan(loan.balance)}、{loan.months}期，等额本息月供由{yuan(before)}变为{yuan(after)}",
        f"每月{word}{yuan(abs(rounded(before) - rounded(after)))}",
    ]
    values = {"新利率": ratio(new), "新月供": money(after), "月供变化": money(rounded(after) - rounded(before))}
    source = "中国人民银行公告〔2019〕第16号、〔2024〕第11号（房贷利率=LPR+加点，重定价日按最近一期LPR调整）"
    return Result(values, steps, source)


CALCULATORS = (
    Calculator(
        "提前还款", "prepay", "贷款", "部分提前还款：缩短期限或减少月供，省多少利息", Prepayment, prepay, ("节省利息",)
    ),
    Calculator("结清", "pay-off", "贷款", "一次还清需要多少钱，省多少利息", PayOff, pay_off, ("结清金额",)),
    Calculator(
        "LPR重定价", "lpr-reset", "贷款", "LPR变动后房贷利率和月供怎么变", Repricing, reprice, ("新利率", "新月供")
    ),
)
