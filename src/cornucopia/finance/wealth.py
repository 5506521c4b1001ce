"""Bank wealth products and money funds: net value, annualised return, 七日年化 and 万份收益, 业绩比较基准.

Every figure is past or hypothetical; none is a promise.
"""

from __future__ import annotations

from decimal import Decimal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import CalculationError, percent, plain, rounded, yuan
from cornucopia.finance.fields import Days, Money, Number, Rate

_NAV = "资管新规（银发〔2018〕106号）净值化管理：收益=份额×（赎回净值−买入净值）；年化按365天单利"


class NetValue(Config):
    """A net-value product bought and redeemed."""

    amount: Money = option(..., "买入金额，元", gt=0, le=Decimal("1e10"))
    buy: Number = option(..., "买入时单位净值", gt=0, le=10000)
    sell: Number = option(..., "赎回时单位净值", gt=0, le=10000)
    days: Days = option(..., "持有天数", ge=1, le=36500)


class SevenDay(Config):
    """Seven days of income for 10,000 shares."""

    incomes: list[Number] = option(..., "最近7天的每万份收益，元，逗号分隔")


class TenThousand(Config):
    """A day's income of a money fund."""

    amount: Money = option(..., "持有金额，元（每份1元）", gt=0, le=Decimal("1e10"))
    income: Number = option(..., "每万份收益，元", ge=0, le=100)
    days: Days = option(1, "按这个水平持有多少天（不计复利）", ge=1, le=366)


class Benchmark(Config):
    """A performance benchmark turned into money."""

    amount: Money = option(..., "买入金额，元", gt=0, le=Decimal("1e10"))
    low: Rate = option(..., "业绩比较基准下限（年化）", ge=0, le=Decimal("0.5"))
    high: Rate | None = option(None, "业绩比较基准上限，单一数值就不写", ge=0, le=Decimal("0.5"))
    days: Days = option(..., "持有天数", ge=1, le=36500)


class Annualised(Config):
    """A return over some days as a yearly one."""

    cost: Money = option(..., "投入本金，元", gt=0)
    gain: Money = option(..., "期间收益，元（亏损写负数）")
    days: Days = option(..., "持有天数", ge=1, le=36500)


def net_value(product: NetValue) -> Result:
    shares = rounded(product.amount / product.buy)
    gain = shares * product.sell - shares * product.buy
    rate, change = product.sell / product.buy - 1, abs(product.sell - product.buy)
    yearly = rate * 365 / product.days
    up, word = ("涨", "盈利") if gain >= 0 else ("跌", "亏损")
    steps = [
        f"份额={yuan(product.amount)}÷{plain(product.buy)}={plain(shares)}份",
        f"每份净值{up}了{plain(change)}元，{word}={plain(shares)}×{plain(change)}={yuan(abs(gain))}",
        f"持有期收益率{percent(rate, 2)}，年化={percent(rate, 2)}×365÷{product.days}={percent(yearly, 2)}",
        "年化只是折算，净值会波动，不代表以后的收益",
    ]
    values = {"份额": Value(shares, "份"), "收益": money(gain), "收益率": ratio(rate), "年化收益率": ratio(yearly)}
    return Result(values, steps, _NAV)


def seven_day(fund: SevenDay) -> Result:
    if len(fund.incomes) != 7 or min(fund.incomes, default=Decimal(0)) < 0:
        raise CalculationError(
            "要正好7天的每万份收益", found=f"{len(fund.incomes)} 个", fix="--incomes 0.52,0.51,...（7个）"
        )
    product = Decimal(1)
    for income in fund.incomes:
        product *= 1 + income / 10000
    compound = product ** (Decimal(365) / 7) - 1
    simple = sum(fund.incomes, Decimal(0)) / 7 * 365 / 10000
    steps = [
        f"7天每万份收益合计{plain(sum(fund.incomes, Decimal(0)))}元",
        f"按日结转份额（复利）：七日年化=[连乘(1+每万份收益÷10000)]^(365÷7)−1={percent(compound, 3)}",
        f"按月结转（单利）：平均每万份收益×365÷10000={percent(simple, 3)}",
        "七日年化是过去7天的折算，每天都会变",
    ]
    return Result(
        {"七日年化": ratio(compound, 5), "单利七日年化": ratio(simple, 5)},
        steps,
        "证监会《货币市场基金信息披露特别规定》（信息披露编报规则第5号）七日年化收益率公式",
    )


def ten_thousand(fund: TenThousand) -> Result:
    daily = fund.amount / 10000 * fund.income
    total, yearly = daily * fund.days, fund.income * 365 / 10000
    steps = [
        f"每天收益={yuan(fund.amount)}÷10000×{plain(fund.income)}元={yuan(daily)}",
        f"{fund.days}天共{yuan(total)}",
        f"这个水平单利折合年化约{percent(yearly, 2)}，每万份收益每天公布、会变",
    ]
    return Result(
        {"每日收益": money(daily), "合计收益": money(total), "折合年化": ratio(yearly)},
        steps,
        "证监会《货币市场基金信息披露特别规定》（每万份基金净收益）",
    )


def benchmark(product: Benchmark) -> Result:
    high = product.low if product.high is None else product.high
    if high < product.low:
        raise CalculationError(
            "上限低于下限", found=f"{percent(product.low)}~{percent(high)}", fix="检查 --low 和 --high"
        )
    one, two = (product.amount * rate * product.days / 365 for rate in (product.low, high))
    steps = [
        f"按{percent(product.low)}折算：{yuan(product.amount)}×{percent(product.low)}×{product.days}÷365={yuan(one)}"
    ]
    if high != product.low:
        steps.append(f"按{percent(high)}折算为{yuan(two)}，区间{yuan(one)}到{yuan(two)}")
    steps.append("业绩比较基准只是管理人设定的目标参考，不是预期收益，更不是承诺，实际可能低于它甚至亏损本金")
    return Result(
        {"按下限折算": money(one), "按上限折算": money(two)},
        steps,
        "《理财公司理财产品销售管理暂行办法》（银保监会令2021年第4号）；单利，实际天数/365",
    )


def annualised(holding: Annualised) -> Result:
    rate = holding.gain / holding.cost
    if rate <= -1:
        raise CalculationError("亏损不应超过本金", found=yuan(holding.gain), fix="检查 --gain")
    simple, compound = rate * 365 / holding.days, (1 + rate) ** (Decimal(365) / holding.days) - 1
    steps = [
        f"持有期收益率={yuan(holding.gain)}÷{yuan(holding.cost)}={percent(rate, 2)}",
        f"单利年化=收益率×365÷{holding.days}={percent(simple, 2)}",
        f"复利年化=(1+收益率)^(365÷{holding.days})−1={percent(compound, 2)}",
        "年化是折算，不代表能一直保持",
    ]
    values = {"收益率": ratio(rate), "单利年化": ratio(simple), "复利年化": ratio(compound)}
    return Result(values, steps, "年化收益率定义（CFA一级《Quantitative Methods》；基金从业教材）")


CALCULATORS = (
    Calculator(
        "理财净值", "net-value", "理财", "净值型产品的份额、收益和年化", NetValue, net_value, ("收益", "年化收益率")
    ),
    Calculator("七日年化", "seven-day-yield", "理财", "由7天每万份收益算七日年化", SevenDay, seven_day, ("七日年化",)),
    Calculator(
        "万份收益",
        "ten-thousand-income",
        "理财",
        "货币基金每天能得多少",
        TenThousand,
        ten_thousand,
        ("每日收益", "合计收益"),
    ),
    Calculator(
        "业绩比较基准",
        "benchmark",
        "理财",
        "按业绩比较基准折算的金额（不是承诺）",
        Benchmark,
        benchmark,
        ("按下限折算", "按上限折算"),
    ),
    Calculator(
        "年化收益率", "annualised", "理财", "一段时间的收益折合年化，单利和复利", Annualised, annualised, ("单利年化",)
    ),
)
