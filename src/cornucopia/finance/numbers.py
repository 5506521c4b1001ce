"""Reads Chinese numbers with their units out of text: 12,345.67元, 千分之五, 1.2亿, 三成, 25个BP, 3%~5%, 2024年3月1日.

Every reading keeps where it stood and how finely it was written, so that a checker can compare to the rounding shown.
Ordinals (第3年) are not quantities and are skipped. It knows no finance rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from cornucopia.finance.numerals import DIGITS, MULTIPLIERS, NUMERAL, read_numeral


@dataclass(frozen=True)
class Quantity:
    """One number found in a text.

    Args:
        value: in base units (元, a plain ratio, 年, 月, 日, 份, 股, 倍); a date is yyyymmdd, yyyymm or yyyy.
        unit: 元, 比例, 年, 月, 日, 倍, 份, 股, 日期 or none.
        span: start and end in the text.
        step: the weight of the last digit written (0.01 for 5307.27元, 0.0001 for 3.53%).
        part: "low" or "high" for the ends of a range, else "".
        currency: ISO code of a 元 quantity.
    """

    value: Decimal
    unit: str
    span: tuple[int, int]
    step: Decimal = Decimal(1)
    part: str = ""
    currency: str = "CNY"


_ARABIC = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_SCALE = r"(?:[十百千]?万亿|[十百千]?[万亿]|百(?!分)|千(?!分|克))?"
_NUMBER = rf"(?:{_ARABIC}{_SCALE}(?:{_ARABIC}[万千百])*(?:\d{{1,4}}(?![\d.,%‰‱年月日天个]))?|{NUMERAL})"
_SIMPLE = rf"(?:{_ARABIC}|{NUMERAL})"
_MINUS = r"(?:(?<![\d\w)%％年月])[-−]|负)?"
_CURRENCIES = {"美元": "USD", "港元": "HKD", "港币": "HKD", "欧元": "EUR", "日元": "JPY", "英镑": "GBP"}
_RATIO_WORDS = {"百": Decimal("0.01"), "千": Decimal("0.001"), "万": Decimal("0.0001")}

# Unit as written -> (kind, weight in base units). Longer spellings come first in the pattern.
UNITS: dict[str, tuple[str, Decimal]] = {
    "%": ("比例", Decimal("0.01")),
    "‰": ("比例", Decimal("0.001")),
    "‱": ("比例", Decimal("0.0001")),
    "个百分点": ("比例", Decimal("0.01")),
    "百分点": ("比例", Decimal("0.01")),
    "个基点": ("比例", Decimal("0.0001")),
    "基点": ("比例", Decimal("0.0001")),
    "个BP": ("比例", Decimal("0.0001")),
    "BP": ("比例", Decimal("0.0001")),
    "成": ("比例", Decimal("0.1")),
    "折": ("比例", Decimal("0.1")),
    "倍": ("倍", Decimal(1)),
    "元": ("元", Decimal(1)),
    "块钱": ("元", Decimal(1)),
    "块": ("元", Decimal(1)),
    "人民币": ("元", Decimal(1)),
    "角": ("元", Decimal("0.1")),
    "毛": ("元", Decimal("0.1")),
    "分钱": ("元", Decimal("0.01")),
    "年": ("年", Decimal(1)),
    "岁": ("年", Decimal(1)),
    "周年": ("年", Decimal(1)),
    "个月": ("月", Decimal(1)),
    "月": ("月", Decimal(1)),
    "个季度": ("月", Decimal(3)),
    "天": ("日", Decimal(1)),
    "日": ("日", Decimal(1)),
    "个交易日": ("日", Decimal(1)),
    "个工作日": ("日", Decimal(1)),
    "周": ("日", Decimal(7)),
    "个星期": ("日", Decimal(7)),
    "星期": ("日", Decimal(7)),
    "份": ("份", Decimal(1)),
    "股": ("股", Decimal(1)),
    "手": ("股", Decimal(100)),
    **{name: ("元", Decimal(1)) for name in _CURRENCIES},
}
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_RATIO = rf"(?:(?:[百千万]|[一二两三四五六七八九十百千万\d]+)分之{_SIMPLE})"
_CODE = re.compile(r"(?!RMB|CNY)[A-Za-z]+\d*(?!\d*[.,%])", re.I)  # A1, T2: the digits belong to a name
_JOIN = r"\s*(?:~|～|—|–|-|到|至)\s*"

_DATES = (
    re.compile(
        r"(?<!\d)(?P<y>(?:19|20)\d\d|[一二][九〇零][〇零一二三四五六七八九]{2})年"
        r"(?:(?P<m>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])月(?!份?利率)"
        r"(?:(?P<d>3[01]|[12]\d|0?[1-9]|[二三]?十[一二三四五六七八九]?|[一二三四五六七八九])[日号])?)?"
    ),
    re.compile(
        r"(?<![\d.])(?P<y>(?:19|20)\d\d)(?P<s>[-/.])(?P<m>1[0-2]|0?[1-9])(?P=s)(?P<d>3[01]|[12]\d|0?[1-9])(?![\d.])"
    ),
)
_COINS = re.compile(
    rf"(?P<y>{_SIMPLE})(?:元|块)(?:(?P<j>[\d一二三四五六七八九])(?:角|毛))?"
    r"(?:(?P<f>[\d一二三四五六七八九])分|(?<=块)(?P<c>[一二三四五六七八九])(?![\d角毛分十百千万个年月天日份]))?"
)
_MIXED = re.compile(rf"(?P<n>{_SIMPLE})(?P<u>年|个月)半|(?P<h>半)(?P<v>年|个月)|(?P<w>{_SIMPLE})个半月")
_CHENG = re.compile(rf"(?P<a>{_SIMPLE})成(?P<b>[一二三四五六七八九])")
_ONE = re.compile(
    rf"(?P<sign>{_MINUS})(?:(?P<ratio>{_RATIO})"
    rf"|(?P<money>[¥￥]|RMB|CNY)?(?P<number>{_NUMBER})\s*(?P<unit>{_UNIT})?)",
    re.I,
)
_ORDINAL = re.compile(rf"第\s*(?:{_SIMPLE})\s*(?:个月|个|{_UNIT})?")


def read_numbers(text: str) -> list[Quantity]:
    """Every quantity of `text`, in order.

    Args:
        text: any text; full-width digits and signs are read like half-width ones.

    Returns:
        Quantities whose spans index the text as given. A range gives its two ends, both with the unit.
    """
    text = normalise(text)
    found: list[Quantity] = []
    at = 0
    while at < len(text):
        quantity, end = _read_at(text, at)
        if quantity:
            found.append(quantity)
        at = end
    return _mark_ranges(text, found)


def normalise(text: str) -> str:
    """Full-width digits, signs and letters to half-width, same length; full-width commas only inside a number."""
    text = re.sub(r"(?<=[０-９\d])，(?=[０-９]{3}(?![０-９\d]))", ",", text)
    keep = "，：；！？（）～￥"
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" and c not in keep else c for c in text)


def _read_at(text: str, at: int) -> tuple[Quantity | None, int]:
    """The quantity that starts at `at` (or None), and where to go on."""
    if text[at] == "第" and (ordinal := _ORDINAL.match(text, at)):
        return None, ordinal.end()
    if code := _CODE.match(text, at):
        return None, code.end()
    for read in (_read_date, _read_mixed, _read_coins, _read_one):
        quantity = read(text, at)
        if quantity:
            return quantity, quantity.span[1]
    return None, at + 1


def _read_date(text: str, at: int) -> Quantity | None:
    for pattern in _DATES:
        match = pattern.match(text, at)
        if match and (at == 0 or not text[at - 1].isdigit()):
            parts = [match["y"], match["m"], match["d"]]
            if match["y"][0] not in "12":
                parts[0] = "".join(str(DIGITS[c]) for c in match["y"])
            digits = [int(parts[0])] + [int(_value(part)) for part in parts[1:] if part]
            if len(digits) == 3 and digits[2] > (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[digits[1] - 1]:
                return None
            if len(digits) == 1 and re.match(r"期|限|以[上内下]", text[match.end() :]):
                return None
            number = Decimal("".join(f"{digit:02d}" for digit in digits))
            return Quantity(number, "日期", match.span())
    return None


def _read_mixed(text: str, at: int) -> Quantity | None:
    """半年, 三年半, 一个半月, 三成五."""
    match = _MIXED.match(text, at)
    if match:
        count = _value(match["n"] or match["w"]) if match["n"] or match["w"] else Decimal(0)
        unit = "年" if "年" in (match["u"] or "", match["v"] or "") else "月"
        return Quantity(count + Decimal("0.5"), unit, match.span(), Decimal("0.5"))
    match = _CHENG.match(text, at)
    if match:
        value = _value(match["a"]) / 10 + _value(match["b"]) / 100
        return Quantity(value, "比例", match.span(), Decimal("0.01"))
    return None


def _read_coins(text: str, at: int) -> Quantity | None:
    """3元5角2分, 三块五."""
    match = _COINS.match(text, at)
    if not match or not (match["j"] or match["f"] or match["c"]):
        return None
    jiao = _value(match["j"] or match["c"]) if match["j"] or match["c"] else Decimal(0)
    fen = _value(match["f"]) if match["f"] else Decimal(0)
    step = Decimal("0.01") if match["f"] else Decimal("0.1")
    return Quantity(_value(match["y"]) + jiao / 10 + fen / 100, "元", match.span(), step)


def _read_one(text: str, at: int) -> Quantity | None:
    match = _ONE.match(text, at)
    if not match:
        return None
    sign = -1 if match["sign"] else 1
    if match["ratio"]:
        below, above = match["ratio"].split("分之")
        weight = _RATIO_WORDS[below] if below in _RATIO_WORDS else 1 / _value(below)
        return Quantity(sign * _value(above) * weight, "比例", match.span(), _step(above) * weight)
    raw, unit = match["number"], match["unit"] or ""
    if not _is_number(raw, unit):
        return None
    spelled = next((name for name in UNITS if name.lower() == unit.lower()), "")
    kind, weight = UNITS.get(spelled, ("none", Decimal(1)))
    value, step = _value(raw), _step(raw)
    if spelled == "折" and re.fullmatch(r"[一二三四五六七八九]{2}|\d\d", raw):
        value, step = value / 10, step / 10  # 八五折 is 0.85
    kind = "元" if match["money"] and kind == "none" else kind
    currency = _CURRENCIES.get(spelled, "CNY")
    return Quantity(sign * value * weight, kind, match.span(), step * weight, currency=currency)


def _is_number(raw: str, unit: str) -> bool:
    """Chinese numerals count only with a unit or as a written-out number, so that 一般 and 万一 are words."""
    if raw[0].isdigit():
        return True
    if unit:
        return raw != "一" or unit not in ("块", "手", "折")
    return len(raw) >= 2 and raw[0] not in "百千万亿" and any(c in MULTIPLIERS or c == "点" for c in raw[1:])


def _value(raw: str) -> Decimal:
    """`2000`, `12,345.67`, `1亿2000万`, `3万5`, `二十五万`, `三点五`."""
    return read_numeral(raw.replace(",", ""))


def _step(raw: str) -> Decimal:
    """The weight of the last digit written: 1 for 5307, 0.01 for 5307.27, 1000 for 20.5万 (at most one scale word)."""
    raw = raw.replace(",", "")
    match = re.search(r"[.点]([\d零〇一二三四五六七八九]+)", raw)
    step = Decimal(1).scaleb(-len(match[1])) if match else Decimal(1)
    tail = re.search(r"[万亿]+$" if raw[0] in DIGITS else r"[十百千万亿]+$", raw)
    for char in tail[0] if tail else "":
        step *= MULTIPLIERS[char]
    return step


def _mark_ranges(text: str, found: list[Quantity]) -> list[Quantity]:
    """Join two neighbours with nothing but 到 or ~ between them; the first takes the second's unit if it has none."""
    result = list(found)
    for i in range(len(result) - 1):
        low, high = result[i], result[i + 1]
        between = text[low.span[1] : high.span[0]]
        if low.part or not re.fullmatch(_JOIN, between):
            continue
        if low.unit == "none" and high.unit != "none":
            scale = _unit_scale(text[high.span[0] : high.span[1]])
            low = replace(low, value=low.value * scale, step=low.step * scale, unit=high.unit, currency=high.currency)
        if low.unit == high.unit and low.value <= high.value:
            result[i], result[i + 1] = replace(low, part="low"), replace(high, part="high")
    return result


def _unit_scale(spelling: str) -> Decimal:
    """What the unit (with a scale word such as 万) at the end of `spelling` multiplies by: 3到5万元, 3~5%."""
    match = re.search(rf"([万亿]*)({_UNIT})?$", spelling, re.I)
    scale = Decimal(1)
    for char in match[1] if match else "":
        scale *= MULTIPLIERS[char]
    name = next((n for n in UNITS if match and match[2] and n.lower() == match[2].lower()), "")
    return scale * UNITS[name][1] if name else scale
