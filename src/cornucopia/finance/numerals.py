"""Chinese numerals: 二十五万 <-> 250000. Reading takes mixed forms too (1亿2000万, 3万5); writing is standard."""

from __future__ import annotations

import re
from decimal import Decimal

DIGITS = (
    {c: i for i, c in enumerate("零一二三四五六七八九")}
    | {"〇": 0, "两": 2}
    | {c: i for i, c in enumerate("零壹贰叁肆伍陆柒捌玖")}
)
MULTIPLIERS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8, "拾": 10, "佰": 100, "仟": 1000, "萬": 10**4}
_BASIC = "零〇一二两三四五六七八九十壹贰叁肆伍陆柒捌玖拾"
NUMERAL = rf"(?:[{_BASIC}](?:[{_BASIC}]|[百千万亿佰仟萬](?!分之))*(?:点[零〇一二三四五六七八九]+[万亿]?)?)"
_PLAIN_DIGITS = re.compile(r"[零〇一二三四五六七八九]{2,}")


def read_numeral(text: str) -> Decimal:
    """The value of a numeral, Arabic, Chinese or mixed; the caller's pattern has already checked its shape.

    Args:
        text: such as `3万5`, `二十五万`, `一千零五十`, `三点五万`, `2024`.
    """
    if _PLAIN_DIGITS.fullmatch(text):
        return Decimal("".join(str(DIGITS[c]) for c in text))
    match = re.fullmatch(r"(.*)[点](.*?)([万亿]?)", text)
    if match:
        fraction = "".join(str(DIGITS[c]) for c in match[2])
        whole = read_numeral(match[1]) if match[1] else Decimal(0)
        return (whole + Decimal(f"0.{fraction}")) * MULTIPLIERS.get(match[3], 1)
    return _read_sections(text)


def _read_sections(text: str) -> Decimal:
    total, section, number, last, zero = Decimal(0), Decimal(0), None, 1, False
    for token in re.findall(r"\d+(?:\.\d+)?|.", text):
        if token in MULTIPLIERS:
            unit = MULTIPLIERS[token]
            if unit >= 10**4:
                section = (section + (number or 0)) or Decimal(total == 0)  # 3.6万亿 has nothing before its 亿
                total = (total + section) * unit if total < unit else total + section * unit
                section = Decimal(0)
            else:
                section += (Decimal(1) if number is None else number) * unit
            number, last, zero = None, unit, False
        else:
            number = Decimal(DIGITS[token]) if token in DIGITS else Decimal(token)
            zero = zero or number == 0
    if number is not None and last > 10 and not zero and number < 10 and number == int(number):
        number *= last // 10  # spoken: 三万五 is 35,000 and 一百五 is 150
    return total + section + (number or 0)


def write_numeral(number: Decimal | int) -> str:
    """Standard Chinese numeral of a number below 10^12: 1050 -> 一千零五十, 3.5 -> 三点五, 20000 -> 两万."""
    whole, _, fraction = format(Decimal(number), "f").partition(".")
    text = _write_whole(int(whole))
    fraction = fraction.rstrip("0")
    return text + ("点" + "".join("零一二三四五六七八九"[int(c)] for c in fraction) if fraction else "")


def _write_whole(number: int) -> str:
    if number < 10**4:
        return _write_section(number) or "零"
    unit, name = (10**8, "亿") if number >= 10**8 else (10**4, "万")
    head, rest = divmod(number, unit)
    text = ("两" if head == 2 else _write_whole(head)) + name
    if not rest:
        return text
    return text + ("零" if rest < unit // 10 else "") + _fix_ten(_write_whole(rest))


def _fix_ten(text: str) -> str:
    return "一" + text if text.startswith("十") else text


def _write_section(number: int) -> str:
    text, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + name
        gap = digit == 0 if text else False
    return text[1:] if text.startswith("一十") else text
