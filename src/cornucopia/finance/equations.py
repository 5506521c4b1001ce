"""Arithmetic written out in a text: finds 10万元×0.1%×90÷360=25元 and says whether it holds at the rounding shown.

An equation with a word or an unknown on its left side is left alone; so is one whose brackets do not close.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException
from itertools import product

from cornucopia.finance.numbers import Quantity, read_numbers
from cornucopia.finance.spelling import spell

_OPERATORS = {"×": "*", "*": "*", "÷": "/", "/": "/", "+": "+", "−": "-", "-": "-", "^": "^", "(": "(", ")": ")"}
_OPERATORS |= {"（": "(", "）": ")", "＋": "+", "–": "-"}
_EQUALS = re.compile(r"[=＝≈]\s*约?\s*")
_MOST_ROUNDED = 6
_SLACK = Decimal("0.00001")  # a duration of 10.00004 is shown as 10, which looks exact

Token = Decimal | str


@dataclass(frozen=True)
class Equation:
    """One equation.

    Args:
        text: in the one spelling. right: the quantity after its sign of equality.
        holds: whether the left side gives it, within the rounding of every number shown.
    """

    text: str
    right: Quantity
    holds: bool


def read_equations(text: str, exact: Collection[Decimal] = ()) -> list[Equation]:
    """Every equation of `text` whose left side is arithmetic on numbers.

    Args:
        text: any text.
        exact: values known to be unrounded (those of the question); others may be off by half their last digit.
    """
    spelled = spell(text)
    text = spelled.text
    starts = {quantity.span[0]: quantity for quantity in read_numbers(text)}
    ends = {quantity.span[1]: quantity for quantity in starts.values()}
    found = []
    for sign in _EQUALS.finditer(text):
        right = starts.get(sign.end())
        left, start = _left_side(text, sign.start(), ends)
        if right and sum(isinstance(token, Quantity) for token in left) > 1:
            holds = _holds(left, right, exact)
            if holds is not None:
                whole = replace(right, span=spelled.span(*right.span))
                found.append(Equation(text[start : right.span[1]], whole, holds))
    return found


def _left_side(text: str, end: int, ends: dict[int, Quantity]) -> tuple[list[Quantity | str], int]:
    """Numbers and operators that lead up to `end`, and where they start."""
    tokens: list[Quantity | str] = []
    while end > 0:
        if end in ends:
            tokens.append(ends[end])
            end = ends[end].span[0]
        elif text[end - 1] in _OPERATORS:
            tokens.append(_OPERATORS[text[end - 1]])
            end -= 1
        elif text[end - 1] == " " or (text[end - 1] in "天期份股月" and end - 1 in ends):
            end -= 1
        else:
            break
    return tokens[::-1], end


def _holds(left: list[Quantity | str], right: Quantity, exact: Collection[Decimal]) -> bool | None:
    """Whether some reading of the rounded numbers gives the right side; None when the left side is not arithmetic."""
    rounded = [i for i, token in enumerate(left) if isinstance(token, Quantity) and not _is_exact(token, exact)]
    values = []
    for shifts in product((-1, 1), repeat=min(len(rounded), _MOST_ROUNDED)):
        moved: list[Token] = [token.value if isinstance(token, Quantity) else token for token in left]
        for i, shift in zip(rounded, shifts, strict=False):
            token = left[i]
            assert isinstance(token, Quantity)
            moved[i] = token.value + shift * token.step / 2
        value = evaluate(moved)
        if value is None:
            return None
        values.append(value)
    room = right.step / 2 + abs(right.value) * _SLACK
    return min(values) - room <= right.value <= max(values) + room


def _is_exact(number: Quantity, exact: Collection[Decimal]) -> bool:
    return number.value in exact or (number.unit in ("none", "日", "月", "年") and number.value == int(number.value))


def evaluate(tokens: list[Token]) -> Decimal | None:
    """The value of an expression in + - * / ^ and brackets, or None when it is not one."""
    rest = list(tokens)
    try:
        value = _sum(rest)
    except (IndexError, DecimalException, ValueError):
        return None
    return None if rest else value


def _sum(rest: list[Token]) -> Decimal:
    value = _term(rest)
    while rest and rest[0] in ("+", "-"):
        value = value + _term(rest) if rest.pop(0) == "+" else value - _term(rest)
    return value


def _term(rest: list[Token]) -> Decimal:
    value = _power(rest)
    while rest and rest[0] in ("*", "/"):
        value = value * _power(rest) if rest.pop(0) == "*" else value / _power(rest)
    return value


def _power(rest: list[Token]) -> Decimal:
    value = _atom(rest)
    if rest and rest[0] == "^":
        rest.pop(0)
        exponent = _power(rest)
        if abs(exponent) > 10000:
            raise ValueError(exponent)
        return value**exponent
    return value


def _atom(rest: list[Token]) -> Decimal:
    token = rest.pop(0)
    if token == "(":
        value = _sum(rest)
        if rest.pop(0) != ")":
            raise ValueError("bracket")
        return value
    if isinstance(token, Decimal):
        return token
    raise ValueError(token)
