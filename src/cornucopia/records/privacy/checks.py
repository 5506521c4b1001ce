"""Check digits and shapes of personal numbers: what tells one from any other row of digits."""

from __future__ import annotations

from datetime import date

# Provinces of identity cards (GB/T 2260); 83 is that of Taiwan's residents.
PROVINCES = frozenset(
    (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83)
)
_WEIGHTS = tuple(2 ** (17 - place) % 11 for place in range(17))
_CREDIT = {char: value for value, char in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}


def id_check_digit(first17: str) -> str:
    """The 18th character of an identity card: MOD 11-2 (GB 11643-1999, ISO 7064)."""
    total = sum(int(digit) * weight for digit, weight in zip(first17, _WEIGHTS, strict=True))
    return "10X98765432"[total % 11]


def is_id_shape(number: str) -> bool:
    """Whether 15 or 18 characters begin with a province and hold a birthday that exists."""
    if int(number[:2]) not in PROVINCES:
        return False
    born = number[6:14] if len(number) == 18 else f"19{number[6:12]}"
    try:
        day = date(int(born[:4]), int(born[4:6]), int(born[6:]))
    except ValueError:
        return False
    return 1880 <= day.year <= 2035


def is_id_card(number: str) -> bool:
    """Whether the 18 characters are an identity card with the right check digit."""
    return is_id_shape(number) and id_check_digit(number[:17]) == number[17].upper()


def luhn_digit(first: str) -> str:
    """The check digit that follows these digits (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(first)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def is_luhn(number: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    return luhn_digit(number[:-1]) == number[-1]


def is_card_head(number: str) -> bool:
    """Whether a card of this length is issued under these first digits.

    62, 60, 68, 69, 9558 and 94-98 are those of Chinese banks; 4, 51-55, 2221-2720, 34, 37 and 35 international ones.
    """
    length, head = len(number), number[:4]
    if head.startswith("62"):
        return 15 < length < 20
    if head[:2] in ("60", "68", "69", "94", "95", "96", "97", "98"):
        return length in (16, 18, 19)
    if head[0] == "4" or head[:2] in ("51", "52", "53", "54", "55", "35") or "2221" <= head <= "2720":
        return length == 16
    return head[:2] in ("34", "37") and length == 15


def is_credit_code(code: str) -> bool:
    """Whether 18 characters are a unified social credit code: MOD 31-3 (GB 32100-2015)."""
    try:
        values = [_CREDIT[char] for char in code.upper()]
    except KeyError:
        return False
    total = sum(value * (3**place % 31) for place, value in enumerate(values[:17]))
    return -total % 31 == values[17]
