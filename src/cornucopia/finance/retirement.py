"""Retirement: the age under the gradual delay from 2025, the shortest contribution, and an estimate of the pension."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, Value, money
from cornucopia.finance.decimals import CalculationError, percent, plain, yuan
from cornucopia.finance.fields import Day, Money, Months, Number, Span, Years


class Retirement(Config):
    """When and as what someone was born."""

    born: Day = option(..., "出生年月，如 1970-05 或 1970年5月")
    kind: Literal["男", "女55", "女50"] = option(
        ..., "类别：男、女55（原55岁退休的女职工）、女50（原50岁退休的女职工）"
    )


class Pension(Config):
    """A worker about to retire; one average wage stands for the whole career."""

    average: Money = option(..., "退休时当地上年度月平均工资（计发基数），元", gt=0, le=Decimal("1e6"))
    index: Number = option(..., "平均缴费指数，0.6 到 3", ge=Decimal("0.6"), le=3)
    years: Span = option(..., "累计缴费年限（含视同），年", gt=0, le=60)
    account: Money = option(..., "个人账户储存额，元", ge=0, le=Decimal("1e8"))
    age: Years = option(..., "退休年龄（整岁）", ge=40, le=70)
    months: Months = option(0, "退休年龄整岁之外的月数，如 61 岁 5 个月填 5", ge=0, le=11)


def _months(day: datetime.date) -> int:
    return day.year * 12 + day.month - 1


def delay_of(born: datetime.date, kind: str) -> int:
    """Months of delay: one for every 4 (or 2) months of birth from the first cohort on, to the cap."""
    rule = rules.at("social.retirement_delay").value[kind]
    first = int(rule["first"])
    passed = _months(born) - (first // 100 * 12 + first % 100 - 1)
    return 0 if passed < 0 else min(int(passed // rule["every"]) + 1, int(rule["cap"]))


def minimum_months(year: int) -> int:
    """Shortest contribution, months, for someone who starts to draw in `year`."""
    rule = rules.at("social.minimum_years").value
    steps = max(year - int(rule["year"]) + 1, 0)
    return int(min(rule["base"] + rule["step"] * steps, rule["cap"]))


def retirement(person: Retirement) -> Result:
    rule = rules.at("social.retirement_delay").value[person.kind]
    delay, age = delay_of(person.born, person.kind), int(rule["age"])
    month = _months(person.born) + age * 12 + delay
    if month < _months(datetime.date(2025, 1, 1)):
        raise CalculationError(
            "2025年1月1日前已到退休年龄，不适用渐进式延迟",
            found=f"{person.born:%Y-%m} 出生",
            fix=f"按原规定 {age} 岁退休",
        )
    year, need = month // 12, minimum_months(month // 12)
    years, rest = divmod(age * 12 + delay, 12)
    text = f"{years}岁" + (f"{rest}个月" if rest else "")
    flexible = min(delay, int(rules.at("social.flexible").value))
    why = f"每{rule['every']}个月出生的延迟1个月，" if delay else "不延迟，"
    steps = [
        f"{person.born.year}年{person.born.month}月出生，原退休年龄{age}岁，{why}共延{delay}个月",
        f"法定退休年龄{text}，退休时间{year}年{month % 12 + 1}月",
        f"可自愿提前最多{flexible}个月，不早于{age}岁；那一年领养老金至少要缴满{need}个月",
    ]
    values = {
        "延迟": Value(Decimal(delay), "月"),
        "退休时间": Value(Decimal(f"{year}{month % 12 + 1:02d}"), "日期"),
        "最低缴费": Value(Decimal(need), "月"),
    }
    return Result(values, steps, rules.cite("social.retirement_delay", "social.minimum_years", "social.flexible"))


def payout_months(age: int, months: int) -> Decimal:
    """Months over which the personal account is paid out; between whole ages in proportion, an estimate.

    Raises:
        CalculationError: past the last age of the table.
    """
    table = rules.at("social.payout_months").value
    if not months:
        return table[Decimal(age)]
    if Decimal(age + 1) not in table:
        raise CalculationError("计发月数表到70岁为止", found=f"{age}岁{months}个月", fix="填 70 岁")
    return table[Decimal(age)] - (table[Decimal(age)] - table[Decimal(age + 1)]) * months / 12


def pension(worker: Pension) -> Result:
    if worker.years < 15:
        raise CalculationError(
            "累计缴费不满15年，不能按月领取", found=f"{plain(worker.years)} 年", fix="可延长缴费或转居民养老保险"
        )
    months = payout_months(worker.age, worker.months)
    told = f"{worker.age}岁" + (f"{worker.months}个月，按相邻整岁折算，以核定为准，" if worker.months else "")
    indexed = worker.average * worker.index
    basic = (worker.average + indexed) / 2 * worker.years / 100
    own = worker.account / months
    steps = [
        f"本人指数化月平均缴费工资={yuan(worker.average)}×{plain(worker.index)}={yuan(indexed)}",
        f"基础养老金=({yuan(worker.average)}+{yuan(indexed)})÷2×{plain(worker.years)}×1%={yuan(basic)}",
        f"个人账户养老金={yuan(worker.account)}÷{plain(round(months, 2))}（{told}计发月数）={yuan(own)}",
        f"每月约{yuan(basic + own)}，约为计发基数的{percent((basic + own) / worker.average, 1)}",
        "没有算过渡性养老金和以后的调整",
    ]
    values = {"月养老金": money(basic + own), "基础养老金": money(basic), "个人账户养老金": money(own)}
    return Result(values, steps, rules.cite("social.payout_months"))


CALCULATORS = (
    Calculator("退休年龄", "retirement-age", "社保", "渐进式延迟后哪年哪月退休", Retirement, retirement, ("退休时间",)),
    Calculator("养老金测算", "pension", "社保", "职工养老金的估算", Pension, pension, ("月养老金",)),
)
