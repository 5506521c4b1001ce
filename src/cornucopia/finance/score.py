"""How right the numbers of one answer are, from 0 to 1: 数字正确率. Knows no models and no files.

A question that names its calculator (or reads as one of the generated problems) is judged by it: 1 or 0, see check.py.
Any other is judged by its golden answer:

    score = said / (wanted + wrong)

wanted: the different numbers of the golden answer, those of the question itself aside (to repeat them shows nothing);
said: how many of them the answer states, at the rounding shown; wrong: the answer's different numbers that contradict
them, which are in neither the golden answer nor the question nor its material, and in a unit of a wanted number (180天
where 90天 is wanted; 3万元 besides costs nothing, though it is shown to have no support) or, without a unit, of three
digits or more. A number with the other sign is another number, whether a minus says it or a word (下降6.8% is -6.8%);
where the question asks by how much something fell, a bare number is that fall. What cannot be read counts neither way.

So an answer without numbers has 0, and one that names many to hit one has little. A question whose golden answer has no
number is not scored, for no contestant: which questions count never hangs on the answers. What the score does not see:
a true number in the unit of a wanted one that the golden answer leaves out counts as wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cornucopia.finance.check import NumberVerdict, check_numbers
from cornucopia.finance.compare import states
from cornucopia.finance.numbers import Quantity, read_numbers
from cornucopia.finance.signs import asks_for_a_fall
from cornucopia.finance.units import UNITS

_ALL_UNITS = {unit for unit, _ in UNITS.values()} | {"日期"}
_BARE = 100  # a number without a unit counts from here on


@dataclass(frozen=True)
class Contradiction:
    """A number of the answer that stands where another is wanted.

    Args:
        span: where in the answer, as (start, end).
        wanted: what is wanted in its place, as text.
    """

    span: tuple[int, int]
    wanted: str


@dataclass(frozen=True)
class NumberScore:
    """What became of the numbers.

    Args:
        share: 0 to 1, or None when the question asks for no numbers.
        said, wanted: how many of the wanted numbers the answer states (1 of 1, or 0, by a calculator).
        strays: where in the answer unsupported numbers stand, the wrong ones and any others, as (start, end).
        explanation: one Chinese sentence.
        contradictions: wrong numbers where one of the same unit is wanted and not said.
        by_calculator: whether a calculator judged, and not the golden answer.
    """

    share: float | None
    said: int
    wanted: int
    strays: tuple[tuple[int, int], ...]
    explanation: str
    contradictions: tuple[Contradiction, ...] = ()
    by_calculator: bool = False


def score_numbers(
    answer: str,
    *,
    question: str,
    golden: str = "",
    given: str = "",
    calculator: str | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> NumberScore:
    """Judge the numbers of `answer`.

    Args:
        question: the instruction asked. golden: the reference answer.
        given: other text the contestant was shown (material, earlier turns); its numbers are known, not wanted.
        calculator, inputs: what made the question, where known.
    """
    if calculator or not given:
        asked = "\n".join(text for text in (question, given) if text)
        verdict = check_numbers(asked, answer, calculator=calculator, inputs=inputs)
        if verdict.right is not None:
            return _by_calculator(verdict)
    return _by_golden(answer, question, golden, given)


def _by_calculator(verdict: NumberVerdict) -> NumberScore:
    right = bool(verdict.right)
    wanted = "、".join(verdict.missing)
    instead = tuple(Contradiction(span, wanted) for span in verdict.strays) if wanted else ()
    return NumberScore(float(right), int(right), 1, verdict.strays, verdict.explanation, instead, by_calculator=True)


def _by_golden(answer: str, question: str, golden: str, given: str) -> NumberScore:
    asked, known, ours = _read(question), _read(given), _read(answer)
    reference = _read(golden)
    wanted = _different(n for n in reference if _claims(n) and not _any_states(asked, n))
    told, weighty = asks_for_a_fall(question), [n for n in ours if _weighs(n, _ALL_UNITS)]
    said = [n for n in wanted if _any_states([n for n in ours if _claims(n)], n, told)]
    strays = [n for n in weighty if not _supported(n, reference, told) and not _supported(n, (*asked, *known), True)]
    units = {n.unit for n in wanted}
    wrong = _different(n for n in strays if _weighs(n, units)) if wanted else []
    share = len(said) / (len(wanted) + len(wrong)) if wanted else None
    missing, others = (
        [n for n in group if n not in cut] for group, cut in ((wanted, said), (_different(strays), wrong))
    )
    faults = _told("没说", golden, missing), _told("说错", answer, wrong), _told("没有依据", answer, others)
    explanation = "；".join(filter(None, faults)) or ("数字都对得上" if wanted else "没有要说的数字")
    instead = tuple(Contradiction(n.span, other) for n in wrong if (other := _in_place_of(n, missing, golden)))
    return NumberScore(share, len(said), len(wanted), tuple(n.span for n in strays), explanation, instead)


def _in_place_of(number: Quantity, missing: list[Quantity], golden: str) -> str:
    """The wanted numbers of its unit that were not said; '' where there is none, or the number has no unit."""
    return "" if number.unit == "none" else "、".join(golden[slice(*n.span)] for n in missing if n.unit == number.unit)


def _told(name: str, text: str, numbers: list[Quantity]) -> str:
    return f"{name}：{'、'.join(text[slice(*n.span)] for n in numbers)}" if numbers else ""


def _read(text: str) -> list[Quantity]:
    """The numbers, spans of years as months: 半年 is 6个月. 一份 is an article."""
    numbers = [n for n in read_numbers(text) if text[slice(*n.span)] != "一份"]
    return [replace(n, value=n.value * 12, step=n.step * 12, unit="月") if n.unit == "年" else n for n in numbers]


def _claims(number: Quantity) -> bool:
    """Whether it may be wanted: a bare 76.30 or -5 may, though in an answer it may also be the number of a section."""
    return _weighs(number, _ALL_UNITS) or number.step < 1 or number.value < 0


def _weighs(number: Quantity, units: set[str]) -> bool:
    """A small bare number (1. 2. 3.) is no claim."""
    return number.unit in units if number.unit != "none" else abs(number.value) >= _BARE


def _any_states(numbers: Iterable[Quantity], wanted: Quantity, told: bool = False) -> bool:
    return any(states(number, wanted, told=told) for number in numbers)


def _supported(number: Quantity, known: Iterable[Quantity], told: bool) -> bool:
    return any(states(number, one, told=told) for one in known)


def _different(numbers: Iterable[Quantity]) -> list[Quantity]:
    """One of each value and unit, in order."""
    return list({(n.signed, n.unit, n.currency): n for n in reversed(list(numbers))}.values())[::-1]
