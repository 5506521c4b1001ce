"""Exact arithmetic for money: rounding as banks round, roots by bisection, internal rate of return.

Knows nothing of products or rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import pairwise

from cornucopia.core.errors import CornucopiaError

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)


class CalculationError(CornucopiaError):
    """The inputs lie outside the rule's domain, or no answer exists."""


def rounded(number: Decimal, places: int = 2) -> Decimal:
    """`number` at `places` decimals, halves away from zero (四舍五入)."""
    with localcontext() as context:
        context.prec = 60
        return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def plain(number: Decimal, places: int | None = None) -> str:
    """Digits without exponent and without trailing zeros, rounded to `places` where given."""
    number = rounded(number, places) if places is not None else number
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def yuan(number: Decimal) -> str:
    """Money for a sentence: 5307.27元, 1000元, and 20万元 where nothing is lost."""
    cents = rounded(number)
    if abs(cents) >= 10000 and cents % 100 == 0:
        return f"{plain(cents / 10000)}万元"
    return f"{plain(cents)}元"


def percent(number: Decimal, places: int = 4) -> str:
    """A ratio for a sentence: 4.9%, at most `places` decimals of a percent."""
    return f"{plain(number * 100, places)}%"


def bisect(function: Callable[[Decimal], Decimal], low: Decimal, high: Decimal) -> Decimal | None:
    """A root of `function` between `low` and `high` to 1e-16, or None when its signs there do not differ."""
    left, right = function(low), function(high)
    if left == 0:
        return low
    if right == 0:
        return high
    if (left > 0) == (right > 0):
        return None
    while high - low > Decimal("1e-16"):
        middle = (low + high) / 2
        value = function(middle)
        if value == 0:
            return middle
        low, high = (middle, high) if (value > 0) == (left > 0) else (low, middle)
    return (low + high) / 2


def present_value(flows: Sequence[Decimal], rate: Decimal) -> Decimal:
    """Value at time 0 of flows at times 0, 1, 2, ... discounted at `rate` a period."""
    factor, total = ONE / (ONE + rate), ZERO
    for flow in reversed(flows):
        total = total * factor + flow
    return total


def irr(flows: Sequence[Decimal]) -> Decimal:
    """Internal rate of return a period, for flows whose sign changes once (so the root is the only one).

    Raises:
        CalculationError: if all flows have one sign, the sign changes more than once, or no root is in (-99%, 1000%).
    """
    signs = [flow > 0 for flow in flows if flow != 0]
    changes = sum(a != b for a, b in pairwise(signs))
    if changes != 1:
        found = "只有流入或只有流出" if changes == 0 else f"方向变了 {changes} 次，收益率可能不止一个"
        raise CalculationError("算不出内部收益率", found=found, fix="现金流应先付后收，或先收后付")
    root = bisect(lambda rate: present_value(flows, rate), Decimal("-0.99"), Decimal(10))
    if root is None:
        raise CalculationError("内部收益率超出 -99% 到 1000% 的范围", found=f"{len(flows)} 期现金流", fix="检查金额")
    return root
