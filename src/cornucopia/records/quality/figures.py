"""Numbers that contradict the calculators: a question a calculator understands, and equations that do not hold."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from cornucopia.core.errors import CornucopiaError
from cornucopia.finance.check import check_numbers
from cornucopia.finance.equations import read_equations
from cornucopia.finance.numbers import read_numbers
from cornucopia.finance.spelling import spell
from cornucopia.records.quality.rule import GOOD, Finding, Said

_DIGIT = re.compile(r"[\d一二三四五六七八九十百千万]")
_AMOUNT = re.compile(r"\d|[一二三四五六七八九十百千万两半](?:元|块|年|个月|天|万|亿|股|份|成|期|岁)")
_EQUATION = re.compile(r"[\d%％）)元万亿年月天期]\s*[=＝≈]\s*约?\s*[¥￥$]?[-−]?\d")
_SENTENCE_END = re.compile(r"[。；;\n]")
_LONGEST = 8000  # characters in which equations are looked for
_GOES_ON = re.compile(r"\s*(?:[×*÷/^(（+−]|-\d|\\)")
_SCALE = re.compile(
    r"(?:万亿|[十百千]?[万亿]|[百千])?(?:[\u4e00-\u9fff]{1,2})?\Z"
)  # (60+40)÷2=50万元: the left side is in 万元 too
_BEFORE = re.compile(r"[A-Za-z\\{}_\])）]\s*\Z")


def figures(said: Said) -> Finding | None:
    """What the calculators say of the answer's numbers; None where they have nothing to say."""
    if not _DIGIT.search(said.answer):
        return None
    solved = _solved(said)
    if solved is not None:
        return solved
    if len(said.answer) > _LONGEST or not _EQUATION.search(said.answer):
        return None
    return _equations(said)


def _solved(said: Said) -> Finding | None:
    """Against the calculator the record names, or the one its question is read for."""
    extra = said.record.extra if said.is_last else {}
    known: dict[str, Any] = {}
    if isinstance(extra.get("calculator"), str) and isinstance(extra.get("inputs"), dict):
        known = {"calculator": extra["calculator"], "inputs": extra["inputs"]}
    elif len(said.question) > 300 or not _AMOUNT.search(said.question):
        return None
    try:
        verdict = check_numbers(said.question, said.answer, **known)
    except (CornucopiaError, ArithmeticError, ValueError, TypeError):  # inputs that anybody may have written
        return None
    if verdict.right is None:
        return None
    if verdict.right:
        return GOOD
    return Finding(0.0 if verdict.strays else 0.3, f"与计算器不符：{verdict.explanation}"[:120])


def _equations(said: Said) -> Finding | None:
    """Equations of plain arithmetic; one whose right side goes on, or that stands in a formula, says nothing."""
    text = "。".join(part for part in _SENTENCE_END.split(said.answer) if _EQUATION.search(part))
    asked = {number.value for number in read_numbers(said.asked[-2000:])}
    spelled = spell(text).text
    found = wrong = 0
    first = ""
    for equation in read_equations(text, asked):
        at = spelled.find(equation.text)
        if at < 0 or _BEFORE.search(spelled[:at]) or _GOES_ON.match(spelled[at + len(equation.text) :]):
            continue
        found += 1
        if equation.holds or _holds_in_its_unit(equation.text, asked):
            continue
        if equation.text in spell(said.asked[-2000:]).text:  # what the question supposes
            continue
        wrong += 1
        first = first or equation.text
    if not found:
        return None
    return Finding(round(0.2 * (1 - wrong / found), 3), f"算式不成立「{first[:60]}」") if wrong else GOOD


def _holds_in_its_unit(text: str, asked: set[Decimal]) -> bool:
    """Whether the equation holds when its right side is read in the unit that its last word names."""
    again = read_equations(_SCALE.sub("", text), asked)
    return bool(again) and again[-1].holds
