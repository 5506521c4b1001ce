"""Dates as they are written: 2026年3月1日, 2026-03-01, 2026/3/1, 2026.3.1, 20260301, 3月1日, 2024-2025年.

A date is a number: yyyymmdd, yyyymm, yyyy, or mmdd where no year is given.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

from cornucopia.finance.numerals import DIGITS, read_numeral

_YEAR = r"(?P<y>(?:19|20)\d\d|[一二][九〇零][〇○零一二三四五六七八九]{2})"
_MONTH = r"(?P<m>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])"
_DAY = r"(?P<d>3[01]|[12]\d|0?[1-9]|[二三]?十[一二三四五六七八九]?|[一二三四五六七八九])"
_LATER = r"\s*(?:-|~|—|至|到)\s*(?:19|20)\d\d(?![\d.,/-])(?!\s*[元万亿点股份%])"

DATES = tuple(
    re.compile(rf"(?<![\d.,]){pattern}")
    for pattern in (
        rf"{_YEAR}\s?年\s?(?:{_MONTH}\s?月(?!份?利率)\s?(?:{_DAY}\s?[日号])?)?",
        rf"(?P<y>(?:19|20)\d\d)(?P<s>[-/.]){_MONTH}(?P=s){_DAY}(?![\d.]*\d)",
        r"(?P<y>(?:19|20)\d\d)-(?P<m>0[1-9]|1[0-2])(?![\d%-])(?!\s*(?:年|元|万|亿|个|天))",
        r"(?P<y>(?:19|20)\d\d)\.(?P<m>0[1-9]|1[0-2])(?!\d|\s*[点元块%万亿倍股份美港欧])",
        r"(?P<y>(?:19|20)\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?!\d|[.,]\d|\s*[元万亿股份%])",
        rf"(?P<y>(?:19|20)\d\d)(?={_LATER})",
        r"(?P<y>(?:19|20)\d\d)(?=Q[1-4]|H[12]|财年|财政年度|一季|[二三四]季|第[一二三四]季|[上下]半年|[年中]报)",
        rf"(?P<y>\d\d)年{_MONTH}月{_DAY}[日号]",
        rf"(?<!年){_MONTH}\s?月\s?{_DAY}\s?[日号]",
    )
)
_PAIR = re.compile(r"(?:19|20)\d\d\s*(?:-|~|—|至|到)\s*$")
_BARE_YEAR = re.compile(r"(?P<y>(?:19|20)\d\d)(?![\d.,/-]|\s*[元万亿点股份%年])")


def read_date(text: str, at: int) -> tuple[Decimal, int] | None:
    """The date that starts at `at` as a number, and its end; a day that no calendar has is none."""
    for pattern in DATES:
        match = pattern.match(text, at)
        if match and (number := _number(match, text)):
            return number, match.end()
    match = _BARE_YEAR.match(text, at)
    if match and _PAIR.search(text[max(at - 8, 0) : at]):  # the second of 2024-2025
        return Decimal(match["y"]), match.end()
    return None


def _number(match: re.Match[str], text: str) -> Decimal | None:
    parts = match.groupdict()
    year, month, day = (_part(parts.get(name)) for name in ("y", "m", "d"))
    if year and year < 100:
        year += 2000
    if day and not _exists(year or 2024, month, day):
        return None
    if not month and re.match(r"期|限|以[上内下]", text[match.end() :]):
        return None
    return Decimal("".join(f"{part:02d}" for part in (year, month, day) if part))


def _part(text: str | None) -> int:
    if not text:
        return 0
    if len(text) == 4 and text[0] in DIGITS:
        return int("".join(str(DIGITS[c]) for c in text.replace("○", "零")))
    return int(read_numeral(text))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    return True


def same_date(one: Decimal, other: Decimal) -> bool:
    """Whether two dates may be the same day or month: to the month where one says no more, without year alike.

    A year alone is only that year.
    """
    (y, m, d), (year, month, day) = _split(one), _split(other)
    if bool(m) != bool(month):
        return False
    return (not y or not year or y == year) and m == month and (not d or not day or d == day)


def _split(number: Decimal) -> tuple[int, int, int]:
    digits = str(number)
    if len(digits) < 4 or number < 1300:
        return 0, int(number) // 100, int(number) % 100
    return int(digits[:4]), int(digits[4:6] or 0), int(digits[6:8] or 0)
