"""Monthly contributions to social insurance and the housing fund. Local averages and rates are inputs."""

from __future__ import annotations

from decimal import Decimal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, money
from cornucopia.finance.decimals import CalculationError, percent, yuan
from cornucopia.finance.fields import Money, Months, Rate


class Contribution(Config):
    """A worker and the local figures."""

    wage: Money = option(..., "上年度月平均工资（缴费工资），元", gt=0, le=Decimal("1e7"))
    average: Money = option(..., "当地公布的全口径月平均工资，元（决定上下限）", gt=0, le=Decimal("1e6"))
    medical: Rate = option(Decimal("0.02"), "个人医疗保险费率，当地规定", ge=0, le=Decimal("0.1"))
    unemployment: Rate = option(Decimal("0.005"), "个人失业保险费率，当地规定", ge=0, le=Decimal("0.02"))
    employer: Rate = option(Decimal("0.16"), "单位养老保险费率，当地规定", ge=0, le=Decimal("0.2"))


class HousingFund(Config):
    """A worker's housing fund."""

    base: Money = option(..., "缴存基数，元/月", gt=0, le=Decimal("1e6"))
    rate: Rate = option(..., "个人缴存比例，5% 到 12%")
    employer: Rate | None = option(None, "单位缴存比例；不写就和个人一样")


class Flexible(Config):
    """Someone who pays the pension insurance alone."""

    base: Money = option(..., "选的月缴费基数，元", gt=0, le=Decimal("1e6"))
    average: Money = option(..., "当地公布的全口径月平均工资，元", gt=0, le=Decimal("1e6"))
    months: Months = option(12, "缴多少个月", ge=1, le=600)


def contribution(worker: Contribution) -> Result:
    limits, pension = rules.at("social.base_limits").value, rules.at("social.pension_rates").value
    floor, ceiling = worker.average * limits["floor"], worker.average * limits["ceiling"]
    base = min(max(worker.wage, floor), ceiling)
    note = (
        "低于下限，按下限"
        if worker.wage < floor
        else "高于上限，按上限"
        if worker.wage > ceiling
        else "在上下限之间，按实际"
    )
    parts = [("养老", pension["worker"]), ("医疗", worker.medical), ("失业", worker.unemployment)]
    total = base * sum((rate for _, rate in parts), Decimal(0))
    steps = [
        f"缴费基数下限{yuan(floor)}（60%）、上限{yuan(ceiling)}（300%），工资{yuan(worker.wage)}{note}，基数{yuan(base)}",
        "、".join(f"{name}{percent(rate)}即{yuan(base * rate)}" for name, rate in parts),
        f"个人每月共缴{yuan(total)}；单位另缴养老{percent(worker.employer)}即{yuan(base * worker.employer)}",
    ]
    values = {
        "个人合计": money(total),
        "缴费基数": money(base),
        "个人养老": money(base * pension["worker"]),
        "单位养老": money(base * worker.employer),
    }
    return Result(values, steps, rules.cite("social.base_limits", "social.pension_rates") + "；其余费率以当地公布为准")


def housing_fund(worker: HousingFund) -> Result:
    limits, employer = (
        rules.at("social.housing_fund").value,
        worker.rate if worker.employer is None else worker.employer,
    )
    for rate in (worker.rate, employer):
        if not limits["floor"] <= rate <= limits["ceiling"]:
            raise CalculationError("缴存比例应在5%到12%之间", found=percent(rate), fix="检查 --rate")
    own, firm = worker.base * worker.rate, worker.base * employer
    steps = [
        f"个人缴={yuan(worker.base)}×{percent(worker.rate)}={yuan(own)}",
        f"单位缴={yuan(worker.base)}×{percent(employer)}={yuan(firm)}",
        f"每月进账户共{yuan(own + firm)}，全年{yuan((own + firm) * 12)}，都归个人；各地会取整到元",
    ]
    return Result({"个人缴存": money(own), "每月合计": money(own + firm)}, steps, rules.cite("social.housing_fund"))


def flexible(person: Flexible) -> Result:
    limits = rules.at("social.base_limits").value
    floor, ceiling = (person.average * limits[name] for name in ("floor", "ceiling"))
    if not floor <= person.base <= ceiling:
        raise CalculationError(
            "缴费基数应在上下限之间", found=yuan(person.base), fix=f"{yuan(floor)} 到 {yuan(ceiling)}"
        )
    monthly, own = person.base * Decimal("0.2"), person.base * Decimal("0.08")
    steps = [
        "灵活就业人员养老保险按20%缴，其中8%进个人账户",
        f"每月={yuan(person.base)}×20%={yuan(monthly)}，进个人账户{yuan(own)}",
        f"{person.months}个月共缴{yuan(monthly * person.months)}；可选基数在{yuan(floor)}到{yuan(ceiling)}之间",
    ]
    return Result(
        {"每月缴费": money(monthly), "合计": money(monthly * person.months), "进个人账户": money(own)},
        steps,
        "国发〔2005〕38号（灵活就业人员缴费比例20%，8%记入个人账户）；" + rules.cite("social.base_limits"),
    )


CALCULATORS = (
    Calculator(
        "社保缴费", "social-contribution", "社保", "缴费基数和个人每月缴多少", Contribution, contribution, ("个人合计",)
    ),
    Calculator(
        "公积金缴存",
        "housing-fund",
        "社保",
        "公积金每月个人和单位缴多少",
        HousingFund,
        housing_fund,
        ("个人缴存", "每月合计"),
    ),
    Calculator(
        "灵活就业养老", "flexible-pension", "社保", "灵活就业人员养老保险每月缴多少", Flexible, flexible, ("每月缴费",)
    ),
)
