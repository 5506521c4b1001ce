"""Bonds with fixed coupons: price, yield to maturity, durations, accrued interest; discount bonds.

A price is for 100 face on a coupon day unless it says otherwise; yields are nominal a year, compounded `freq` times.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import CalculationError, bisect, percent, plain, present_value, rounded
from cornucopia.finance.fields import Day, Days, Number, Rate, Span

_TEXTBOOK = "CFA一级《Fixed Income》债券定价、久期；中债登债券价格指标产品公式"


class _Bond(Config):
    coupon: Rate = option(..., "票面年利率，如 3%", ge=0, le=Decimal("0.5"))
    years: Span = option(..., "剩余年数（整数个付息期）", gt=0, le=100)
    freq: Literal[1, 2, 4] = option(1, "每年付息次数：1、2、4")


class PriceInput(_Bond):
    """A bond and its yield."""

    yield_rate: Rate = option(..., "到期收益率（年），如 3.5%", gt=Decimal("-0.1"), le=1, aliases=("ytm",))


class YieldInput(_Bond):
    """A bond and its price."""

    price: Number = option(..., "价格，元（每百元面值，付息日，不含应计利息）", gt=0, le=1000)


class Accrued(Config):
    """Interest between coupon days."""

    coupon: Rate = option(..., "票面年利率", ge=0, le=Decimal("0.5"))
    last: Day = option(..., "上一付息日")
    settle: Day = option(..., "结算日（不计入）")
    following: Day = option(..., "下一付息日", aliases=("next",))
    freq: Literal[1, 2, 4] = option(1, "每年付息次数")
    clean: Number | None = option(None, "净价，元；写了就算全价", gt=0, le=1000)


class Discount(Config):
    """A bill sold at a discount."""

    price: Number = option(..., "发行或买入价格，元/百元面值", gt=0, lt=100)
    days: Days = option(..., "到期还有多少天", ge=1, le=366)


def cash_flows(coupon: Decimal, years: Decimal, freq: int) -> list[Decimal]:
    """Flows of 100 face at times 0 (nothing), 1, ... n periods."""
    periods = years * freq
    if periods != int(periods):
        raise CalculationError(
            "剩余年数不是整数个付息期",
            found=f"{plain(years)} 年，每年 {freq} 次",
            fix="付息日之间的债券先用 cornucopia calc 应计利息",
        )
    each = coupon * 100 / freq
    return [Decimal(0)] + [each] * (int(periods) - 1) + [each + 100]


def price_of(coupon: Decimal, years: Decimal, freq: int, rate: Decimal) -> Decimal:
    """Price for 100 face at yield `rate` a year, compounded `freq` times."""
    return present_value(cash_flows(coupon, years, freq), rate / freq)


def price(bond: PriceInput) -> Result:
    value = price_of(bond.coupon, bond.years, bond.freq, bond.yield_rate)
    periods = int(bond.years * bond.freq)
    word = "溢价" if rounded(value) > 100 else "折价" if rounded(value) < 100 else "平价"
    steps = [
        f"每期利息=100×{percent(bond.coupon)}÷{bond.freq}={plain(bond.coupon * 100 / bond.freq, 4)}元，共{periods}期",
        f"每期折现率={percent(bond.yield_rate)}÷{bond.freq}={percent(bond.yield_rate / bond.freq)}",
        f"各期利息和到期100元本金的现值之和={plain(value, 4)}元，比面值{word}",
        "市场收益率上升，债券价格下跌",
    ]
    return Result({"价格": Value(rounded(value, 4), "元")}, steps, _TEXTBOOK)


def yield_to_maturity(bond: YieldInput) -> Result:
    flows = cash_flows(bond.coupon, bond.years, bond.freq)
    rate = bisect(lambda r: present_value(flows, r) - bond.price, Decimal("-0.09"), Decimal(5))
    if rate is None:
        raise CalculationError("价格对应的收益率超出范围", found=f"{plain(bond.price)} 元", fix="检查 --price")
    nominal = rate * bond.freq
    current = bond.coupon * 100 / bond.price
    steps = [
        f"每期利息{plain(bond.coupon * 100 / bond.freq, 4)}元，共{len(flows) - 1}期，到期还100元",
        f"使现值等于{plain(bond.price)}元的每期收益率是{percent(rate)}",
        f"到期收益率={percent(rate)}×{bond.freq}={percent(nominal)}；当期收益率{percent(current, 2)}",
        "中途卖出的收益取决于卖价",
    ]
    return Result({"到期收益率": ratio(nominal, 6), "当期收益率": ratio(current)}, steps, _TEXTBOOK)


def duration(bond: PriceInput) -> Result:
    flows, per = cash_flows(bond.coupon, bond.years, bond.freq), bond.yield_rate / bond.freq
    value = present_value(flows, per)
    weighted = present_value([flow * i for i, flow in enumerate(flows)], per)
    macaulay = weighted / value / bond.freq
    modified = macaulay / (1 + per)
    drop = modified * Decimal("0.01")
    steps = [
        f"价格{plain(value, 4)}元，各期现金流按时间加权的现值除以价格",
        f"麦考利久期={plain(macaulay, 4)}年",
        f"修正久期={plain(macaulay, 4)}÷(1+{percent(per)})={plain(modified, 4)}",
        f"收益率上升1个百分点，价格约跌{percent(drop, 2)}",
    ]
    values = {
        "麦考利久期": Value(rounded(macaulay, 4), "年"),
        "修正久期": Value(rounded(modified, 4), "年"),
        "价格": Value(rounded(value, 4), "元"),
    }
    return Result(values, steps, _TEXTBOOK)


def accrued(bond: Accrued) -> Result:
    if not bond.last <= bond.settle < bond.following:
        raise CalculationError(
            "结算日应在上一付息日和下一付息日之间",
            found=f"{bond.last}、{bond.settle}、{bond.following}",
            fix="检查 --last、--settle、--following",
        )
    days, whole = (bond.settle - bond.last).days, (bond.following - bond.last).days
    interest = bond.coupon * 100 / bond.freq * days / whole
    steps = [
        f"从上一付息日到结算日{days}天，本付息期共{whole}天",
        f"应计利息=100×{percent(bond.coupon)}÷{bond.freq}×{days}÷{whole}={plain(interest, 4)}元",
    ]
    values = {"应计利息": Value(rounded(interest, 4), "元")}
    if bond.clean is not None:
        full = rounded(rounded(interest, 4) + bond.clean, 4)
        values["全价"] = Value(full, "元")
        steps.append(f"全价=净价{plain(bond.clean)}+应计利息{plain(interest, 4)}={plain(full)}元，买方按全价付钱")
    return Result(values, steps, "实际天数/实际天数惯例（CFA一级《Fixed Income》应计利息；中债登债券价格公式）")


def discount(bill: Discount) -> Result:
    gain = 100 - bill.price
    rate = gain / bill.price * 365 / bill.days
    steps = [
        f"贴现债到期还100元，持有到期赚{plain(gain)}元",
        f"到期收益率={plain(gain)}÷{plain(bill.price)}×365÷{bill.days}={percent(rate)}",
        f"单利，按1年以内贴现债的通行公式；投入1万元约得{plain(gain / bill.price * 10000, 2)}元",
    ]
    return Result(
        {"到期收益率": ratio(rate, 6), "每万元收益": money(gain / bill.price * 10000)},
        steps,
        "中国人民银行2007年关于完善银行间债券到期收益率计算标准的通知（一年以内贴现债券按单利）",
    )


CALCULATORS = (
    Calculator("债券价格", "bond-price", "债券", "由到期收益率算价格", PriceInput, price, ("价格",)),
    Calculator("到期收益率", "bond-ytm", "债券", "由价格算到期收益率", YieldInput, yield_to_maturity, ("到期收益率",)),
    Calculator(
        "久期", "bond-duration", "债券", "麦考利久期和修正久期", PriceInput, duration, ("麦考利久期", "修正久期")
    ),
    Calculator("应计利息", "bond-accrued", "债券", "两次付息之间的应计利息和全价", Accrued, accrued, ("应计利息",)),
    Calculator(
        "贴现债", "bond-discount", "债券", "贴现国债等一年以内贴现债的收益率", Discount, discount, ("到期收益率",)
    ),
)
