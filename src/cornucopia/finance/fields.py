"""Input types of the calculators: money, rates, terms, counts and dates, each read from spoken Chinese too.

`--principal 100万 --rate 4.9% --months 30年` is {"principal": "1000000", "rate": "0.049", "months": 360}.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from cornucopia.finance.numbers import Quantity, read_numbers


def _one(value: Any, kinds: tuple[str, ...], wanted: str) -> Quantity:
    text = re.sub(r"(?:/年|每年|\(年\)|（年）)$", "", str(value).strip()) if "比例" in kinds else str(value).strip()
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


def _daily(value: Any) -> Decimal:
    return _ratio(re.sub(r"(?:/[日天]|每[日天])$", "", str(value).strip()))


def _number(value: Any) -> Decimal:
    return _one(value, ("none", "元", "份", "股", "倍", "点"), "数字").value


def _integer(number: Decimal, wanted: str) -> int:
    if number != int(number):
        raise ValueError(f"应为{wanted}")
    return int(number)


def _whole(value: Any) -> int:
    return _integer(_one(value, ("none", "份", "股", "期"), "整数").value, "整数")


def _days(value: Any) -> int:
    return _integer(_one(value, ("none", "日"), "天数，如 90天、90").value, "整数天")


def _years(value: Any) -> Decimal:
    quantity = _one(value, ("none", "年", "月"), "年数，如 20年、20、240个月")
    return quantity.value / 12 if quantity.unit == "月" else quantity.value


def _whole_years(value: Any) -> int:
    return _integer(_years(value), "整数年")


def _months(value: Any) -> int:
    quantity = _one(value, ("none", "年", "月", "期"), "期限，如 30年、36个月、360期、360（月）")
    months = quantity.value * 12 if quantity.unit == "年" else quantity.value
    return _integer(months, "整数个月")


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


def _written(unit: str, *kinds: str) -> WithJsonSchema:
    """How a tool's JSON schema describes the type: the kinds of JSON accepted and how a text may be written."""
    return WithJsonSchema({"type": list(kinds), "description": unit})


Money = Annotated[Decimal, BeforeValidator(_amount), _written("可写 20万", "number", "string")]
Rate = Annotated[Decimal, BeforeValidator(_ratio), _written("写成 4.9% 或 0.049", "string", "number")]
DailyRate = Annotated[Decimal, BeforeValidator(_daily), _written("写成 0.05% 或 万分之五", "string", "number")]
Number = Annotated[Decimal, BeforeValidator(_number), _written("", "number", "string")]
Whole = Annotated[int, BeforeValidator(_whole), _written("", "integer", "string")]
Days = Annotated[int, BeforeValidator(_days), _written("", "integer", "string")]
Span = Annotated[Decimal, BeforeValidator(_years), _written("可写 18个月", "number", "string")]
Years = Annotated[int, BeforeValidator(_whole_years), _written("", "integer", "string")]
Months = Annotated[int, BeforeValidator(_months), _written("可写 3年", "integer", "string")]
Day = Annotated[datetime.date, BeforeValidator(_day), _written("写成 2024-03-01", "string")]
