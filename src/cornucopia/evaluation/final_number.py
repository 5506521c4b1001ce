"""Whether the number that an answer ends at is the reference's: 答案是 160.1 亿美元, \\boxed{0.35}, {"answer": 14.8}.

Where an answer says which number is its result (答案, 最终, 所以, a box, JSON, the right side of its last equation),
that one counts, and steps before it do not. An answer that leaves two open, or a range, states neither. Units, scales
(ten thousand, hundred million), percent and rounding are read by finance/numbers.py and compared by finance/compare.py.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from decimal import Decimal

from cornucopia.evaluation.final_text import boxed, conclusions, declines, spelled, without_asides
from cornucopia.finance.compare import same_unit, states
from cornucopia.finance.numbers import Quantity, read_numbers
from cornucopia.finance.signs import asks_for_a_fall

_SCALES = tuple(Decimal(10) ** power for power in (4, 8))
_ABOUT = re.compile(r"(?:约|大概|大约|将近|接近)[为是]?\s*$")
_EITHER = re.compile(r"或|还是|也可能|也许")


def final_number_is(answer: str, golden: str, question: str = "", *, named: str = "") -> bool | None:
    """Whether the answer's result is the golden one.

    Args:
        answer: what was written.
        golden: the reference: a number with its unit, a range, or a formula that ends with one.
        question: may tell the direction (下降了多少); its numbers are not taken for the result where others are.
        named: numbers that the answer may repeat to contradict them.

    Returns:
        None where the answer states no number, or the golden has none.
    """
    wanted = _last(_numbers(golden.rpartition("=")[2]) or _numbers(golden))
    given = [number for text in (question, named) for number in _numbers(text)]
    if not wanted:
        return None
    found = _stated(spelled(answer), [] if _is_given(wanted[-1], given) else given, wanted[-1])
    told = asks_for_a_fall(question)
    return all(any(_same(number, one, told) for number in found) for one in wanted) if found else None


def _numbers(text: str) -> list[Quantity]:
    """The numbers of a text, 3.5W and 一半 among them; years as months."""
    text = spelled(text)
    return [_plain(text, number) for number in read_numbers(text)]


def _plain(text: str, number: Quantity) -> Quantity:
    """Years as months; 约8800 as a number whose last zeros are not meant."""
    if number.unit == "年":
        return replace(number, value=number.value * 12, step=number.step * 12, unit="月")
    digits = re.match(r"-?\d+[1-9](0+)(?![\d.,])", text[slice(*number.span)])
    if digits and _ABOUT.search(text[: number.span[0]]):
        return replace(number, step=number.step.scaleb(len(digits[1])))
    return number


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
    main = without_asides(answer)
    for text in (answer,) if wanted.points else (main, answer):
        if fitting := _fitting(_own(text, given), wanted):
            return [] if _is_open(text, fitting[-2:]) else _last(fitting)
        if declines(main):
            return []
    return _last(_own(answer, given) or _numbers(answer))


def _fitting(numbers: list[Quantity], wanted: Quantity) -> list[Quantity]:
    """Those whose units allow a comparison; of 3.95%，降25个基点 the kind that is wanted."""
    fitting = [number for number in numbers if _fits(number, wanted)]
    return [number for number in fitting if number.points == wanted.points] or fitting


def _fits(number: Quantity, wanted: Quantity) -> bool:
    """Whether the units allow a comparison: a year behind the amount that was asked for is not the result."""
    units = number.unit, wanted.unit
    return same_unit(*units) or same_unit(*units[::-1]) or ("none" in units and "日期" not in units)


def _is_open(text: str, numbers: list[Quantity]) -> bool:
    """Whether it names two different results and chooses none: 12.5亿元或13.5亿元."""
    pairs = itertools.pairwise(numbers)
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


def _same(number: Quantity, wanted: Quantity, told: bool = False) -> bool:
    """Equal as written; or one is bare and the other has the 万, 亿 or % that the question asks in.

    A month is no answer where a day is wanted, nor a range where a number is.
    """
    if bool(number.part) != bool(wanted.part):
        return False
    if wanted.unit == "日期" and wanted.value >= 10**7 > number.value >= 10**5:
        return False
    if states(number, wanted, told=told):
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
