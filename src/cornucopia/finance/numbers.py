"""Reads Chinese numbers with their units out of text: 12,345.67元, 千分之五, 1.2亿, 三成, 25个BP, 3%~5%, 2024年3月1日.

Every reading keeps where it stood, how finely it was written and what became of its sign, so that a checker can compare
to the rounding shown. Ordinals, codes, clock times and scores are no quantities and are skipped whole: a digit of them
is never taken for a number. It knows no finance rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from cornucopia.finance import codes, dates, signs
from cornucopia.finance.numerals import DIGITS, MULTIPLIERS, NUMERAL, read_numeral
from cornucopia.finance.spelling import spell
from cornucopia.finance.units import SYMBOL, SYMBOLS, UNIT, is_points, unit_of


@dataclass(frozen=True)
class Quantity:
    """One number found in a text.

    Args:
        value: in base units (元, a plain ratio, 年, 月, 日, 份, 股, 克, 倍), negative where a sign says so; a date is
            yyyymmdd, yyyymm, yyyy or mmdd.
        unit: 元, 比例, 年, 月, 日, 期, 倍, 份, 股, 克, 点, 日期 or none.
        span: start and end in the text, the sign included.
        step: the weight of the last digit written (0.01 for 5307.27元, 0.0001 for 3.53%).
        part: "low" or "high" for the ends of a range, else "".
        currency: ISO code of a 元 quantity.
        direction: -1 where words say a fall or a loss (下降6.8%), 1 a rise or a gain, 0 neither.
        either: whether the text leaves the sign open (±5%, 最大回撤8%).
        points: whether a ratio is written as a difference of two (百分点, BP).
    """

    value: Decimal
    unit: str
    span: tuple[int, int]
    step: Decimal = Decimal(1)
    part: str = ""
    currency: str = "CNY"
    direction: int = 0
    either: bool = False
    points: bool = False

    @property
    def signed(self) -> Decimal:
        """The value with the sign that the words give it: 下降6.8% is -0.068, and so is 下降-6.8%."""
        return -abs(self.value) if self.direction < 0 else self.value


_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\w.])\.\d+"
_POWER = r"(?:e[+-]?\d{1,2}(?![\dA-Za-z.])|×10\^-?\d{1,2}(?!\d))"
_ARABIC = rf"(?:{_DIGITS})"
_SCALE = r"(?:个?[十百千]?万亿|个?[十百千]?[万亿]|百(?!分)|千(?!分|克))?"
_TAIL = r"(?:\d{1,4}(?![\d.,%‰‱:/年月日天个号]))?"  # 3万5
_NUMBER = rf"(?:{_ARABIC}{_POWER}|{_ARABIC}{_SCALE}(?:{_ARABIC}(?:[百千]万|[万千百]))*{_TAIL}|{NUMERAL}(?:个[万亿])?)"
_SIMPLE = rf"(?:{_ARABIC}|{NUMERAL})"
_STUTTER = 30  # so many numerals without a break are a model that stutters
_RATIO_WORDS = {"百": Decimal("0.01"), "千": Decimal("0.001"), "万": Decimal("0.0001")}
_RATIO = rf"(?:(?:[百千万]|[一二两三四五六七八九十百千万\d]+)分之{_SIMPLE})"
_JOIN = r"\s*(?:~|—+|-|到|至)\s*"

_COINS = re.compile(
    rf"(?P<y>{_SIMPLE})(?:元|块)(?:(?P<j>[\d一二三四五六七八九])(?:角|毛))?"
    r"(?:(?P<f>[\d一二三四五六七八九])分|(?<=块)(?P<c>[\d一二三四五六七八九])(?![\d.角毛分十百千万个年月天日份]))?"
)
_MIXED = re.compile(rf"(?P<n>{_SIMPLE})(?P<u>年|个月)半|(?P<h>半)(?P<v>年(?![报度])|个月)|(?P<w>{_SIMPLE})个半月")
_YEARS_MONTHS = re.compile(rf"(?P<y>{_SIMPLE})(?:年|周?岁)[零又]?(?P<m>{_SIMPLE})个月(?!半)")
_HALF = re.compile(rf"(?:(?P<n>{_SIMPLE})(?P<u>倍)半|半个?(?P<v>百分点|(?<=个)点|亿|万)(?P<w>元)?)")
_CHENG = re.compile(rf"(?P<a>{_SIMPLE})成(?P<b>[一二三四五六七八九])(?![十百千万])")
_FRACTION = re.compile(r"(?<![\d+×÷*^()=/-])(\d{1,3})/(\d{1,3})(?![\d+×÷*^()=/.-])")
_ONE = re.compile(
    rf"(?:(?P<ratio>{_RATIO})|(?:(?P<money>{SYMBOL}) *(?P<sign>-)? *)?(?P<number>{_NUMBER}) *(?P<unit>{UNIT})?)", re.I
)
_RANGE_AHEAD = re.compile(rf"{_JOIN}{_SIMPLE} *(?:{UNIT})", re.I)  # 两到三天
_BRACKETS = re.compile(
    rf"(?:{SYMBOL})?\( *(?:{SYMBOL})? *(?P<number>{_ARABIC}) *\) *(?P<unit>{_SCALE}(?:{UNIT})?)", re.I
)
# Chinese characters that stand in none of the patterns tried at a place: no quantity and no code begins with one.
_TRIED = (codes.ANYWHERE, signs.SIGN, *dates.DATES, _MIXED, _YEARS_MONTHS, _HALF, _CHENG, _COINS, _ONE, _BRACKETS)
_WRITTEN = "".join(sorted({char for one in _TRIED for char in one.pattern if "\u4e00" <= char <= "\u9fff"}))
_IDLE = re.compile(f"[^\\x00-\u4dff\ua000-\U0010ffff{_WRITTEN}]+")


def read_numbers(text: str) -> list[Quantity]:
    """Every quantity of `text`, in order.

    Args:
        text: any text; what spellings of digits, signs and spaces are known, see spelling.py.

    Returns:
        Quantities whose spans index the text as given. A range gives its two ends, both with the unit.
    """
    return list(_read_all(text))


@lru_cache(maxsize=2048)
def _read_all(text: str) -> tuple[Quantity, ...]:
    spelled = spell(text)
    found = _mark_ranges(spelled.text, _scan(spelled.text))
    told = signs.directions(spelled.text, [(one.span, one.unit, one.part) for one in found])
    return tuple(
        replace(one, span=spelled.span(*one.span), direction=way, either=one.either or (either and one.value >= 0))
        for one, (way, either) in zip(found, told, strict=True)
    )


def _scan(text: str) -> list[Quantity]:
    found: list[Quantity] = []
    at = end = 0  # end: where the last thing read or skipped ended, a quantity or not
    kind = ""
    while at < len(text):
        if idle := _IDLE.match(text, at):
            at = idle.end()
            continue
        skipped = codes.skip(text, at)
        quantity = None if skipped else _read_signed(text, at, end, kind)
        if skipped or quantity:
            start, at = at, quantity.span[1] if quantity else skipped
            if quantity or any(char.isdigit() for char in text[start:at]):
                end, kind = at, quantity.unit if quantity else ""
            found += [quantity] if quantity else []
        else:
            at += 1
    return found


def _read_signed(text: str, at: int, end: int, kind: str) -> Quantity | None:
    """The quantity that starts at `at`, its sign before it or brackets around it.

    Args:
        end, kind: where the number before it ended, and its unit.
    """
    brackets = _read_brackets(text, at)
    if brackets or text[at] == "(":
        return brackets
    sign = signs.read(text, at)
    if sign is None:
        return _read_plain(text, at)
    quantity = _read_plain(text, sign.end)
    if quantity is None or quantity.unit == "日期":
        return None
    after = text[quantity.span[1] : quantity.span[1] + 2]
    what = signs.meaning(text, sign, end, kind, quantity.unit, after)
    if not what:
        return None
    value = -quantity.value if what == "minus" else quantity.value
    return replace(quantity, value=value, span=(at, quantity.span[1]), either=what == "either")


def _read_brackets(text: str, at: int) -> Quantity | None:
    """(860.5)万元, an accountant's minus; (3) and (2024) are none."""
    match = _BRACKETS.match(text, at)
    what = signs.brackets(text, match.span(), match["number"], match["unit"]) if match else ""
    if not match or not what:
        return None
    quantity = _read_one(re.sub(r"[() ]", "", match[0]), 0)
    return quantity and replace(quantity, value=-quantity.value, span=match.span(), either=what == "either")


def _read_plain(text: str, at: int) -> Quantity | None:
    if at and text[at].isdigit() and text[at - 1].isdigit():
        return None
    if at >= _STUTTER and DIGITS.keys() | MULTIPLIERS.keys() >= set(text[at - _STUTTER : at + 1]):
        return None
    date = dates.read_date(text, at)
    if date:
        return Quantity(date[0], "日期", (at, date[1]))
    for read in (_read_mixed, _read_fraction, _read_coins, _read_one):
        quantity = read(text, at)
        if quantity:
            return quantity
    return None


def _read_mixed(text: str, at: int) -> Quantity | None:
    """半年, 三年半, 一个半月, 61岁5个月, 两倍半, 半个百分点, 半个亿, 三成五."""
    match = _YEARS_MONTHS.match(text, at)
    if match:
        return Quantity(_value(match["y"]) * 12 + _value(match["m"]), "月", match.span())
    match = _MIXED.match(text, at)
    if match:
        count = _value(match["n"] or match["w"]) if match["n"] or match["w"] else Decimal(0)
        unit = "年" if "年" in (match["u"] or "", match["v"] or "") else "月"
        return Quantity(count + Decimal("0.5"), unit, match.span(), Decimal("0.5"))
    if match := _HALF.match(text, at):  # 两倍半, 半个百分点, 半个亿
        kind, weight, _ = unit_of(match["u"] or match["w"] or ("" if match["v"] in "万亿" else f"个{match['v']}"))
        weight *= MULTIPLIERS.get(match["v"] or "", 1)
        value = (_value(match["n"]) if match["n"] else 0) + Decimal("0.5")
        return Quantity(value * weight, kind, match.span(), weight / 2, points=match["v"] == "百分点")
    if match := _CHENG.match(text, at):
        return Quantity(_value(match["a"]) / 10 + _value(match["b"]) / 100, "比例", match.span(), Decimal("0.01"))
    return None


def _read_fraction(text: str, at: int) -> Quantity | None:
    """1/3 standing alone; in a formula it is a division of two numbers."""
    match = _FRACTION.match(text, at)
    if not match or not 0 < int(match[1]) < int(match[2]) or re.match(rf" *(?:{UNIT})", text[match.end() :]):
        return None
    return Quantity(Decimal(match[1]) / Decimal(match[2]), "比例", match.span(), Decimal("0.0001"))


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
    if match["ratio"]:
        below, above = match["ratio"].split("分之")
        weight = _RATIO_WORDS[below] if below in _RATIO_WORDS else 1 / (_value(below) or Decimal(1))
        return Quantity(_value(above) * weight, "比例", match.span(), _step(above) * weight)
    raw, unit = match["number"], match["unit"] or ""
    if not _is_number(raw, unit) and not (raw in DIGITS and _RANGE_AHEAD.match(text, match.end())):
        return None
    value, step = _value(raw), _step(raw)
    if unit == "折" and re.fullmatch(r"[一二三四五六七八九]{2}|\d\d", raw):
        value, step = value / 10, step / 10  # 八五折 is 0.85
    kind, weight, currency = unit_of(unit)
    if match["money"]:
        kind = "元" if kind == "none" else kind
        currency = SYMBOLS[match["money"].upper()] if currency == "CNY" else currency
    sign = -1 if match["sign"] else 1
    worth, points = sign * value * weight, is_points(unit)
    return Quantity(worth, kind, match.span(), step * weight, currency=currency, points=points)


def _is_number(raw: str, unit: str) -> bool:
    """Chinese numerals count only with a unit or as a written-out number, so that 一般 and 万一 are words."""
    if raw[0].isdigit() or raw[0] == ".":
        return True
    if unit in ("点", "期"):
        return unit == "期" and len(raw) > 1
    if unit:
        return (raw, unit) not in (("一", "块"), ("一", "手"), ("一", "折"), ("二", "手"))
    return len(raw) >= 2 and raw[0] not in "百千万亿" and any(c in MULTIPLIERS or c == "点" for c in raw[1:])


def _value(raw: str) -> Decimal:
    """`2000`, `12,345.67`, `1.2e6`, `1亿2000万`, `2个亿`, `3万5`, `二十五万`, `三点五`."""
    raw = raw.replace(",", "").replace("个", "").replace("×10^", "e").lower()
    return Decimal(raw) if "e" in raw else read_numeral("0" + raw if raw[0] == "." else raw)


def _step(raw: str) -> Decimal:
    """The weight of the last digit written: 1 for 5307, 0.01 for 5307.27, 1000 for 20.5万 (at most one scale word)."""
    raw, _, power = raw.replace(",", "").replace("×10^", "e").lower().partition("e")
    match = re.search(r"[.点]([\d零〇一二三四五六七八九]+)", raw)
    step = Decimal(1).scaleb((-len(match[1]) if match else 0) + int(power or 0))
    tail = re.search(r"[万亿]+$" if raw[0] in DIGITS else r"[十百千万亿]+$", raw)
    for char in tail[0] if tail else "":
        step *= MULTIPLIERS[char]
    return step


def _mark_ranges(text: str, found: list[Quantity]) -> list[Quantity]:
    """Join two neighbours with nothing but 到 or ~ between them; the first takes the second's unit if it has none."""
    result = list(found)
    for i in range(len(result) - 1):
        low, high = result[i], result[i + 1]
        joint = text[low.span[1] : high.span[0]]
        if low.part or not re.fullmatch(_JOIN, joint) or ("-" in joint and _is_formula(text, low, high)):
            continue
        low = _with_unit_of(text, low, high)
        if low.unit == high.unit and low.value <= high.value:
            result[i], result[i + 1] = replace(low, part="low"), replace(high, part="high")
    return result


def _is_formula(text: str, low: Quantity, high: Quantity) -> bool:
    """Whether a dash between two numbers subtracts: ×(1-20%)=, but not (3-5%)."""
    before, behind = text[: low.span[0]].rstrip(" "), text[high.span[1] :].lstrip(" ")
    return bool(re.search(r"[=×÷*/+^-]\(?$", before) or re.match(r"\)?[=×÷*/+^]", behind))


def _with_unit_of(text: str, low: Quantity, high: Quantity) -> Quantity:
    """3 of 3到5万元 as 30,000元; 5000 of 5000到1万元 as 5000元."""
    match = re.search(rf"([百千]?[万亿]*)({UNIT})?$", text[slice(*high.span)], re.I)
    kind, weight, currency = unit_of(match[2] or "") if match else ("none", Decimal(1), "CNY")
    scale = Decimal(1)
    for char in match[1] if match else "":
        scale *= MULTIPLIERS[char]
    if low.unit != "none" or (high.unit == "none" and scale == 1):
        return low
    bare = re.fullmatch(r"-? *[\d.,]+|-?[零一二两三四五六七八九十]+", text[slice(*low.span)])
    scale = scale if bare and low.value * scale * weight <= high.value else Decimal(1)
    return replace(low, value=low.value * scale * weight, step=low.step * scale * weight, unit=kind, currency=currency)
