"""Convertible bonds: conversion value and premium, shares on conversion, call and put trigger prices."""

from __future__ import annotations

from decimal import Decimal

from cornucopia.core.config import Config, option
from cornucopia.finance.calculator import Calculator, Result, Value, money, ratio
from cornucopia.finance.decimals import percent, plain, rounded, yuan
from cornucopia.finance.fields import Number, Rate, Whole

_SOURCE = "《可转换公司债券管理办法》（证监会令第178号，2021-01-31起）；每张面值100元，转股价值=100÷转股价×正股价"


class Conversion(Config):
    """A bond, its share and its conversion price."""

    stock: Number = option(..., "正股价格，元", gt=0, le=100000)
    conversion: Number = option(..., "转股价，元", gt=0, le=100000)
    bond: Number = option(..., "可转债价格，元/张", gt=0, le=100000)


class ToShares(Config):
    """Bonds turned into shares."""

    count: Whole = option(..., "转股多少张", ge=1, le=10**8)
    conversion: Number = option(..., "转股价，元", gt=0, le=100000)
    stock: Number = option(..., "正股价格，元", gt=0, le=100000)


class Triggers(Config):
    """Clauses of the prospectus."""

    conversion: Number = option(..., "转股价，元", gt=0, le=100000)
    call: Rate = option(Decimal("1.3"), "强赎触发比例，如 130%", gt=1, le=3)
    put: Rate = option(Decimal("0.7"), "回售触发比例，募集说明书为准", gt=0, lt=1)


def conversion(bond: Conversion) -> Result:
    value = 100 / bond.conversion * bond.stock
    premium = bond.bond / rounded(value) - 1
    word = "溢价" if premium >= 0 else "折价"
    steps = [
        f"转股价值=100÷{plain(bond.conversion)}×{plain(bond.stock)}={yuan(value)}",
        f"转股溢价率={plain(bond.bond)}÷{plain(value, 2)}−1={percent(premium, 2)}",
        f"现在转股相当于{word}{percent(abs(premium), 2)}；溢价越高，正股上涨时跟得越慢",
    ]
    return Result({"转股价值": money(value), "转股溢价率": ratio(premium)}, steps, _SOURCE)


def to_shares(order: ToShares) -> Result:
    face = Decimal(order.count * 100)
    shares = face // order.conversion
    rest = face - shares * order.conversion
    steps = [
        f"{order.count}张面值共{yuan(face)}，可转{yuan(face)}÷{plain(order.conversion)}取整={plain(shares)}股",
        f"不足1股的部分{yuan(rest)}退现金",
        f"按正股价{plain(order.stock)}元算，转股后市值{yuan(shares * order.stock)}",
    ]
    values = {"转股数": Value(shares, "股"), "退回现金": money(rest), "转股后市值": money(shares * order.stock)}
    return Result(values, steps, _SOURCE)


def triggers(clause: Triggers) -> Result:
    call, put = rounded(clause.conversion * clause.call), rounded(clause.conversion * clause.put)
    steps = [
        f"强赎触发价={plain(clause.conversion)}×{percent(clause.call)}={plain(call)}元，正股连续若干日不低于它时公司可按面值加利息赎回",
        f"回售触发价={plain(clause.conversion)}×{percent(clause.put)}={plain(put)}元，正股连续低于它时持有人可回售",
        "天数和比例以募集说明书为准",
    ]
    return Result({"强赎触发价": Value(call, "元"), "回售触发价": Value(put, "元")}, steps, _SOURCE)


CALCULATORS = (
    Calculator(
        "转股价值",
        "conversion-value",
        "可转债",
        "转股价值和转股溢价率",
        Conversion,
        conversion,
        ("转股价值", "转股溢价率"),
    ),
    Calculator("转股", "convert", "可转债", "若干张可转债能转多少股", ToShares, to_shares, ("转股数",)),
    Calculator(
        "强赎回售价",
        "convertible-triggers",
        "可转债",
        "强赎和回售的触发价",
        Triggers,
        triggers,
        ("强赎触发价", "回售触发价"),
    ),
)
