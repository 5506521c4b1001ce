"""Savings insurance: internal rate of return, surrender, policy loan. Cash values come from the policy's own table."""

from __future__ import annotations

from decimal import Decimal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, money, ratio
from cornucopia.finance.decimals import CalculationError, irr, percent, yuan
from cornucopia.finance.fields import Days, Money, Rate, Years

_IRR = "内部收益率定义（CFA一级《Quantitative Methods》）；保费年初交、给付年末到"


class Savings(Config):
    """Level premiums, then one payment."""

    premium: Money = option(..., "每年交的保费，元（年初交）", gt=0, le=Decimal("1e8"))
    pay_years: Years = option(..., "交多少年", ge=1, le=60)
    years: Years = option(..., "第几年末拿回", ge=1, le=105)
    value: Money = option(..., "那时的现金价值或满期金，元", gt=0, le=Decimal("1e10"))


class Annuity(Config):
    """Level premiums, then yearly payments."""

    premium: Money = option(..., "每年交的保费，元（年初交）", gt=0, le=Decimal("1e8"))
    pay_years: Years = option(..., "交多少年", ge=1, le=60)
    first: Years = option(..., "第几年末开始领", ge=1, le=105)
    payment: Money = option(..., "每年领多少，元", gt=0, le=Decimal("1e8"))
    times: Years = option(..., "领多少年", ge=1, le=80)
    final: Money = option(Decimal(0), "最后一年另有的满期金，元", ge=0, le=Decimal("1e10"))


class Surrender(Config):
    """Giving a policy back."""

    premium: Money = option(..., "每年交的保费，元", gt=0, le=Decimal("1e8"))
    paid_years: Years = option(..., "已经交了几年", ge=1, le=60)
    value: Money = option(..., "保单写的本年末现金价值，元", ge=0, le=Decimal("1e10"))
    loan: Money = option(Decimal(0), "没还的保单贷款本息，元", ge=0, le=Decimal("1e10"))


class PolicyLoan(Config):
    """Borrowing on a policy."""

    value: Money = option(..., "现金价值，元", gt=0, le=Decimal("1e10"))
    share: Rate = option(Decimal("0.8"), "可贷比例，常见 80%", gt=0, le=Decimal("0.9"))
    rate: Rate = option(..., "贷款年利率", ge=0, le=Decimal("0.24"))
    days: Days = option(180, "借多少天（常见一期不超过6个月）", ge=1, le=365)


def _flows(premium: Decimal, pay_years: int, income: dict[int, Decimal]) -> list[Decimal]:
    """Flows at the ends of years 0, 1, ...: premiums at the start of a year, income at the end."""
    flows = [Decimal(0)] * (max([pay_years - 1, *income]) + 1)
    for year in range(pay_years):
        flows[year] -= premium
    for year, amount in income.items():
        flows[year] += amount
    return flows


def savings(policy: Savings) -> Result:
    if policy.years < policy.pay_years:
        raise CalculationError(
            "拿回的年份早于交完保费", found=f"第{policy.years}年，交{policy.pay_years}年", fix="检查 --years"
        )
    paid = policy.premium * policy.pay_years
    rate = irr(_flows(policy.premium, policy.pay_years, {policy.years: policy.value}))
    steps = [
        f"每年交{yuan(policy.premium)}、交{policy.pay_years}年，共{yuan(paid)}；第{policy.years}年末拿回{yuan(policy.value)}",
        f"{'多' if policy.value >= paid else '少'}{yuan(abs(policy.value - paid))}，但要看钱放了多久",
        f"使各年现金流现值之和为零的年复利IRR={percent(rate, 2)}",
        "分红、万能的演示利益不保证，只有写进合同的才算数",
    ]
    return Result({"IRR": ratio(rate), "累计保费": money(paid), "差额": money(policy.value - paid)}, steps, _IRR)


def annuity(policy: Annuity) -> Result:
    if policy.first < policy.pay_years:
        raise CalculationError(
            "开始领取早于交完保费",
            found=f"第{policy.first}年领，交{policy.pay_years}年",
            fix="年金一般在交完保费之后领",
        )
    income = {policy.first + i: policy.payment for i in range(policy.times)}
    income[policy.first + policy.times - 1] += policy.final
    paid, got = policy.premium * policy.pay_years, sum(income.values(), Decimal(0))
    if got <= 0:
        raise CalculationError("没有给付", fix="检查 --payment 和 --times")
    rate = irr(_flows(policy.premium, policy.pay_years, income))
    extra = f"，末年另领{yuan(policy.final)}" if policy.final else ""
    steps = [
        f"每年交{yuan(policy.premium)}、交{policy.pay_years}年，共{yuan(paid)}",
        f"第{policy.first}年末起每年领{yuan(policy.payment)}、领{policy.times}年{extra}，共领{yuan(got)}",
        f"年复利IRR={percent(rate, 2)}，和存款比较时看它，不看总领取额",
    ]
    return Result({"IRR": ratio(rate), "累计保费": money(paid), "累计领取": money(got)}, steps, _IRR)


def surrender(policy: Surrender) -> Result:
    paid, got = policy.premium * policy.paid_years, policy.value - policy.loan
    if got < 0:
        raise CalculationError("保单贷款本息超过现金价值", found=yuan(policy.loan), fix="联系保险公司，保单可能中止")
    loss = paid - got
    steps = [
        f"已交{policy.paid_years}年保费共{yuan(paid)}",
        f"退保拿回现金价值{yuan(policy.value)}"
        + (f"，扣贷款本息{yuan(policy.loan)}后{yuan(got)}" if policy.loan else ""),
        f"{'损失' if loss >= 0 else '多得'}{yuan(abs(loss))}，占已交保费{percent(abs(loss) / paid, 2)}",
        "退保后保障终止；缺钱可先问保单贷款或减额交清",
    ]
    return Result(
        {"退保金": money(got), "损失": money(loss), "损失比例": ratio(loss / paid)},
        steps,
        "《保险法》第四十七条（解除合同退还现金价值）；保单现金价值表",
    )


def policy_loan(policy: PolicyLoan) -> Result:
    most = policy.value * policy.share
    interest = most * policy.rate * policy.days / 365
    steps = [
        f"最多可贷={yuan(policy.value)}×{percent(policy.share)}={yuan(most)}",
        f"{policy.days}天利息={yuan(most)}×{percent(policy.rate)}×{policy.days}÷365={yuan(interest)}",
        f"到期还本息{yuan(most + interest)}；不还会滚入本金，超过现金价值时合同中止",
    ]
    return Result(
        {"可贷金额": money(most), "利息": money(interest)},
        steps,
        "保单贷款条款（常见不超过现金价值80%，每期最长6个月）",
    )


CALCULATORS = (
    Calculator("储蓄险IRR", "savings-irr", "保险", "增额寿、两全险的真实年复利收益率", Savings, savings, ("IRR",)),
    Calculator("年金险IRR", "annuity-irr", "保险", "年金险的真实年复利收益率", Annuity, annuity, ("IRR",)),
    Calculator("退保", "surrender", "保险", "退保拿回多少、损失多少", Surrender, surrender, ("退保金", "损失")),
    Calculator("保单贷款", "policy-loan", "保险", "能贷多少、利息多少", PolicyLoan, policy_loan, ("可贷金额", "利息")),
)
