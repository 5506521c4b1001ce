"""Whether the number that an answer ends at is the reference's: 答案是 160.1 亿美元, \\boxed{0.35}, {"answer": 14.8}.

Where an answer says which number is its result (答案, 最终, 所以, a box, JSON, the right side of its last equation),
that one counts, and steps before it do not. Units, scales (ten thousand, hundred million), percent and rounding are
read by finance/numbers.py and compared by finance/compare.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from cornucopia.finance.compare import states
from cornucopia.finance.numbers import Quantity, read_numbers

_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_KEYED = re.compile(r"[\"“](?:answer|答案|result|结果)[\"”]\s*[:：]\s*[\"“]?([^\"”}\n]+)", re.I)
_CONCLUDES = re.compile(
    r"(?:最终)?(?:答案|结果|结论)(?:应该|应当|应)?(?:就)?(?:是|为|等于|约为|：|:)+|(?:所以|因此|综上|故而?|由此可得|可得|总之)[，,：:]?|(?:^|\n)\s*(?:答|故)[：:]"
)
_END = re.compile(r"[\n。；]|(?<=\D)\.(?:\s|$)")
_ASIDE = re.compile(r"[（(][^（()）\d]*[\u4e00-\u9fff][^（()）]*[)）]")  # （上年为11.8%）
_WRITTEN = ((re.compile(r"(?<=\d)\s?[wW](?![A-Za-z\d])"), "万"), (re.compile(r"(?<=\d)\s?[kK](?![A-Za-z\d])"), "千"),
            (re.compile(r"(?<=\d)\s?M(?![A-Za-z\d])"), "百万"), (re.compile(r"一半(?![以左])"), "50%"))  # fmt: skip
_SCALES = tuple(Decimal(10) ** power for power in (4, 8))


def final_number_is(answer: str, golden: str, question: str = "", *, named: str = "") -> bool | None:
    """Whether the answer's result is the golden one.

    Args:
        answer: what was written.
        golden: the reference: a number with its unit, or a formula that ends with one.
        question: may give the unit that a bare number has; its numbers are not taken for the result where others are.
        named: numbers that the answer may repeat to contradict them.

    Returns:
        None where the answer states no number, or the golden has none.
    """
    wanted = _result(golden)
    given = [number for text in (question, named) for number in _numbers(text)]
    found = _stated(answer, [] if _is_given(wanted, given) else given)
    if wanted is None or not found:
        return None
    return any(_same(number, wanted) for number in found)


def _numbers(text: str) -> list[Quantity]:
    """The numbers of a text, 3.5W and 一半 among them; years as months."""
    for pattern, plain in _WRITTEN:
        text = pattern.sub(plain, text)
    return [
        replace(n, value=n.value * 12, step=n.step * 12, unit="月") if n.unit == "年" else n for n in read_numbers(text)
    ]


def _result(golden: str) -> Quantity | None:
    """The number after the last equals sign, or the last one of all."""
    numbers = _numbers(golden.rpartition("=")[2]) or _numbers(golden)
    return numbers[-1] if numbers else None


def _stated(answer: str, given: list[Quantity]) -> list[Quantity]:
    """The numbers that the answer gives as its result: of the clause that says so, else its last."""
    for pattern in (_BOX, _KEYED):
        if boxed := pattern.findall(answer):
            return _numbers(boxed[-1])[:1]
    marks = list(_CONCLUDES.finditer(answer))
    for mark in reversed(marks):
        end = _END.search(answer, mark.end())
        clause = answer[mark.end() : end.start() if end else len(answer)]
        if numbers := _own(_last_side(clause), given):
            return numbers
    main = _ASIDE.sub("", answer)
    numbers = _own(main, given) or _own(answer, given) or _numbers(answer)
    return numbers[-1:]


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

    A month is no answer where a day is wanted.
    """
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
