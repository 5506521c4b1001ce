"""Whether the number that an answer ends at is the reference's: 答案是 160.1 亿美元, \\boxed{0.35}, {"answer": 14.8}.

Where an answer says which number is its result (答案, 最终, 所以, a box, JSON, the right side of its last equation),
that one counts, and steps before it do not. An answer that leaves two open, or a range, states neither. Units, scales (ten thousand, hundred million), percent and rounding are
read by finance/numbers.py and compared by finance/compare.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from cornucopia.evaluation.final_text import boxed, conclusions, spelled, without_asides
from cornucopia.finance.compare import same_unit, states
from cornucopia.finance.numbers import Quantity, read_numbers

_SCALES = tuple(Decimal(10) ** power for power in (4, 8))
_EITHER = re.compile(r"或|还是|也可能|也许")


def final_number_is(answer: str, golden: str, question: str = "", *, named: str = "") -> bool | None:
    """Whether the answer's result is the golden one.

    Args:
        answer: what was written.
        golden: the reference: a number with its unit, a range, or a formula that ends with one.
        question: may give the unit that a bare number has; its numbers are not taken for the result where others are.
        named: numbers that the answer may repeat to contradict them.

    Returns:
        None where the answer states no number, or the golden has none.
    """
    wanted = _last(_numbers(golden.rpartition("=")[2]) or _numbers(golden))
    given = [number for text in (question, named) for number in _numbers(text)]
    if not wanted:
        return None
    found = _stated(spelled(answer), [] if _is_given(wanted[-1], given) else given, wanted[-1])
    return all(any(_same(number, one) for number in found) for one in wanted) if found else None


def _numbers(text: str) -> list[Quantity]:
    """The numbers of a text, 3.5W and 一半 among them; years as months."""
    return [
        replace(n, value=n.value * 12, step=n.step * 12, unit="月") if n.unit == "年" else n
        for n in read_numbers(spelled(text))
    ]


def _last(numbers: list[Quantity]) -> list[Quantity]:
    """The last one, or both ends of a range."""
    return numbers[-2:] if numbers and numbers[-1].part else numbers[-1:]


def _stated(answer: str, given: list[Quantity], wanted: Quantity) -> list[Quantity]:
    """The numbers that the answer gives as its result: of the clause that says so, else its last of a fitting unit."""
    if inside := boxed(answer):
        numbers = _numbers(inside)
        return numbers[:2] if numbers and numbers[0].part else numbers[:1]
    for clause in conclusions(answer):
        side = _last_side(without_asides(clause))
        if numbers := _own(side, given):
            return [] if _is_open(side, numbers) else numbers
    for text in (without_asides(answer), answer):
        if numbers := _own(text, given):
            fitting = [number for number in numbers if _fits(number, wanted)] or numbers
            return [] if _is_open(text, fitting[-2:]) else _last(fitting)
    return _last(_numbers(answer))


def _fits(number: Quantity, wanted: Quantity) -> bool:
    """Whether the units allow a comparison: a year behind the amount that was asked for is not the result."""
    units = number.unit, wanted.unit
    return same_unit(*units) or same_unit(*units[::-1]) or ("none" in units and "日期" not in units)


def _is_open(text: str, numbers: list[Quantity]) -> bool:
    """Whether it names two different results and chooses none: 12.5亿元或13.5亿元."""
    pairs = zip(numbers, numbers[1:], strict=False)
    return any(
        one.unit == two.unit and not _same(one, two) and _EITHER.search(text[one.span[1] : two.span[0]])
        for one, two in pairs
    )


def _last_side(clause: str) -> str:
    """What stands after the last equals sign with a number behind it."""
    for place in reversed([match.end() for match in re.finditer("[=＝≈]", clause)]):
        if _numbers(clause[place:]):
            return clause[place:]
    return clause


def _own(text: str, given: list[Quantity]) -> list[Quantity]:
    """Its numbers without those that the question gave."""
    return [number for number in _numbers(text) if not _is_given(number, given)]


def _is_given(number: Quantity | None, given: list[Quantity]) -> bool:
    return number is not None and any(number.signed == one.signed and number.unit == one.unit for one in given)


def _same(number: Quantity, wanted: Quantity) -> bool:
    """Equal as written; or one is bare and the other has the 万, 亿 or % that the question asks in.

    A month is no answer where a day is wanted, nor a range where a number is.
    """
    if bool(number.part) != bool(wanted.part):
        return False
    if wanted.unit == "日期" and wanted.value >= 10**7 > number.value >= 10**5:
        return False
    if states(number, wanted):
        return True
    if "none" not in (number.unit, wanted.unit):
        return False
    bare, other = (number, wanted) if number.unit == "none" else (wanted, number)
    if other.unit == "比例":
        return _near(bare, other, Decimal("0.01")) or _near(bare, other, Decimal(1))
    return any(_near(bare, other, scale) for scale in _SCALES)


def _near(bare: Quantity, other: Quantity, scale: Decimal) -> bool:
    room = max(bare.step * scale, other.step) / 2
    return abs(bare.signed * scale - other.signed) <= min(room, max(abs(other.signed) * Decimal("0.005"), Decimal(0)))
