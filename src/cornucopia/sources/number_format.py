"""A spreadsheet's value as its cell shows it: 0.0385 in a cell of format 0.00% is 3.85%, 1 in 000000 is 000001.

The formats are those of ECMA-376 part 1, 18.8.31: sections by sign, digits, scaling, literals, dates.
"""

from __future__ import annotations

import datetime
import math
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

_QUOTED = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[(?:\$([^\]-]*)[^\]]*|[^\]]*)\]')
_DIGITS = re.compile(r"[#0?][#0?,]*(?:\.[#0?]*)?|\.[#0?]+")
_DATE_PART = re.compile(r"yyyy|yy|y|mmmm|mmm|mm|m|dddd|ddd|dd|d|hh|h|ss|s|\.0+|AM/PM|A/P|上午/下午", re.I)
_SPANS = re.compile(r"\[(h+|m+|s+)\]", re.I)
_WEEKDAYS = "一二三四五六日"
_MOST_DIGITS = 15  # what a spreadsheet keeps of a number


def shown(value: object, form: str = "General") -> str:
    """The text of a cell.

    Args:
        value: what openpyxl reads: None, text, number, bool, date, time, timedelta.
        form: the cell's number format.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return _date(value, form)
    if isinstance(value, datetime.timedelta):
        return _span(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, (int, float)):
        try:
            return _number(value, form)
        except (InvalidOperation, OverflowError, ValueError):
            return str(value)
    return str(value)


def _general(value: int | float) -> str:
    if isinstance(value, int):
        return str(value)
    number = Decimal(f"{value:.{_MOST_DIGITS}g}")
    if number and not -7 < number.adjusted() < 21:
        return f"{value:.{_MOST_DIGITS}g}"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: int | float, form: str) -> str:
    sections = _sections(form)
    index = 1 if value < 0 and len(sections) > 1 else 2 if value == 0 and len(sections) > 2 else 0
    section, literals = sections[index]
    digits = _DIGITS.search(section)
    if not section or section.strip().lower() == "general" or (not digits and "@" in section):
        return _general(value)
    if not digits:  # only words: a format that says 无 for zero
        return _literal(section, literals)
    number = abs(Decimal(f"{value:.{_MOST_DIGITS}g}"))
    if re.search(r"E[+-]", section):
        return f"{value:.{len(_places(digits.group()))}E}"
    if "/" in section and "?" in section + digits.group():  # a fraction: its value is clearer as a decimal
        return _general(value)
    pattern = digits.group()
    tail = section[digits.end() :]
    scale = len(pattern) - len(pattern.rstrip(","))
    number = number.scaleb(2 * section.count("%") - 3 * scale)
    body = _digits(number, pattern.rstrip(","))
    sign = "-" if value < 0 and index == 0 and re.search("[1-9]", body) else ""
    tail = re.sub("[#?0,.]", "", tail)
    return (sign + _literal(section[: digits.start()], literals) + body + _literal(tail, literals)).strip()


def _places(pattern: str) -> str:
    return pattern.partition(".")[2]


def _digits(number: Decimal, pattern: str) -> str:
    whole, _, places = pattern.partition(".")
    rounded = number.quantize(Decimal(1).scaleb(-len(places)), ROUND_HALF_UP)
    text = f"{rounded:f}"
    integer, _, fraction = text.partition(".")
    optional = len(places) - len(places.rstrip("#?"))
    for _ in range(optional):
        fraction = fraction.removesuffix("0") if fraction.endswith("0") else fraction
    integer = integer.zfill(whole.replace(",", "").count("0"))
    integer = "" if integer.strip("0") == "" and "0" not in whole else integer
    if "," in whole:
        integer = re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", integer)
    return f"{integer}.{fraction}" if fraction else integer or "0"


@lru_cache(maxsize=1024)
def _sections(form: str) -> list[tuple[str, tuple[str, ...]]]:
    """(format with its literals as private characters, the literals) of each section."""
    literals: list[str] = []

    def keep(match: re.Match[str]) -> str:
        quoted, escaped, currency = match.groups()
        text = quoted if quoted is not None else escaped if escaped is not None else currency or ""
        if not text:
            return ""
        literals.append(text)
        return chr(0xE000 + len(literals) - 1)

    marked = _QUOTED.sub(keep, form)
    return [(section, tuple(literals)) for section in marked.split(";")]


def _literal(text: str, literals: tuple[str, ...]) -> str:
    return "".join(
        literals[ord(char) - 0xE000] if 0xE000 <= ord(char) < 0xE000 + len(literals) else char for char in text
    )


def _date(value: datetime.datetime | datetime.date | datetime.time, form: str) -> str:
    """By the format's own parts; ISO where it has none that is known."""
    section, literals = _sections(re.sub(r"\[\$[^\]]*\]", "", form))[0]
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(datetime.date(1900, 1, 1), value)
        plain = value.strftime("%H:%M:%S")
    else:
        clock = isinstance(value, datetime.datetime) and value.time() != datetime.time()
        plain = value.strftime("%Y-%m-%d %H:%M:%S" if clock else "%Y-%m-%d") if value.year >= 1000 else str(value)
    parts = _DATE_PART.findall(section)
    locale = not parts or section.lower() in ("mm-dd-yy", "m/d/yy", "m/d/yy h:mm", "mm/dd/yy")
    if locale or {"mmm", "mmmm", "dddd", "ddd"} & {part.lower() for part in parts}:
        return plain  # formats that follow the reader's country, and names of months: unambiguous as ISO
    return _literal(_date_parts(value, section), literals).strip() or plain


def _date_parts(value: datetime.datetime | datetime.date, section: str) -> str:
    twelve = re.search(r"AM/PM|A/P|上午/下午", section, re.I)
    before = ""

    def part(match: re.Match[str]) -> str:
        nonlocal before
        code = match.group().lower()
        moment = value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time())
        following = section[match.end() :].lower()
        minutes = code[0] == "m" and (before[:1] == "h" or re.match(r"[^a-z]*s", following))
        before = code if code[0] in "hmsyd" else before
        if code in ("am/pm", "a/p", "上午/下午"):
            return "上午" if moment.hour < 12 else "下午"
        if code[0] == ".":
            return ""
        hour = (moment.hour - 1) % 12 + 1 if twelve else moment.hour
        numbers = {"y": moment.year, "d": moment.day, "h": hour, "s": moment.second}
        number = (moment.minute if minutes else moment.month) if code[0] == "m" else numbers[code[0]]
        if code == "yy":
            number %= 100
        return f"{number:0{4 if code == 'yyyy' else min(len(code), 2)}d}"

    return _DATE_PART.sub(part, section)


def _span(value: datetime.timedelta) -> str:
    seconds = int(value.total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
