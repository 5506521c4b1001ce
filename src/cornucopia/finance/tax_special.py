"""Special additional deductions by the month, and what a private pension saves in tax."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, money
from cornucopia.finance.decimals import CalculationError, percent, plain, rounded, yuan
from cornucopia.finance.fields import Day, Money, Rate, Whole
from cornucopia.finance.tax import tax_on


class Special(Config):
    """A family's situation."""

    children: Whole = option(0, "受教育子女数（3岁到博士）", ge=0, le=20)
    infants: Whole = option(0, "3岁以下婴幼儿数", ge=0, le=20)
    child_share: Rate = option(Decimal(1), "子女、婴幼儿由本人扣除的比例：100% 或 50%", ge=Decimal("0.5"), le=1)
    elderly: Literal["无", "独生", "非独生"] = option("无", "赡养60岁以上父母：无、独生、非独生")
    elderly_share: Money = option(Decimal(1500), "非独生子女本人分摊的月额，元（最多总额的一半）", ge=0)
    housing: Literal["无", "房贷", "租房一线", "租房大城市", "租房其他"] = option(
        "无", "住房：无、房贷（首套）、租房一线（直辖市、省会等）、租房大城市（市辖区户籍人口超百万）、租房其他"
    )
    study: Literal["无", "学历"] = option("无", "本人继续教育：无、学历")
    on: Day | None = option(None, "日期；不写按最近的规则", aliases=("date",))


class Illness(Config):
    """Medical spending of a year."""

    paid: Money = option(..., "全年医保目录内个人自付累计，元", ge=0, le=Decimal("1e8"))


class PrivatePension(Config):
    """A year's payment into a personal pension account."""

    paid: Money = option(..., "当年缴存个人养老金，元", gt=0, le=12000)
    taxable: Money = option(..., "扣除它之前的全年应纳税所得额，元", ge=0, le=Decimal("1e9"))


def special(family: Special) -> Result:
    items: list[tuple[str, Decimal, str]] = []
    if family.children:
        each = rules.at("tax.child_education", family.on).value
        items.append(
            (f"子女教育{family.children}×{plain(each)}", each * family.children * family.child_share, "child_education")
        )
    if family.infants:
        each = rules.at("tax.infant_care", family.on).value
        items.append(
            (f"婴幼儿照护{family.infants}×{plain(each)}", each * family.infants * family.child_share, "infant_care")
        )
    if family.elderly != "无":
        items.append(("赡养老人", _elderly(family), "elderly_care"))
    if family.housing == "房贷":
        items.append(("首套房贷利息", rules.at("tax.housing_loan", family.on).value, "housing_loan"))
    elif family.housing != "无":
        rent = rules.at("tax.housing_rent", family.on).value[family.housing.removeprefix("租房")]
        items.append(("住房租金", rent, "housing_rent"))
    if family.study == "学历":
        items.append(("学历继续教育", rules.at("tax.degree_study", family.on).value, "degree_study"))
    if not items:
        raise CalculationError("没有可扣除的项目", fix="写上 --children、--infants、--elderly、--housing 或 --study")
    total = sum((amount for _, amount, _ in items), Decimal(0))
    share = f"（本人扣{percent(family.child_share)}）" if family.child_share != 1 else ""
    steps = [
        "每月可扣：" + "、".join(f"{name}={yuan(amount)}" for name, amount, _ in items) + share,
        f"合计每月{yuan(total)}，全年{yuan(total * 12)}",
        "扣除的是应纳税所得额，不是直接少缴的税；房贷利息和租金同一年只能选一项",
    ]
    return Result(
        {"每月扣除": money(total), "全年扣除": money(total * 12)},
        steps,
        rules.cite(*(f"tax.{name}" for _, _, name in items), day=family.on),
    )


def _elderly(family: Special) -> Decimal:
    whole = rules.at("tax.elderly_care", family.on).value
    if family.elderly == "独生":
        return whole
    if family.elderly_share > whole / 2:
        raise CalculationError(
            "非独生子女每人最多分摊一半", found=yuan(family.elderly_share), fix=f"不超过 {yuan(whole / 2)}"
        )
    return family.elderly_share


def illness(year: Illness) -> Result:
    rule = rules.at("tax.serious_illness").value
    over = max(year.paid - rule["floor"], Decimal(0))
    amount = min(over, rule["cap"])
    steps = [
        f"大病医疗：医保目录内自付超过{yuan(rule['floor'])}的部分，最多扣{yuan(rule['cap'])}",
        f"{yuan(year.paid)}−{yuan(rule['floor'])}={yuan(over)}，可扣{yuan(amount)}" if over else "没有超过，不能扣除",
        "在次年汇算时扣除，减的是应纳税所得额，票据留存备查",
    ]
    return Result({"可扣除": money(amount)}, steps, rules.cite("tax.serious_illness"))


def private_pension(account: PrivatePension) -> Result:
    rule, table = rules.at("tax.private_pension").value, rules.at("tax.annual_brackets").value
    saved = rounded(tax_on(account.taxable, table)) - rounded(tax_on(account.taxable - account.paid, table))
    later = rounded(account.paid * rule["rate"])
    word = "省" if saved >= later else "多缴"
    steps = [
        f"当年缴{yuan(account.paid)}（上限{yuan(rule['cap'])}）从应纳税所得额{yuan(account.taxable)}里扣",
        f"当年少缴税{yuan(saved)}",
        f"领取时按{percent(rule['rate'])}缴税，本金部分约{yuan(later)}，合计{word}{yuan(abs(saved - later))}",
        "资金一般到退休才能领",
    ]
    values = {"当年少缴税": money(saved), "领取时税": money(later), "净节省": money(saved - later)}
    return Result(values, steps, rules.cite("tax.private_pension", "tax.annual_brackets"))


CALCULATORS = (
    Calculator(
        "专项附加扣除", "special-deductions", "个税", "每月能扣多少专项附加扣除", Special, special, ("每月扣除",)
    ),
    Calculator("大病医疗扣除", "illness-deduction", "个税", "大病医疗能扣多少", Illness, illness, ("可扣除",)),
    Calculator(
        "个人养老金",
        "private-pension",
        "个税",
        "个人养老金当年省多少税",
        PrivatePension,
        private_pension,
        ("当年少缴税",),
    ),
)
