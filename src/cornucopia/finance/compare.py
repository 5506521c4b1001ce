"""Whether two numbers are the same: unit, currency, rounding shown, and sign. The only place where that is decided."""

from __future__ import annotations

from decimal import Decimal

from cornucopia.finance.calculator import Value
from cornucopia.finance.dates import same_date
from cornucopia.finance.numbers import Quantity

_COARSEST = Decimal("0.005")  # 约0.5万元 is no answer to 5,307.27元, though it is that number rounded


def same_unit(unit: str, wanted: str) -> bool:
    """Whether a number in `unit` may stand for one in `wanted`: bare ones may, for all but dates and ratios."""
    unit, wanted = ("月" if one == "期" else one for one in (unit, wanted))  # loans are repaid by the month
    if wanted in ("none", "倍"):
        return unit in ("none", "倍")
    return unit in (wanted, "none") and not (wanted in ("日期", "比例") and unit == "none")


def close(number: Quantity, wanted: Decimal) -> bool:
    """Whether the number as written is `wanted`, to half of the last digit shown, never coarser than half a percent."""
    return _near(number.value, number.step, wanted)


def _near(value: Decimal, step: Decimal, wanted: Decimal) -> bool:
    room = min(step / 2, max(abs(wanted) * _COARSEST, Decimal("0.000001")))
    return abs(value - wanted) <= room and (value != 0 or wanted == 0 or step < Decimal("0.01"))


def states(number: Quantity, wanted: Quantity, *, told: bool = False) -> bool:
    """Whether `number` is the wanted one at the rounding either shows.

    Args:
        told: whether the question has said the direction (下降了多少), so that a number without one takes it over.
    """
    units = number.unit, wanted.unit
    if not (same_unit(*units) or same_unit(*units[::-1])) or number.currency != wanted.currency:
        return False
    if wanted.unit == "日期":
        return same_date(number.value, wanted.value)
    one, two = number.signed, wanted.signed
    if number.either or wanted.either or (told and (_neutral(number) or _neutral(wanted))):
        one, two = abs(one), abs(two)
    return _near(one, number.step, two) or _near(two, wanted.step, one)


def _neutral(number: Quantity) -> bool:
    return number.direction == 0 and number.value >= 0


def matches(number: Quantity, value: Value) -> bool:
    """Whether a number read is a calculator's value at the rounding shown.

    A negative value may be told by words (亏, 退), but not as a gain; a positive one, even a loss, not with a minus.
    """
    if not same_unit(number.unit, value.unit):
        return False
    if value.unit == "日期":
        return str(value.number).startswith(str(number.value)) and len(str(number.value)) >= 6
    if close(number, value.number):
        return True
    if value.number < 0:
        return number.direction <= 0 and close(number, -value.number)
    return number.either and close(number, -value.number)
