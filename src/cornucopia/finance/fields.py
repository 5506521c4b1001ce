"""Input types of the calculators: money, rates, terms, counts and dates, each read from spoken Chinese too.

`--principal 100万 --rate 4.9% --months 30年` is {"principal": "1000000", "rate": "0.049", "months": 360}.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

from cornucopia.finance.numbers import Quantity, read_numbers


def _one(value: Any, kinds: tuple[str, ...], wanted: str) -> Quantity:
    text = str(value).strip()
    found = read_numbers(text)
    if len(found) != 1 or text[: found[0].span[0]].strip() or text[found[0].span[1] :].strip():
        raise ValueError(f"读不出{wanted}")
    if found[0].unit not in kinds:
        raise ValueError(f"应为{wanted}")
    return found[0]


def _amount(value: Any) -> Decimal:
    quantity = _one(value, ("元", "none"), "金额，如 12345.67、20万、1.2亿元")
    if quantity.currency != "CNY":
        raise ValueError("应为人民币金额")
    return quantity.value


def _ratio(value: Any) -> Decimal:
    quantity = _one(value, ("比例", "none"), "比率，如 4.9%、0.049、千分之五、25BP")
    if quantity.unit == "none" and abs(quantity.value) >= 1:
        raise ValueError(f"应写成百分数（{value}%）或小数")
    return quantity.value


def _number(value: Any) -> Decimal:
    return _one(value, ("none", "元", "份", "股", "倍", "年"), "数字").value


def _whole(value: Any) -> int:
    number = _one(value, ("none", "份", "股", "年", "月", "日"), "整数").value
    if number != int(number):
        raise ValueError("应为整数")
    return int(number)


def _months(value: Any) -> int:
    quantity = _one(value, ("none", "年", "月"), "期限，如 30年、36个月、360（月）")
    months = quantity.value * 12 if quantity.unit == "年" else quantity.value
    if months != int(months):
        raise ValueError("应为整数个月")
    return int(months)


def _day(value: Any) -> Any:
    if isinstance(value, datetime.date) or value is None:
        return value
    text = re.sub(r"^(\d{4})[-/.](\d{1,2})$", r"\1年\2月", str(value).strip())
    digits = str(_one(text, ("日期",), "日期，如 2024-03-01、2024年3月1日").value)
    if len(digits) == 6:
        digits += "01"
    try:
        return datetime.datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        raise ValueError("应为日期，如 2024-03-01、2024年3月1日") from None


Money = Annotated[Decimal, BeforeValidator(_amount)]
Rate = Annotated[Decimal, BeforeValidator(_ratio)]
Number = Annotated[Decimal, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_whole)]
Months = Annotated[int, BeforeValidator(_months)]
Day = Annotated[datetime.date, BeforeValidator(_day)]
