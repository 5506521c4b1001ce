"""Units as they are written beside numbers, what kind of quantity each makes, and the currencies."""

from __future__ import annotations

import re
from decimal import Decimal

CURRENCIES = {
    **{"美元": "USD", "美金": "USD", "港元": "HKD", "港币": "HKD", "欧元": "EUR", "日元": "JPY", "日圆": "JPY"},
    **{"英镑": "GBP", "澳元": "AUD", "加元": "CAD", "韩元": "KRW", "瑞士法郎": "CHF", "瑞郎": "CHF", "新加坡元": "SGD"},
    **{code: code for code in ("USD", "HKD", "EUR", "GBP", "JPY", "CNY")},
    **{"RMB": "CNY", "yuan": "CNY", "円": "JPY", "澳门元": "MOP", "新台币": "TWD", "卢布": "RUB", "泰铢": "THB"},
}
SYMBOLS = {
    **{"¥": "CNY", "￥": "CNY", "RMB": "CNY", "CNY": "CNY", "人民币": "CNY", "US$": "USD", "HK$": "HKD", "$": "USD"},
    **{"USD": "USD", "HKD": "HKD", "EUR": "EUR", "GBP": "GBP", "JPY": "JPY", "€": "EUR", "£": "GBP"},
}

_ONE, _HUNDREDTH, _BASIS = Decimal(1), Decimal("0.01"), Decimal("0.0001")

# Unit as written -> (kind, weight in base units).
UNITS: dict[str, tuple[str, Decimal]] = {
    "%": ("比例", _HUNDREDTH),
    "‰": ("比例", Decimal("0.001")),
    "‱": ("比例", _BASIS),
    **dict.fromkeys(("个百分点", "百分点", "个点", "pct", "pcts", "个pct", "pp", "个pp"), ("比例", _HUNDREDTH)),
    **dict.fromkeys(("个基点", "基点", "个BP", "BP", "BPS", "个BPS"), ("比例", _BASIS)),
    "成": ("比例", Decimal("0.1")),
    "折": ("比例", Decimal("0.1")),
    "倍": ("倍", _ONE),
    **dict.fromkeys(("元", "元整", "元正", "圆", "圆整", "块钱", "块", "人民币", "元人民币"), ("元", _ONE)),
    "角": ("元", Decimal("0.1")),
    "毛": ("元", Decimal("0.1")),
    "分钱": ("元", _HUNDREDTH),
    **dict.fromkeys(("年", "岁", "周岁", "周年"), ("年", _ONE)),
    **dict.fromkeys(("个月", "月"), ("月", _ONE)),
    "个季度": ("月", Decimal(3)),
    **dict.fromkeys(("天", "日", "个交易日", "个工作日", "个自然日"), ("日", _ONE)),
    **dict.fromkeys(("周", "个星期", "星期"), ("日", Decimal(7))),
    "份": ("份", _ONE),
    "股": ("股", _ONE),
    "手": ("股", Decimal(100)),
    **dict.fromkeys(("公斤", "千克"), ("克", Decimal(1000))),
    **{"克": ("克", _ONE), "吨": ("克", Decimal(10**6)), "盎司": ("克", Decimal("31.1034768"))},
    "点": ("点", _ONE),
    "期": ("期", _ONE),
    **dict.fromkeys(CURRENCIES, ("元", _ONE)),
}

# Words that only begin like a unit: 三成立, 5股东, 12期间.
_WORDS = {
    **{"成": "立交功员", "折": "旧算合价叠线", "手": "房车机续动术", "期": "间货权末限初望", "点": "半钟多"},
    **{"股": "东权票指市本", "角": "度色形", "毛": "利病", "块": "链", "元": "旦件素", "月": "供薪", "日": "均"},
    **{"天": "然津", "倍": "增", "周": "转边", "年": "化均", "圆": "满形", "克": "拉服", "吨": "位"},
}
_KNOWN = {name.upper(): name for name in UNITS}


def _spelling(name: str) -> str:
    if name[-1].isascii() and name[-1].isalpha():
        return re.escape(name) + "(?![A-Za-z])"
    barred = _WORDS.get(name)
    return re.escape(name) + (f"(?![{barred}])" if barred else "")


UNIT = "|".join(map(_spelling, sorted(UNITS, key=len, reverse=True)))  # longer spellings first
SYMBOL = "|".join(map(re.escape, sorted(SYMBOLS, key=len, reverse=True)))


def unit_of(spelling: str) -> tuple[str, Decimal, str]:
    """(kind, weight, currency) of a unit as written, "" being none."""
    name = _KNOWN.get(spelling.upper(), "")
    kind, weight = UNITS.get(name, ("none", _ONE))
    return kind, weight, CURRENCIES.get(name, "CNY")


def is_points(spelling: str) -> bool:
    """Whether a unit as written is that of a difference of two ratios: 百分点, 基点, pct, pp."""
    return bool(re.search("百分点|基点|pct|pp|BP", spelling, re.I))
