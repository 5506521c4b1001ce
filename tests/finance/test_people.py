"""Tax, social insurance, retirement, insurance, growth: official examples and properties."""

from __future__ import annotations

import datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.finance import rules
from cornucopia.finance.calculator import find
from cornucopia.finance.decimals import CalculationError
from cornucopia.finance.tax import cumulative, tax_on


def values(name: str, **inputs: object) -> dict[str, Decimal]:
    return {key: one.number for key, one in find(name).run(**inputs).values.items()}


@pytest.mark.parametrize(
    ("pay", "first_months"),
    [
        ({"salary": 10000, "insurance": 1500, "special": 1000}, [75, 75, 75]),
        ({"salary": 30000, "insurance": 4500, "special": 2000}, [555, 625, 1850]),
    ],
)
def test_cumulative_withholding_official_examples(pay: dict[str, int], first_months: list[int]) -> None:
    """国家税务总局对累计预扣法的两个例子（公告2018年第56号解读）."""
    taxes = [values("工资个税", **pay, month=month)["本月预扣"] for month in (1, 2, 3)]
    assert taxes == first_months


def test_labour_official_examples() -> None:
    """国家税务总局公告2018年第56号解读: 劳务报酬2000 预扣240; 稿酬40000 预扣4480."""
    assert values("劳务报酬", income=2000)["预扣税额"] == 240
    assert values("劳务报酬", income=40000, kind="稿酬")["预扣税额"] == 4480
    assert values("劳务报酬", income=4000)["预扣税额"] == 640
    assert values("劳务报酬", income=30000)["预扣税额"] == 5200  # 24000×30%−2000


def test_bonus_cliff() -> None:
    """The well-known blind spot: 36,000 pays 1,080 and 36,001 pays 3,390.1."""
    assert values("年终奖个税", bonus=36000)["奖金个税"] == 1080
    assert values("年终奖个税", bonus=36001)["奖金个税"] == Decimal("3390.10")
    with pytest.raises(CalculationError, match="规则表"):
        find("年终奖个税").run(bonus=36000, on="2028-01-01")


def test_bonus_both_ways_by_hand() -> None:
    """工资 12万, 扣除 2万: taxable 4万, tax 1,480; with 5万 more 9万, 6,480; alone 5万×10%−210."""
    result = values("年终奖比较", bonus="5万", wages="12万", deductions="2万")
    assert (result["单独计税"], result["并入多缴"]) == (4790, 5000)


@pytest.mark.parametrize("name", ["tax.annual_brackets", "tax.monthly_brackets", "tax.labour_brackets"])
def test_brackets_meet(name: str) -> None:
    """A quick deduction is right when tax is continuous at the bracket's edge."""
    table = rules.at(name).value
    for (ceiling, rate, quick), (_, above, next_quick) in pairwise(table):
        assert ceiling * rate - quick == ceiling * above - next_quick


@given(st.integers(3000, 200_000), st.integers(0, 6000))
@settings(max_examples=30, deadline=None)
def test_twelve_months_withheld_equal_the_annual_tax(salary: int, deductions: int) -> None:
    withheld = sum(cumulative(Decimal(salary), Decimal(deductions), 12))
    result = values("年度汇算", wages=salary * 12, insurance=deductions * 12, paid=str(withheld))
    assert result["应补退税"] == 0


@given(st.integers(0, 2_000_000), st.integers(1, 10_000))
@settings(max_examples=40, deadline=None)
def test_tax_is_monotone_and_below_the_top_rate(taxable: int, more: int) -> None:
    table = rules.at("tax.annual_brackets").value
    rise = tax_on(Decimal(taxable + more), table) - tax_on(Decimal(taxable), table)
    assert 0 < rise <= Decimal("0.45") * more


def test_special_deductions_by_date() -> None:
    """国发〔2023〕13号 raised them on 2023-01-01; before it 国发〔2018〕41号."""
    family = {"children": 1, "elderly": "独生", "housing": "房贷"}
    assert values("专项附加扣除", **family)["每月扣除"] == 6000
    assert values("专项附加扣除", **family, on="2022-12-31")["每月扣除"] == 4000
    assert values("专项附加扣除", housing="租房大城市", study="学历")["每月扣除"] == 1500
    with pytest.raises(CalculationError, match="一半"):
        find("专项附加扣除").run(elderly="非独生", elderly_share=1501)
    assert values("大病医疗扣除", paid="10万")["可扣除"] == 80000
    assert values("个人养老金", paid=12000, taxable="20万")["当年少缴税"] == 2400


def test_social_base_is_held_between_its_limits() -> None:
    wages = {3000: 5400, 8000: 8000, 50000: 27000}
    for wage, base in wages.items():
        assert values("社保缴费", wage=wage, average=9000)["缴费基数"] == base
    assert values("社保缴费", wage=8000, average=9000)["个人合计"] == 840
    assert values("公积金缴存", base=10000, rate="12%")["每月合计"] == 2400
    with pytest.raises(CalculationError, match="5%到12%"):
        find("公积金缴存").run(base=10000, rate="13%")
    assert values("灵活就业养老", base=6000, average=8000)["每月缴费"] == 1200


@pytest.mark.parametrize(
    ("kind", "born", "delay", "retires"),
    [
        ("男", "1965-01", 1, 202502),
        ("男", "1965-04", 1, 202505),
        ("男", "1965-05", 2, 202507),
        ("男", "1970-05", 17, 203110),
        ("男", "1976-08", 35, 203907),
        ("男", "1976-09", 36, 203909),
        ("男", "1990-01", 36, 205301),
        ("女55", "1970-01", 1, 202502),
        ("女55", "1981-09", 36, 203909),
        ("女50", "1975-01", 1, 202502),
        ("女50", "1975-03", 2, 202505),
        ("女50", "1984-11", 60, 203911),
    ],
)
def test_retirement_age_official_tables(kind: str, born: str, delay: int, retires: int) -> None:
    """延迟法定退休年龄对照表 (annex of the decision of 2024-09-13)."""
    result = values("退休年龄", kind=kind, born=born)
    assert (result["延迟"], result["退休时间"]) == (delay, retires)


def test_retirement_before_2025_and_shortest_contribution() -> None:
    with pytest.raises(CalculationError, match="2025"):
        find("退休年龄").run(kind="男", born="1964-12-01")
    assert values("退休年龄", kind="女50", born="1975-01")["最低缴费"] == 180
    assert values("退休年龄", kind="男", born="1976-09")["最低缴费"] == 240  # 2039


def test_pension_by_the_formula() -> None:
    """国发〔2005〕38号 with 计发月数 139/170/195: 8000, index 1, 30 years, 139,000 at 60."""
    worker = {"average": 8000, "index": 1, "years": 30}
    assert values("养老金测算", **worker, account=139000, age=60)["月养老金"] == 3400
    assert values("养老金测算", **worker, account=170000, age=55)["个人账户养老金"] == 1000
    assert values("养老金测算", **worker, account=195000, age=50)["个人账户养老金"] == 1000
    with pytest.raises(CalculationError, match="15年"):
        find("养老金测算").run(**(worker | {"years": 14}), account=1, age=60)


def test_pension_between_two_whole_ages_is_in_proportion_and_says_so() -> None:
    """61岁6个月: halfway between 132 and 125 is 128.5 months."""
    worker = {"average": 8000, "index": 1, "years": 30, "account": 128500}
    result = find("养老金测算").run(**worker, age=61, months=6)
    assert result.values["个人账户养老金"].number == 1000
    assert "61岁6个月" in "".join(result.steps) and "折算" in "".join(result.steps)
    assert "折算" not in "".join(find("养老金测算").run(**worker, age=61).steps)
    with pytest.raises(CalculationError, match="70岁"):
        find("养老金测算").run(**worker, age=70, months=1)


def test_private_pension_was_for_pilot_cities_before_2024() -> None:
    assert "先行城市" in rules.at("tax.private_pension", datetime.date(2023, 6, 1)).source
    assert "先行城市" not in rules.at("tax.private_pension", datetime.date(2024, 1, 1)).source


def test_insurance_by_hand() -> None:
    """One premium of 1万, 2万 after 24 years: 2^(1/24)−1 = 2.93%."""
    assert values("储蓄险IRR", premium="1万", pay_years=1, years=24, value="2万")["IRR"] == Decimal("0.0293")
    # 10 premiums of 1,000 and 11 payments of nothing lost: 0%
    assert values("年金险IRR", premium=1000, pay_years=10, first=10, payment=1000, times=10)["IRR"] == 0
    result = values("退保", premium="1万", paid_years=3, value=12000)
    assert (result["损失"], result["损失比例"]) == (18000, Decimal("0.6000"))
    assert values("保单贷款", value="10万", rate="5%", days=73) == {"可贷金额": 80000, "利息": 800}


def test_annuity_tables() -> None:
    """Textbook factors: (F/P,3%,10) 1.3439, (F/A,5%,10) 12.5779, (P/A,5%,10) 7.7217; Fisher; 6% monthly is 6.1678%."""
    assert values("复利", principal=10000, rate="3%", years=10)["终值"] == Decimal("13439.16")
    result = values("年金", payment=1000, rate="5%", periods=10)
    assert (result["终值"], result["现值"]) == (Decimal("12577.89"), Decimal("7721.73"))
    assert values("有效年利率", nominal="6%")["有效年利率"] == Decimal("0.061678")
    assert values("实际收益率", nominal="3.02%", inflation="1%")["实际收益率"] == Decimal("0.0200")
    assert values("购买力", amount=20000, inflation="100%", years=1)["购买力"] == 10000


@given(st.integers(50_000, 2_000_000), st.integers(1, 30), st.integers(0, 80))
@settings(max_examples=30, deadline=None)
def test_saving_for_a_target_reaches_it(target: int, years: int, tenths: int) -> None:
    monthly = values("目标储蓄", target=target, years=years, rate=f"{Decimal(tenths) / 10}%")["每月存"]
    rate, total = Decimal(tenths) / 12000, Decimal(0)
    for _ in range(years * 12):
        total = total * (1 + rate) + monthly
    assert abs(total - target) <= Decimal("0.01") * years * 12 * (1 + rate) ** (years * 12)
