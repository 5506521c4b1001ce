"""Individual income tax of residents on wages: monthly cumulative withholding, annual settlement, year-end bonus."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, money
from cornucopia.finance.decimals import percent, plain, rounded, yuan
from cornucopia.finance.fields import Day, Money, Whole

_TOP = Decimal("1e9")


class Withholding(Config):
    """The same salary every month."""

    salary: Money = option(..., "每月税前工资，元", ge=0, le=_TOP)
    insurance: Money = option(Decimal(0), "每月个人缴的三险一金，元", ge=0, le=_TOP)
    special: Money = option(Decimal(0), "每月专项附加扣除，元", ge=0, le=_TOP)
    month: Whole = option(..., "算第几个月（从当年入职的第1个月数起）", ge=1, le=12)


class Settlement(Config):
    """A year's comprehensive income."""

    wages: Money = option(..., "全年工资薪金收入，元", ge=0, le=_TOP)
    labour: Money = option(Decimal(0), "全年劳务报酬收入，元（按80%计入）", ge=0, le=_TOP)
    author: Money = option(Decimal(0), "全年稿酬收入，元（按56%计入）", ge=0, le=_TOP)
    royalty: Money = option(Decimal(0), "全年特许权使用费收入，元（按80%计入）", ge=0, le=_TOP)
    insurance: Money = option(Decimal(0), "全年三险一金，元", ge=0, le=_TOP)
    special: Money = option(Decimal(0), "全年专项附加扣除，元", ge=0, le=_TOP)
    other: Money = option(Decimal(0), "其他扣除（个人养老金等），元", ge=0, le=_TOP)
    paid: Money = option(Decimal(0), "已预缴的税，元", ge=0, le=_TOP)


class Bonus(Config):
    """A year-end bonus beside a year's wages."""

    bonus: Money = option(..., "全年一次性奖金，元", gt=0, le=_TOP)
    wages: Money = option(..., "全年工资（不含奖金），元", ge=0, le=_TOP)
    deductions: Money = option(Decimal(0), "全年三险一金和专项附加扣除合计，元（不含6万）", ge=0, le=_TOP)
    on: Day | None = option(None, "发放日期；不写按最近的规则", aliases=("date",))


class BonusAlone(Config):
    """A year-end bonus taxed on its own."""

    bonus: Money = option(..., "全年一次性奖金，元", gt=0, le=_TOP)
    on: Day | None = option(None, "发放日期；不写按最近的规则", aliases=("date",))


class Labour(Config):
    """One payment outside employment."""

    income: Money = option(..., "一次收入，元", gt=0, le=_TOP)
    kind: Literal["劳务报酬", "稿酬", "特许权使用费"] = option("劳务报酬", "类别：劳务报酬、稿酬、特许权使用费")


def bracket(taxable: Decimal, table: Any) -> tuple[Decimal, Decimal]:
    """(rate, quick deduction) of a table of [ceiling, rate, quick deduction]."""
    for ceiling, rate, quick in table:
        if ceiling is None or taxable <= ceiling:
            return rate, quick
    raise AssertionError("the last ceiling is open")


def tax_on(taxable: Decimal, table: Any) -> Decimal:
    """Tax on a taxable amount, not rounded."""
    rate, quick = bracket(taxable, table)
    return max(taxable, Decimal(0)) * rate - quick if taxable > 0 else Decimal(0)


def _yearly() -> Any:
    return rules.at("tax.annual_brackets").value


def cumulative(salary: Decimal, deductions: Decimal, month: int) -> list[Decimal]:
    """Tax withheld in each of `month` months of equal pay, rounded to 分."""
    basic, taxes, paid = rules.at("tax.basic_deduction").value, [], Decimal(0)
    for count in range(1, month + 1):
        due = rounded(tax_on((salary - basic - deductions) * count, _yearly()))
        taxes.append(max(due - paid, Decimal(0)))
        paid += taxes[-1]
    return taxes


def withholding(pay: Withholding) -> Result:
    basic, deductions = rules.at("tax.basic_deduction").value, pay.insurance + pay.special
    taxes = cumulative(pay.salary, deductions, pay.month)
    taxable = max((pay.salary - basic - deductions) * pay.month, Decimal(0))
    rate, quick = bracket(taxable, _yearly())
    before, due = sum(taxes[:-1], Decimal(0)), sum(taxes, Decimal(0))
    steps = [
        f"累计应纳税所得额=(工资{yuan(pay.salary)}−{yuan(basic)}−三险一金{yuan(pay.insurance)}"
        f"−专项附加{yuan(pay.special)})×{pay.month}={yuan(taxable)}",
        f"适用税率{percent(rate)}、速算扣除数{plain(quick)}，累计应纳税{yuan(due)}",
        f"减去前{pay.month - 1}个月已预扣{yuan(before)}，本月预扣{yuan(taxes[-1])}",
    ]
    net = pay.salary - pay.insurance - taxes[-1]
    values = {"本月预扣": money(taxes[-1]), "累计预扣": money(due), "本月到手": money(net)}
    table = [("月份", "本月预扣", "累计预扣")]
    table += [(str(i), plain(tax), plain(sum(taxes[:i], Decimal(0)))) for i, tax in enumerate(taxes, 1)]
    return Result(
        values,
        steps,
        rules.cite("tax.annual_brackets", "tax.basic_deduction") + "；国家税务总局公告2018年第61号（累计预扣法）",
        table,
    )


def settlement(year: Settlement) -> Result:
    basic = rules.at("tax.basic_deduction").value * 12
    others = (year.labour + year.royalty) * Decimal("0.8") + year.author * Decimal("0.56")
    deducted = basic + year.insurance + year.special + year.other
    taxable = max(year.wages + others - deducted, Decimal(0))
    rate, quick = bracket(taxable, _yearly())
    tax = rounded(tax_on(taxable, _yearly()))
    balance = tax - year.paid
    steps = [
        f"综合所得收入额{yuan(year.wages + others)}"
        + (f"（工资{yuan(year.wages)}，劳务、稿酬等折算{yuan(others)}）" if others else ""),
        f"减6万元和其他扣除{yuan(deducted - basic)}，应纳税所得额{yuan(taxable)}",
        f"全年应纳税={yuan(taxable)}×{percent(rate)}{_less(quick)}={yuan(tax)}",
        f"已预缴{yuan(year.paid)}，{'应补税' if balance >= 0 else '可退税'}{yuan(abs(balance))}",
    ]
    values = {"应纳税额": money(tax), "应补退税": money(balance), "应纳税所得额": money(taxable)}
    return Result(
        values, steps, rules.cite("tax.annual_brackets", "tax.basic_deduction") + "；《个人所得税法》第六条、第十一条"
    )


def _alone(bonus: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """(tax, rate, quick deduction) of a bonus taxed alone: the rate of a twelfth of it."""
    rate, quick = bracket(bonus / 12, rules.at("tax.monthly_brackets").value)
    return rounded(bonus * rate - quick), rate, quick


def _less(quick: Decimal) -> str:
    """The quick deduction as it stands in a formula; nothing in the first bracket, which has none."""
    return f"−{plain(quick)}" if quick else ""


def _alone_step(bonus: Decimal) -> str:
    tax, rate, quick = _alone(bonus)
    return (
        f"单独计税：{yuan(bonus)}÷12={yuan(bonus / 12)}，税率{percent(rate)}、速算扣除数{plain(quick)}，"
        f"税={yuan(bonus)}×{percent(rate)}{_less(quick)}={yuan(tax)}"
    )


def bonus_alone(pay: BonusAlone) -> Result:
    rules.at("tax.bonus_alone", pay.on)
    tax = _alone(pay.bonus)[0]
    steps = [_alone_step(pay.bonus), f"到手{yuan(pay.bonus - tax)}", "每人每年只能用一次，也可以选并入综合所得"]
    return Result(
        {"奖金个税": money(tax), "到手奖金": money(pay.bonus - tax)},
        steps,
        rules.cite("tax.bonus_alone", "tax.monthly_brackets", day=pay.on),
    )


def bonus(pay: Bonus) -> Result:
    rules.at("tax.bonus_alone", pay.on)
    alone, basic = _alone(pay.bonus)[0], rules.at("tax.basic_deduction").value * 12
    taxable = pay.wages - basic - pay.deductions
    wage_tax, merged_all = (rounded(tax_on(x, _yearly())) for x in (taxable, taxable + pay.bonus))
    merged = merged_all - wage_tax
    better = "单独计税" if alone < merged else "并入综合所得" if merged < alone else "两种一样"
    steps = [
        f"单独计税：{yuan(pay.bonus)}÷12={yuan(pay.bonus / 12)}查月度税率表，税{yuan(alone)}",
        f"并入：工资应纳税所得额{yuan(max(taxable, Decimal(0)))}、税{yuan(wage_tax)}，"
        f"加奖金后税{yuan(merged_all)}，多缴{yuan(merged)}",
        f"{better}" + (f"更省，少缴{yuan(abs(alone - merged))}" if alone != merged else "") + "，汇算时可以改选",
    ]
    values = {"单独计税": money(alone), "并入多缴": money(merged), "相差": money(abs(alone - merged))}
    return Result(
        values, steps, rules.cite("tax.bonus_alone", "tax.monthly_brackets", "tax.annual_brackets", day=pay.on)
    )


def labour(pay: Labour) -> Result:
    rule = rules.at("tax.labour_deduction").value
    small = pay.income <= rule["threshold"]
    base = pay.income - rule["fixed"] if small else pay.income * (1 - rule["share"])
    base = max(base, Decimal(0)) * (rule["author_share"] if pay.kind == "稿酬" else 1)
    rate, quick = bracket(base, rules.at("tax.labour_brackets").value)
    if pay.kind != "劳务报酬":
        rate, quick = Decimal("0.2"), Decimal(0)
    tax = rounded(base * rate - quick)
    minus = f"减{plain(rule['fixed'])}元" if small else f"减{percent(rule['share'])}费用"
    steps = [
        f"每次收入{yuan(pay.income)}{'不超过' if small else '超过'}4000元，{minus}"
        + ("再乘70%" if pay.kind == "稿酬" else "")
        + f"，预扣应纳税所得额{yuan(base)}",
        f"预扣税额={yuan(base)}×{percent(rate)}{_less(quick)}={yuan(tax)}，到手{yuan(pay.income - tax)}",
        "这是预扣，次年并入综合所得汇算，多退少补",
    ]
    return Result(
        {"预扣税额": money(tax), "到手": money(pay.income - tax)},
        steps,
        rules.cite("tax.labour_deduction", "tax.labour_brackets"),
    )


CALCULATORS = (
    Calculator(
        "工资个税", "wage-tax", "个税", "累计预扣法：某月工资预扣多少税", Withholding, withholding, ("本月预扣",)
    ),
    Calculator(
        "年度汇算",
        "tax-settlement",
        "个税",
        "综合所得年度汇算，应补还是应退",
        Settlement,
        settlement,
        ("应纳税额", "应补退税"),
    ),
    Calculator("年终奖个税", "bonus-tax", "个税", "年终奖单独计税的税额", BonusAlone, bonus_alone, ("奖金个税",)),
    Calculator(
        "年终奖比较",
        "bonus-compare",
        "个税",
        "年终奖单独计税与并入综合所得哪个省",
        Bonus,
        bonus,
        ("单独计税", "并入多缴"),
    ),
    Calculator(
        "劳务报酬", "labour-tax", "个税", "劳务报酬、稿酬、特许权使用费一次预扣多少税", Labour, labour, ("预扣税额",)
    ),
)
