"""Loans against published figures and hand calculations."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError
from cornucopia.finance.calculator import find
from cornucopia.finance.decimals import CalculationError
from cornucopia.finance.loan import schedule

LOAN = {"principal": "100万", "rate": "4.9%", "months": "30年"}
loans = st.fixed_dictionaries(
    {
        "principal": st.integers(10_000, 5_000_000).map(str),
        "rate": st.integers(0, 1200).map(lambda bp: f"{bp}BP"),
        "months": st.integers(2, 360).map(str),
    }
)


def value(name: str, key: str, **inputs: object) -> Decimal:
    return find(name).run(**inputs).values[key].number


def test_standard_mortgage_table() -> None:
    """100万、30年、4.9%: the figures every bank's calculator shows (月供 5307.27, 总利息 910616.19; 首月 6861.11)."""
    level = find("等额本息").run(**LOAN).values
    assert [str(level[k].number) for k in ("月供", "总利息")] == ["5307.27", "910616.19"]
    falling = find("等额本金").run(**LOAN).values
    assert [str(falling[k].number) for k in ("首月还款", "每月递减", "总利息")] == ["6861.11", "11.34", "737041.67"]


def test_first_months_by_hand() -> None:
    """12万、1年、12%: month rate 1%; interest of month 1 is 1200, of 等额本金's month 2 is 1% of 110,000."""
    rows = schedule(Decimal(120000), Decimal("0.12"), 12, "等额本金")
    assert [interest for _, interest, _ in rows[:2]] == [Decimal(1200), Decimal(1100)]
    assert value("等额本息", "月供", principal="12万", rate="12%", months=12) == Decimal(
        "10661.85"
    )  # annuity tables: 0.0888488


@given(loans, st.sampled_from(["等额本息", "等额本金"]))
@settings(max_examples=40, deadline=None)
def test_schedule_repays_exactly_the_principal(loan: dict[str, str], method: str) -> None:
    inputs = find("等额本息").inputs.build(loan)
    rows = schedule(inputs.principal, inputs.rate, inputs.months, method)
    assert sum(part for part, _, _ in rows) == inputs.principal
    assert rows[-1][2] == 0 and all(balance >= 0 for _, _, balance in rows)


@given(loans, st.data())
@settings(max_examples=30, deadline=None)
def test_remaining_matches_the_schedule(loan: dict[str, str], data: st.DataObject) -> None:
    """The closed formula agrees with the month-by-month table to the rounding of its months."""
    paid = data.draw(st.integers(0, int(loan["months"])))
    inputs = find("等额本息").inputs.build(loan)
    rows = schedule(inputs.principal, inputs.rate, inputs.months, "等额本息")
    expected = rows[paid - 1][2] if paid else inputs.principal
    # A payment rounded by half a cent grows with the rate over the months.
    room = Decimal("0.01") * paid * (1 + inputs.rate / 12) ** paid + 1
    assert abs(value("剩余本金", "剩余本金", **loan, paid=paid) - expected) <= room


@pytest.mark.parametrize("method", ["等额本息", "等额本金"])
def test_prepaying_saves_more_when_the_term_shrinks(method: str) -> None:
    saved = {keep: value("提前还款", "节省利息", **LOAN, paid=60, amount="20万", keep=keep, method=method)
             for keep in ("月供", "期限")}  # fmt: skip
    assert saved["月供"] > saved["期限"] > 0


@given(st.integers(1, 800_000))
@settings(max_examples=25, deadline=None)
def test_prepayment_agrees_with_a_new_loan(amount: int) -> None:
    """After prepaying with the term kept, the payment is that of a new loan of what is left."""
    result = find("提前还款").run(**LOAN, paid=60, amount=amount, keep="期限").values
    left = value("剩余本金", "剩余本金", **LOAN, paid=60) - amount
    assert abs(
        result["月供"].number - value("等额本息", "月供", principal=str(left), rate="4.9%", months=300)
    ) <= Decimal("0.01")


def test_pay_off_and_repricing() -> None:
    """Hand check: interest left is 300 payments less the balance; LPR 3.95%→3.5% with −30BP is 3.65%→3.2%."""
    result = find("结清").run(**LOAN, paid=60, penalty="1%").values
    assert abs(result["节省利息"].number - (Decimal("5307.267") * 300 - Decimal("916977.08"))) < 1
    new = find("LPR重定价").run(balance="80万", months=300, old_lpr="3.95%", new_lpr="3.5%", spread="-30BP").values
    assert new["新利率"].number == Decimal("0.0320") and new["新月供"].number == Decimal("3877.43")


def test_outside_the_domain() -> None:
    with pytest.raises(ConfigError, match="百分数"):
        find("等额本息").run(principal=100, rate="4.9", months=12)
    with pytest.raises(CalculationError, match="剩余本金"):
        find("提前还款").run(**LOAN, paid=60, amount="99万")
    with pytest.raises(CalculationError):
        find("剩余本金").run(**LOAN, paid=361)
