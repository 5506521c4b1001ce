"""The table of calculators, the rule tables, and the inputs' reading."""

from __future__ import annotations

import datetime
from decimal import Decimal
from itertools import pairwise

import pytest

from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.finance import rules
from cornucopia.finance.calculator import calculators, find
from cornucopia.finance.decimals import CalculationError, rounded
from cornucopia.finance.problems import generate


def test_names_are_unique_and_every_input_has_chinese_help() -> None:
    names = [name for one in calculators() for name in (one.name, one.key)]
    assert len(calculators()) >= 40 and len(set(names)) == len(names)
    for one in calculators():
        assert all(field.description for field in one.inputs.model_fields.values()), one.name


def test_finding() -> None:
    assert find("equal_payment") is find("等额本息") is find("Equal-Payment")
    with pytest.raises(UsageError, match="等额本"):
        find("等额本西")


def test_every_result_is_sourced_worked_and_rounded() -> None:
    for problem in generate(114, 11):
        one = find(problem.calculator)
        result = one.run(**problem.inputs)
        assert result.source and result.steps and set(one.keys) <= set(result.values)
        for value in result.values.values():
            if value.unit == "元":
                assert value.number == rounded(value.number, 4)


def test_inputs_are_read_as_people_write_them() -> None:
    loan = find("等额本息").inputs.build({"principal": "一百万元", "rate": "百分之四点九", "months": "三十年"})
    assert (loan.principal, loan.rate, loan.months) == (1000000, Decimal("0.049"), 360)
    for wrong in (
        {"principal": "很多"},
        {"principal": "100美元"},
        {"rate": "4.9"},
        {"months": "1.3年"},
        {"rate": "3%到5%"},
    ):
        with pytest.raises(ConfigError):
            find("等额本息").inputs.build({"principal": 1, "rate": "1%", "months": 12} | wrong)
    assert find("退休年龄").inputs.build({"born": "1970年5月", "kind": "男"}).born == datetime.date(1970, 5, 1)
    with pytest.raises(ConfigError, match="日期"):
        find("退休年龄").inputs.build({"born": "1970年13月", "kind": "男"})


def test_rule_periods_do_not_overlap_and_have_sources() -> None:
    assert len(rules.tables()) >= 30
    for name, periods in rules.tables().items():
        assert all(period.source and period.valid_from <= period.as_of for period in periods), name
        for before, after in pairwise(periods):
            assert before.valid_to is not None and before.valid_to < after.valid_from, name


def test_rules_at_a_date() -> None:
    day = datetime.date
    assert rules.at("stock.stamp_duty", day(2023, 8, 27)).value == Decimal("0.001")
    assert (
        rules.at("stock.stamp_duty", day(2023, 8, 28)).value == rules.at("stock.stamp_duty").value == Decimal("0.0005")
    )
    assert rules.at("stock.stamp_duty", day(2030, 1, 1)).stale
    with pytest.raises(CalculationError, match="规则表"):
        rules.at("stock.stamp_duty", day(2000, 1, 1))
