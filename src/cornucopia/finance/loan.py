"""Loans repaid monthly: 等额本息, 等额本金, interest-only, what is still owed.

Payments are rounded to 分 each month, the last one clears the rest, as banks do; totals are of the unrounded formula,
as the public calculators show them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, money
from cornucopia.finance.decimals import CalculationError, percent, plain, rounded, yuan
from cornucopia.finance.fields import Money, Months, Rate

SOURCE = "等额本息、等额本金公式（普通年金现值公式，《财务管理》教材；中国人民银行个人住房贷款还款方式说明）"
Method = Literal["等额本息", "等额本金"]


class Loan(Config):
    """A loan."""

    principal: Money = option(..., "贷款本金，元", gt=0, le=Decimal("1e10"))
    rate: Rate = option(..., "年利率，如 4.9%", ge=0, le=Decimal("0.36"))
    months: Months = option(..., "期限，月（可写 30年）", ge=1, le=600)


class LoanAfter(Loan):
    """A loan some months on."""

    method: Method = option("等额本息", "还款方式：等额本息 或 等额本金")
    paid: Months = option(..., "已经还了多少个月", ge=0, le=600)


def level_payment(principal: Decimal, monthly: Decimal, months: int) -> Decimal:
    """Unrounded monthly payment of 等额本息: P·i·(1+i)^n / ((1+i)^n − 1)."""
    if monthly == 0:
        return principal / months
    growth = (1 + monthly) ** months
    return principal * monthly * growth / (growth - 1)


def schedule(principal: Decimal, rate: Decimal, months: int, method: str) -> list[tuple[Decimal, Decimal, Decimal]]:
    """(principal part, interest, balance after) of each month, all rounded to 分; the principal parts sum to principal.

    Args:
        principal: 元. rate: a year. months: number of payments. method: 等额本息 or 等额本金.
    """
    monthly, balance, rows = rate / 12, principal, []
    payment, part = rounded(level_payment(principal, monthly, months)), rounded(principal / months)
    for month in range(months):
        interest = rounded(balance * monthly)
        repaid = payment - interest if method == "等额本息" else part
        repaid = balance if month == months - 1 else min(repaid, balance)
        balance -= repaid
        rows.append((repaid, interest, balance))
    return rows


def schedule_table(rows: list[tuple[Decimal, Decimal, Decimal]]) -> list[tuple[str, ...]]:
    """A schedule as text rows."""
    head = ("期数", "月供", "本金", "利息", "剩余本金")
    body = [(str(i), *(plain(x, 2) for x in (a + b, a, b, c))) for i, (a, b, c) in enumerate(rows, 1)]
    return [head, *body]


def balance_after(loan: Loan, method: str, paid: int) -> Decimal:
    """Unrounded principal still owed after `paid` payments."""
    if method == "等额本金":
        return loan.principal * (loan.months - paid) / loan.months
    monthly = loan.rate / 12
    if monthly == 0:
        return loan.principal * (loan.months - paid) / loan.months
    left = loan.months - paid
    return level_payment(loan.principal, monthly, loan.months) * (1 - (1 + monthly) ** -left) / monthly


def equal_payment(loan: Loan) -> Result:
    monthly = loan.rate / 12
    payment = level_payment(loan.principal, monthly, loan.months)
    total = payment * loan.months
    steps = [
        f"月利率={percent(loan.rate)}÷12={percent(monthly, 6)}，共{loan.months}期",
        "等额本息月供=本金×月利率×(1+月利率)^期数÷[(1+月利率)^期数−1]" if monthly else "利率为0，月供=本金÷期数",
        f"代入本金{yuan(loan.principal)}，每月还{yuan(payment)}",
        f"还款总额{yuan(total)}，其中利息{yuan(total - loan.principal)}",
    ]
    values = {"月供": money(payment), "总利息": money(total - loan.principal), "还款总额": money(total)}
    rows = schedule(loan.principal, loan.rate, loan.months, "等额本息")
    return Result(values, steps, SOURCE, schedule_table(rows))


def equal_principal(loan: Loan) -> Result:
    monthly, part = loan.rate / 12, loan.principal / loan.months
    first, last, less = part + loan.principal * monthly, part * (1 + monthly), part * monthly
    interest = loan.principal * monthly * (loan.months + 1) / 2
    steps = [
        f"每月还本金={yuan(loan.principal)}÷{loan.months}={yuan(part)}，月利率={percent(monthly, 6)}",
        f"首月利息={yuan(loan.principal * monthly)}，首月还款{yuan(first)}",
        f"以后每月少还{yuan(less)}，末月还款{yuan(last)}",
        f"总利息=本金×月利率×(期数+1)÷2={yuan(interest)}",
    ]
    values = {"首月还款": money(first), "每月递减": money(less), "末月还款": money(last), "总利息": money(interest)}
    rows = schedule(loan.principal, loan.rate, loan.months, "等额本金")
    return Result(values, steps, SOURCE, schedule_table(rows))


def remaining(loan: LoanAfter) -> Result:
    if loan.paid > loan.months:
        raise CalculationError(
            "已还月数多于总期数", found=f"{loan.paid} > {loan.months}", fix="检查 --paid 和 --months"
        )
    balance = balance_after(loan, loan.method, loan.paid)
    left = loan.months - loan.paid
    if loan.method == "等额本息":
        payment = level_payment(loan.principal, loan.rate / 12, loan.months)
        how = [
            f"等额本息月供{yuan(payment)}，已还{loan.paid}期，还剩{left}期",
            f"剩余本金是余下{left}期月供按月利率{percent(loan.rate / 12, 6)}折算的现值，即{yuan(balance)}",
        ]
    else:
        how = [
            f"等额本金每月还本金{yuan(loan.principal / loan.months)}，已还{loan.paid}期",
            f"剩余本金={yuan(loan.principal)}×{left}÷{loan.months}={yuan(balance)}",
        ]
    values = {"剩余本金": money(balance), "已还本金": money(loan.principal - balance)}
    return Result(values, [*how, f"已经还掉的本金是{yuan(loan.principal - balance)}"], SOURCE)


def interest_only(loan: Loan) -> Result:
    monthly = loan.principal * loan.rate / 12
    total = monthly * loan.months
    steps = [
        f"先息后本每月只付利息={yuan(loan.principal)}×{percent(loan.rate)}÷12={yuan(monthly)}",
        f"{loan.months}个月利息合计{yuan(total)}",
        f"最后一期还本金加当月利息，共{yuan(loan.principal + monthly)}，到期要备足这笔钱",
    ]
    values = {"每月利息": money(monthly), "总利息": money(total), "末期还款": money(loan.principal + monthly)}
    return Result(values, steps, "单利计息；贷款合同约定的按月付息、到期还本")


CALCULATORS = (
    Calculator(
        "等额本息", "equal-payment", "贷款", "每月还款额相同的月供、总利息和还款表", Loan, equal_payment, ("月供",)
    ),
    Calculator(
        "等额本金",
        "equal-principal",
        "贷款",
        "每月还本金相同的首月、末月还款和总利息",
        Loan,
        equal_principal,
        ("首月还款", "总利息"),
    ),
    Calculator("剩余本金", "loan-balance", "贷款", "还了若干月以后还欠多少本金", LoanAfter, remaining, ("剩余本金",)),
    Calculator(
        "先息后本",
        "interest-only",
        "贷款",
        "按月付息、到期还本的利息和末期还款",
        Loan,
        interest_only,
        ("每月利息", "总利息"),
    ),
)
