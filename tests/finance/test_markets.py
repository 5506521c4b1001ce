"""Funds, stocks, convertibles, bonds: rule examples, textbook numbers and properties."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.finance.bond import price_of
from cornucopia.finance.calculator import find
from cornucopia.finance.decimals import CalculationError, rounded
from cornucopia.finance.stock import fees


def values(name: str, **inputs: object) -> dict[str, Decimal]:
    return {key: one.number for key, one in find(name).run(**inputs).values.items()}


def test_subscription_outside_the_amount() -> None:
    """The prospectus example after 证监基金字〔2007〕10号: 10万 at 1.5%, nav 1.0160 gives 96,970.64 shares."""
    result = values("基金申购", amount="10万", rate="1.5%", nav="1.0160")
    assert (result["净申购金额"], result["申购费"], result["份额"]) == tuple(
        map(Decimal, ("98522.17", "1477.83", "96970.64")))  # fmt: skip


@given(st.integers(1000, 10**6), st.integers(0, 150), st.integers(5000, 40000))
@settings(max_examples=40, deadline=None)
def test_subscription_and_its_inverse(shares: int, basis_points: int, nav: int) -> None:
    price, rate = str(Decimal(nav) / 10000), f"{basis_points}BP"
    amount = values("申购反算", shares=shares, rate=rate, nav=price)["申购金额"]
    bought = values("基金申购", amount=str(amount), rate=rate, nav=price)["份额"]
    assert abs(bought - shares) <= Decimal("0.03")


def test_seven_day_redemption_fee() -> None:
    """证监会公告〔2017〕12号第二十三条: under 7 days at least 1.5%; 货币基金 and ETF excepted."""
    order = {"shares": 1000, "nav": "1.2", "rate": "0.5%"}
    assert values("基金赎回", **order, days=6)["赎回费"] == 18
    assert values("基金赎回", **order, days=7)["赎回费"] == 6
    assert values("基金赎回", **order, days=6, kind="货币或ETF")["赎回费"] == 6
    assert values("赎回反算", target=1182, nav="1.2", days=6, rate="0.5%")["份额"] == 1000


def test_redemption_fee_tiers_from_2026() -> None:
    """《公开募集证券投资基金销售费用管理规定》 from 2026-01-01: under 7, 30, 180 days at least 1.5%, 1%, 0.5%."""
    order = {"shares": 1000, "nav": "1", "rate": "0.1%", "kind": "股票或混合"}
    days = {6: 15, 7: 10, 29: 10, 30: 5, 179: 5, 180: 1}
    assert {held: values("基金赎回", **order, days=held, on="2026-01-01")["赎回费"] for held in days} == days
    assert values("基金赎回", **order, days=7, on="2025-12-31")["赎回费"] == 1
    # A bond or index fund held by a person, or a fund of unknown kind: after 7 days its contract decides.
    assert values("基金赎回", **(order | {"kind": "一般"}), days=7)["赎回费"] == 1
    assert values("赎回反算", target=990, nav="1", days=7, rate="0", kind="股票或混合")["份额"] == 1000


def test_risk_by_hand() -> None:
    assert values("最大回撤", navs=["1", "1.2", "0.9", "1.3", "1.1"])["最大回撤"] == Decimal("0.25")
    # Mean 1%, sample deviation 1%: (12% − 3%) / (1%·√12) = 2.5981
    assert values("夏普比率", returns=["0%", "1%", "2%"], risk_free="3%")["夏普比率"] == Decimal("2.5981")
    flat = values("基金定投", amount=1000, navs=["1"] * 12, final="1")
    assert flat["盈亏"] == 0 and flat["年化内部收益率"] == 0
    # 先付年金终值: 1000 a month, 1% a month, 12 months: 12809.33 (annuity tables 12.6825×1.01)
    assert values("定投测算", amount=1000, years=1, rate="12%")["期末金额"] == Decimal("12809.33")


def test_stamp_duty_and_transfer_fee_by_date() -> None:
    """公告2023年第39号 from 2023-08-28, seller only; transfer fee halved on 2022-04-29."""
    amount, rate = Decimal(100000), Decimal("0.0003")
    dates = {"2023-08-27": 100, "2023-08-28": 50}
    for day, duty in dates.items():
        on = find("股票费用").inputs.build({"side": "卖出", "price": 1, "shares": 1, "on": day}).on
        assert fees(amount, rate, True, on) == (30, 1, duty)
        assert fees(amount, rate, False, on)[2] == 0
    old = find("股票费用").inputs.build({"side": "买入", "price": 1, "shares": 1, "on": "2022-04-28"}).on
    assert fees(amount, rate, False, old)[1] == 2
    assert fees(Decimal(1000), rate, False, None)[0] == 5


@given(st.integers(1, 5000), st.integers(100, 20000), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_break_even_is_the_lowest_price_without_loss(shares: int, cents: int, points: int) -> None:
    buy, commission = Decimal(cents) / 100, f"{Decimal(points) / 100}%"
    trade = {"shares": shares * 100, "buy": str(buy), "commission": commission}
    price = values("保本价", **trade)["保本价"]
    assert values("股票盈亏", **trade, sell=str(price))["净盈亏"] >= 0
    assert values("股票盈亏", **trade, sell=str(price - Decimal("0.01")))["净盈亏"] < 0


@pytest.mark.parametrize(
    ("inputs", "up", "down"),
    [
        ({"close": 10}, "11.00", "9.00"),
        ({"close": "10.05"}, "11.06", "9.05"),  # 11.055 and 9.045, halves up
        ({"close": 10, "st": "是"}, "11.00", "9.00"),
        ({"close": 10, "st": "是", "on": "2026-07-03"}, "10.50", "9.50"),
        ({"close": 10, "st": "是", "on": "2026-07-06"}, "11.00", "9.00"),
        ({"close": 10, "board": "创业板", "on": "2020-08-21"}, "11.00", "9.00"),
        ({"close": 10, "board": "创业板", "on": "2020-08-24"}, "12.00", "8.00"),
        ({"close": 10, "board": "创业板", "st": "是"}, "12.00", "8.00"),
        ({"close": 10, "board": "北交所", "listed_day": 2}, "13.00", "7.00"),
        ({"close": "0.04"}, "0.05", "0.03"),  # at least one tick
    ],
)
def test_price_limits(inputs: dict[str, object], up: str, down: str) -> None:
    """沪深北交易规则: by board and date."""
    result = values("涨跌停", **inputs)
    assert (result["涨停价"], result["跌停价"]) == (Decimal(up), Decimal(down))


def test_first_days_have_no_limit_and_old_dates_no_rule() -> None:
    with pytest.raises(CalculationError, match="前5个交易日"):
        find("涨跌停").run(close=10, board="科创板", listed_day=5)
    with pytest.raises(CalculationError, match="规则表"):
        find("涨跌停").run(close=10, board="北交所", on="2020-01-01")


def test_a_date_after_the_check_is_said() -> None:
    assert "核对最新规定" in find("涨跌停").run(close=10, st="是", on="2026-10-01").source


def test_exchange_rules_by_hand() -> None:
    assert values("除权除息", close=20, cash=5, bonus=3, rights=2, rights_price=8)["除权除息参考价"] == Decimal("14.07")
    assert values("除权除息", close=11, cash=10)["除权除息参考价"] == 10
    assert values("新股额度", value=9999)["可申购股数"] == 0
    assert values("新股额度", value=14999)["可申购股数"] == 1000
    assert values("新股额度", value="100万", ceiling=12300)["可申购股数"] == 12000
    golden_week = [f"2024-10-0{day}" for day in (1, 2, 3, 4, 7)]
    assert values("T+1", bought="2024-09-30", holidays=golden_week)["最早卖出日"] == 20241008


def test_convertible_by_hand() -> None:
    result = values("转股价值", stock=12, conversion=10, bond=132)
    assert (result["转股价值"], result["转股溢价率"]) == (120, Decimal("0.1000"))
    assert values("转股", count=10, conversion="7.3", stock=8)["转股数"] == 136
    assert values("强赎回售价", conversion=10) == {"强赎触发价": 13, "回售触发价": 7}


def test_cfa_bond_numbers() -> None:
    """CFA Level I Fixed Income: 4%, 5 years at 6% is 91.575; 8%, 10 years at 10.40%: 85.503, Macaulay 7.0029."""
    assert values("债券价格", coupon="4%", years=5, ytm="6%")["价格"] == Decimal("91.5753")
    assert values("债券价格", coupon="8%", years=5, ytm="6%")["价格"] == Decimal("108.4247")
    result = values("久期", coupon="8%", years=10, ytm="10.40%")
    assert (result["价格"], result["麦考利久期"]) == (Decimal("85.5031"), Decimal("7.0029"))
    assert rounded(result["修正久期"], 2) == Decimal("6.34")


@given(st.integers(0, 1000), st.integers(1, 30), st.sampled_from([1, 2, 4]), st.integers(10, 1500))
@settings(max_examples=40, deadline=None)
def test_yield_inverts_price_and_price_falls_with_yield(coupon: int, years: int, freq: int, points: int) -> None:
    rate, paid = Decimal(points) / 10000, Decimal(coupon) / 10000
    price = price_of(paid, Decimal(years), freq, rate)
    again = values("到期收益率", coupon=str(paid), years=years, freq=freq, price=str(rounded(price, 10)))["到期收益率"]
    assert abs(again - rate) <= Decimal("0.000001")
    assert price_of(paid, Decimal(years), freq, rate + Decimal("0.001")) < price


def test_accrued_and_discount_by_hand() -> None:
    result = values(
        "应计利息", coupon="3.66%", last="2024-01-01", settle="2024-04-10", following="2025-01-01", clean=100
    )
    assert (result["应计利息"], result["全价"]) == (1, 101)  # 100 days of 366
    assert values("贴现债", price=98, days=365)["到期收益率"] == Decimal("0.020408")
    with pytest.raises(CalculationError, match="付息期"):
        find("债券价格").run(coupon="3%", years="2.3", ytm="3%")
