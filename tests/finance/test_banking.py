"""Cards, deposits, wealth products, currency: published examples and cases worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.finance.calculator import find
from cornucopia.finance.decimals import CalculationError, irr, present_value


def values(name: str, **inputs: object) -> dict[str, Decimal]:
    return {key: one.number for key, one in find(name).run(**inputs).values.items()}


def test_minimum_payment_is_the_issuers_published_example() -> None:
    """招商银行等发卡行公开的例子: 1,000 spent 3-30, due 4-23, 100 paid, billed 5-5: 24 and 12 days, 17.4 in all."""
    bill = {"amount": 1000, "paid": 100, "posted": "2024-03-30", "due": "2024-04-23", "until": "2024-05-05"}
    assert values("最低还款", **bill)["利息"] == Decimal("17.40")
    assert values("最低还款", **bill, method="未偿")["利息"] == Decimal("16.20")  # 900×0.05%×36


def test_less_than_the_usual_minimum_is_told_as_overdue() -> None:
    bill = {"amount": 5000, "posted": "2025-03-01", "due": "2025-03-25", "until": "2025-04-05"}
    assert "逾期" in "".join(find("最低还款").run(**bill, paid=499).steps)
    assert "逾期" not in "".join(find("最低还款").run(**bill, paid=500).steps)


def test_instalment_rate_of_twelve_periods() -> None:
    """12 months at 0.6%: monthly IRR 1.0862% (the known 13.03% a year), far above the nominal 7.2%."""
    result = values("信用卡分期", amount=12000, months=12, fee_rate="0.6%")
    assert result["年化利率"] == Decimal("0.1303") and result["手续费合计"] == 864
    assert (
        values("信用卡分期", amount=12000, months=12, fee_rate="0.6%", upfront="一次")["年化利率"] > result["年化利率"]
    )


def test_daily_rate_above_the_ceiling_is_refused() -> None:
    with pytest.raises(CalculationError, match="万分之五"):
        find("信用卡取现").run(amount=1000, days=3, daily="0.1%")


@given(st.integers(2, 40), st.integers(1, 300), st.integers(1000, 10**6))
@settings(max_examples=40, deadline=None)
def test_irr_inverts_present_value(count: int, basis_points: int, payment: int) -> None:
    rate = Decimal(basis_points) / 10000
    cost = present_value([Decimal(0)] + [Decimal(payment)] * count, rate)
    assert abs(irr([-cost] + [Decimal(payment)] * count) - rate) < Decimal("1e-12")


def test_irr_needs_one_change_of_sign() -> None:
    for flows in ([1, 2], [-1, 3, -1], [0, 0]):
        with pytest.raises(CalculationError):
            irr([Decimal(x) for x in flows])


def test_deposits_by_hand() -> None:
    assert values("活期存款", principal="10万", rate="0.36%", days=100)["利息"] == 100  # 1元/天
    assert values("定期存款", principal="10万", rate="3%", months="2年")["利息"] == 6000
    assert values("定期存款", principal="10万", rate="3%", months=12, late_days=36, demand_rate="0.1%")["利息"] == 3010
    early = values("提前支取", principal="10万", rate="2%", months=12, drawn="4万", days=180, demand_rate="0.1%")
    assert (early["支取利息"], early["余款到期利息"], early["少得利息"]) == (20, 1200, 780)
    assert values("零存整取", monthly=1000, rate="1.2%", months=12)["利息"] == 78  # 1000×78×0.1%
    assert (
        values("按日计息", principal="36.5万", rate="1%", start="2024-02-28", end="2024-03-01")["利息"] == 20
    )  # 闰年2天


def test_notice_deposit_rules() -> None:
    """《通知存款管理办法》: 5万 to open; without notice the demand rate."""
    assert values("通知存款", principal="36万", rate="1%", days=10)["利息"] == 100
    assert values("通知存款", principal="36万", rate="1%", days=10, notified="否", demand_rate="0.1%")["利息"] == 10
    with pytest.raises(CalculationError, match="起存"):
        find("通知存款").run(principal=49999, rate="1%", days=10)


def test_seven_day_yield_formula() -> None:
    """Equal incomes: (1+x/10000)^365−1 by hand for x=1 is 3.717%, and 3.65% simple."""
    result = values("七日年化", incomes=["1"] * 7)
    assert result["七日年化"] == Decimal("0.03717") and result["单利七日年化"] == Decimal("0.03650")


def test_wealth_by_hand() -> None:
    result = values("理财净值", amount="10万", buy="1", sell="1.01", days=73)
    assert (result["收益"], result["年化收益率"]) == (1000, Decimal("0.0500"))
    assert values("万份收益", amount="5万", income="0.5", days=30)["合计收益"] == 75
    assert values("业绩比较基准", amount="10万", low="3%", high="4%", days=365)["按上限折算"] == 4000
    assert values("年化收益率", cost="10万", gain="1000", days=73)["单利年化"] == Decimal("0.0500")


def test_exchange_uses_the_banks_side() -> None:
    prices = {"bid": "718.2", "ask": "721.3", "amount": 1000}
    assert values("换汇", **prices, direction="购汇")["人民币"] == 7213
    assert values("换汇", **prices, direction="结汇")["人民币"] == 7182
    assert values("换汇价差", **prices)["价差损失"] == 31
    assert values("外币存款盈亏", amount=10000, gain=400, ask=725, bid=715)["人民币盈亏"] == 1860
    with pytest.raises(CalculationError):
        find("换汇").run(amount=1, direction="购汇", bid=722, ask=721)
