"""Whether an answer's numbers follow from its question, by a named calculator.

Right means: every key value of the calculator is in the answer, to the rounding shown, and no number of the same unit
contradicts it. Numbers that come from the question, the steps, or one operation on those are taken as explained.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any

from cornucopia.core.errors import CornucopiaError
from cornucopia.finance.calculator import Calculator, Result, Value, find
from cornucopia.finance.compare import close, matches
from cornucopia.finance.decimals import rounded
from cornucopia.finance.equations import read_equations
from cornucopia.finance.numbers import Quantity, read_numbers
from cornucopia.finance.problems import read_question

_NEAR = Decimal("0.1")
_HIGHEST = Decimal(10) ** 18  # a model that stutters writes digits without end
_CONSTANTS = tuple(map(Decimal, (12, 100, 360, 365, 10000)))


@dataclass(frozen=True)
class NumberVerdict:
    """What the checker says.

    Args:
        right: True, False, or None when the question could not be solved.
        found: numbers of the answer that matter: those that match, then those that do not follow.
        expected: key values by name, as text.
        explanation: one Chinese sentence.
        strays: where in the answer numbers stand that do not follow, as (start, end).
        missing: the key values that are not in the answer, each with its name.
    """

    right: bool | None
    found: tuple[str, ...]
    expected: dict[str, str]
    explanation: str
    strays: tuple[tuple[int, int], ...] = ()
    missing: tuple[str, ...] = ()


def check_numbers(
    question: str, answer: str, *, calculator: str | None = None, inputs: Mapping[str, Any] | None = None
) -> NumberVerdict:
    """Solve `question` and compare `answer`'s numbers with the solution.

    Args:
        question: the question; read back by the phrasings when no inputs are given.
        answer: any text.
        calculator: its name, where known. inputs: its inputs, where known.
    """
    try:
        solved = _solve(question, calculator, inputs)
    except CornucopiaError as error:
        return NumberVerdict(None, (), {}, f"算不出标准答案：{error.what}")
    if solved is None:
        return NumberVerdict(None, (), {}, "题目读不出是哪种计算")
    return _compare(question, answer, *solved)


def _solve(question: str, name: str | None, inputs: Mapping[str, Any] | None) -> tuple[Calculator, Result] | None:
    if inputs is not None and name:
        one = find(name)
        return one, one.run(**inputs)
    read = read_question(question)
    if read is None or (name and read[0] != find(name)):
        return None
    return read[0], read[0].run(**read[1])


def _compare(question: str, answer: str, calculator: Calculator, result: Result) -> NumberVerdict:
    keys = {name: result.values[name] for name in calculator.keys}
    expected = {name: value.text() for name, value in keys.items()}
    numbers = read_numbers(answer)
    matching = {name: [n for n in numbers if matches(n, value)] for name, value in keys.items()}
    found = tuple(answer[slice(*n.span)] for group in matching.values() for n in group)
    missing = tuple(f"{name}{expected[name]}" for name, group in matching.items() if not group)
    strays = tuple(n.span for n in _strays(question, answer, keys, result))
    if missing:
        return NumberVerdict(False, found, expected, f"答案里没有{'、'.join(missing)}", strays, missing)
    if strays:
        texts = tuple(answer[slice(*span)] for span in strays)
        return NumberVerdict(False, found + texts, expected, f"{'、'.join(texts)}推不出来", strays)
    return NumberVerdict(True, found, expected, "数字都对得上")


def _strays(question: str, answer: str, keys: Mapping[str, Value], result: Result) -> list[Quantity]:
    """Numbers that neither are known nor follow from two known ones by one operation."""
    units = {value.unit for value in keys.values()}
    known = _known(question, result)
    asked = {n.value for n in read_numbers(question)}
    false = [equation.right for equation in read_equations(answer, asked) if not equation.holds]
    numbers = [n for n in read_numbers(answer) if _weighty(n, units)]
    odd = [n for n in read_numbers(answer) if re.match(r"0\d(?!\d{4}(?!\d))", answer[n.span[0] :])]  # no stock codes
    suspects = [n for n in numbers if not any(close(n, x) for x in _alike(n, known))]
    derived = _derived({n.value for n in known}) if suspects else set()
    strays = [n for n in suspects if _imitates(n, keys.values()) or not any(close(n, x) for x in derived)]
    return sorted({*false, *odd, *strays, *_mislabelled(answer, result)}, key=lambda n: n.span)


def _mislabelled(answer: str, result: Result) -> list[Quantity]:
    """Ends of clauses like 复利年化=...=0.43% that are not that value, and 可退税 before a number not ours."""
    ours = labelled("。".join(result.steps))
    wrong = [n for key, group in labelled(answer).items() for n in group if key in ours and not any_close(n, ours[key])]
    for clause in re.finditer(r"[^。；，\n]+", answer):
        label, _, formula = clause[0].partition("=")
        value = result.values.get(label.strip())
        last = formula.rpartition("=")[2] or formula
        start = clause.end() - len(last)
        numbers = [n for n in read_numbers(answer) if n.span[0] == start and n.span[1] == clause.end()]
        if value and numbers and numbers[0].unit == value.unit and not matches(numbers[0], value):
            wrong += numbers
    return wrong


def labelled(text: str) -> dict[tuple[str, str], list[Quantity]]:
    """Numbers by the three Chinese characters right before them and their unit."""
    found: dict[tuple[str, str], list[Quantity]] = {}
    for number in read_numbers(text):
        label = text[max(number.span[0] - 3, 0) : number.span[0]]
        if re.fullmatch(r"[\u4e00-\u9fff]{3}", label):
            found.setdefault((label, number.unit), []).append(number)
    return found


def any_close(number: Quantity, others: list[Quantity]) -> bool:
    """Whether a number is one of the others, at the rounding shown."""
    return any(close(number, other.value) for other in others)


def _weighty(number: Quantity, units: set[str]) -> bool:
    """Whether a number must be explained: one in a key value's unit, or a bare one of three digits or more."""
    return number.unit in units or (number.unit == "none" and abs(number.value) >= number.step * 100)


def _known(question: str, result: Result) -> list[Quantity]:
    numbers = [n for text in (question, *result.steps, result.source) for n in read_numbers(text)]
    values = [(number, value.unit) for value in result.values.values() for number in (value.number, -value.number)]
    return [*numbers, *(Quantity(number, unit, (0, 0)) for number, unit in values)]


def _alike(number: Quantity, known: list[Quantity]) -> list[Decimal]:
    """Known values that `number` may restate: of its unit, or bare; a small bare count is no amount of money."""
    if number.unit == "none":
        return [one.value for one in known]
    return [one.value for one in known if one.unit == number.unit or (one.unit == "none" and not _is_count(one.value))]


def _is_count(value: Decimal) -> bool:
    return abs(value) < 100 and value == int(value)


def _imitates(number: Quantity, keys: Iterable[Value]) -> bool:
    """A wrong copy of a key value rather than another figure: within a tenth of it, or one digit away."""
    return any(
        number.unit in (value.unit, "none")
        and (abs(number.value - abs(value.number)) < abs(value.number) * _NEAR or _one_digit_off(number, value.number))
        for value in keys
    )


def _one_digit_off(number: Quantity, wanted: Decimal) -> bool:
    if abs(number.value) > _HIGHEST or number.step < 1 / _HIGHEST:
        return False
    shown, right = (str(int(rounded(abs(x) / number.step, 0))) for x in (number.value, wanted))
    width = max(len(shown), len(right))
    return sum(a != b for a, b in zip(shown.zfill(width), right.zfill(width), strict=True)) == 1


def _derived(known: set[Decimal]) -> set[Decimal]:
    values = {*known, *_CONSTANTS} - {Decimal(0)}
    found: set[Decimal] = set()
    for a, b in combinations(values, 2):
        found |= {a + b, abs(a - b), a * b, a / b, b / a}
    return found


def corrupt(answer: str, value: Value, digit: int, change: int) -> str | None:
    """The answer with one digit of one copy of `value` changed, or None when the value is not written in it.

    Args:
        digit: which digit (taken modulo their number). change: 1 to 9, added to it modulo 10.
    """
    spans = [n.span for n in read_numbers(answer) if matches(n, value)]
    if not spans:
        return None
    start, end = spans[-1]
    places = [i for i in range(start, end) if answer[i].isdigit()]
    at = places[digit % len(places)]
    return answer[:at] + str((int(answer[at]) + change) % 10) + answer[at + 1 :]
