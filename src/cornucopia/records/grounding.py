"""Whether a text carries an answer: which figures, dates, percentages, quoted words, laws and articles of the answer
stand in the text, and which do not. Numbers are compared as finance/compare.py does: 1万元 is 10,000元.

What is checked can be decided mechanically; that a sentence is *about* the same thing is not told here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from cornucopia.finance.compare import states
from cornucopia.finance.equations import read_equations
from cornucopia.finance.numbers import Quantity, read_numbers
from cornucopia.finance.numerals import read_numeral
from cornucopia.records.sameness import normalized
from cornucopia.records.schema import Record

Kind = Literal["数字", "百分比", "日期", "引语", "法规", "条款"]

_BARE = 100  # a number without a unit is a fact from here on
_NAMED = re.compile("「[^「」]{2,40}」|『[^『』]{2,40}』|“[^“”]{2,40}”")
_QUOTED = re.compile(f'{_NAMED.pattern}|"[^"\\n]{{2,40}}"')
_LAW = re.compile("《([^《》]{2,80})》")
_EDITION = re.compile("《[^《》]{2,80}》(?:[（(〔][^（()）〔〕]*[）)〕])?")  # with its number or year
_CLAUSE = re.compile(r"第\s*([\d〇零一二两三四五六七八九十百千]+)\s*条")
_VARIANT = re.compile(r"^中华人民共和国|[（(〔\[].*?[）)〕\]]")  # 保险法 is 中华人民共和国保险法（2015年修正）
_MONTHS = 12
_ARTICLE = re.compile("[一两][^\\d万亿百千十半]{1,4}")  # 一天, 两份: as often an article as a number


@dataclass(frozen=True)
class Fact:
    """One thing in an answer that a source must carry.

    Args:
        kind: what it is. text: as it stands in the answer. start, end: where, in characters.
    """

    kind: Kind
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Grounding:
    """What became of the facts of an answer.

    Args:
        found: those that stand in the text.
        given: those that the question says, or that arithmetic written out in the answer gives from other numbers.
        missing: those that stand nowhere.
    """

    found: tuple[Fact, ...] = ()
    given: tuple[Fact, ...] = ()
    missing: tuple[Fact, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is missing; True for an answer without anything to check."""
        return not self.missing

    @property
    def share(self) -> float | None:
        """Found ones among those that the text has to carry; None where it has to carry none."""
        wanted = len(self.found) + len(self.missing)
        return len(self.found) / wanted if wanted else None

    def told(self) -> str:
        """What is missing, in Chinese, or ''."""
        return "、".join(f"{fact.kind}「{fact.text}」" for fact in self.missing)


def check(record: Record, text: str) -> Grounding:
    """Compare a record's final answer with the text it is said to come from.

    Args:
        record: what its users say is given; what its assistant said before is not.
        text: the cited span, or the whole document.
    """
    asked = "\n".join(message.content for message in record.messages if message.role == "user")
    return check_answer(record.golden, text, question=asked)


def check_answer(answer: str, text: str, *, question: str = "") -> Grounding:
    """Compare an answer with the text it is said to come from.

    Args:
        answer: any text. text: what should carry it. question: what is given and needs no source.
    """
    source, asked = _Text(text), _Text(question)
    derived = _derived(answer, source, asked)
    found, given, missing = [], [], []
    for fact, number in _facts(answer):
        if source.has(fact, number):
            found.append(fact)
        elif asked.has(fact, number) or (fact.start, fact.end) in derived:
            given.append(fact)
        else:
            missing.append(fact)
    return Grounding(tuple(found), tuple(given), tuple(missing))


def facts(answer: str) -> list[Fact]:
    """What a source has to carry of an answer, in the order in which it stands there."""
    return [fact for fact, _ in _facts(answer)]


def _facts(answer: str) -> list[tuple[Fact, Quantity | None]]:
    found: list[tuple[Fact, Quantity | None]] = []
    laws = [match.span() for match in _EDITION.finditer(answer)]
    for number in read_numbers(answer):
        start, end = number.span
        inside = any(low <= start < high for low, high in laws)  # a year in the name of a law
        weighty = abs(number.value) >= _BARE if number.unit == "none" else not _ARTICLE.fullmatch(answer[start:end])
        if weighty and not inside:
            kind: Kind = {"比例": "百分比", "日期": "日期"}.get(number.unit, "数字")  # type: ignore[assignment]
            found.append((Fact(kind, answer[start:end], start, end), number))
    quoted = _QUOTED if not answer.lstrip().startswith(("{", "[")) else _NAMED  # quotation marks of JSON quote nothing
    for kind_, pattern in (("引语", quoted), ("法规", _LAW), ("条款", _CLAUSE)):
        for match in pattern.finditer(answer):
            found.append((Fact(kind_, match[0], *match.span()), None))  # type: ignore[arg-type]
    return sorted(found, key=lambda pair: (pair[0].start, pair[0].end))


class _Text:
    """A text in which facts are looked for."""

    def __init__(self, text: str) -> None:
        self._numbers = [variant for number in read_numbers(text) for variant in _variants(number)]
        self._plain = normalized(text) if text.strip() else ""
        self._laws = {_law(match[1]) for match in _LAW.finditer(text)}
        self._clauses = {_clause(match[1]) for match in _CLAUSE.finditer(text)}

    def has(self, fact: Fact, number: Quantity | None) -> bool:
        """Whether the fact stands here."""
        if number is not None:
            return self.has_number(number)
        if fact.kind == "条款":
            return _clause(fact.text[1:-1].strip()) in self._clauses
        if fact.kind == "法规":
            law = _law(fact.text[1:-1])
            return law in self._laws or normalized(law) in self._plain
        return normalized(fact.text[1:-1]) in self._plain

    def has_number(self, number: Quantity) -> bool:
        """Whether a number stands here, in whatever unit and at the rounding of either."""
        return any(states(one, other, told=True) for one in _variants(number) for other in self._numbers)


def _variants(number: Quantity) -> Iterable[Quantity]:
    """The number, and in months where it is in years."""
    yield number
    if number.unit == "年":
        yield replace(number, value=number.value * _MONTHS, step=number.step * _MONTHS, unit="月")


def _derived(answer: str, source: _Text, asked: _Text) -> set[tuple[int, int]]:
    """Where the results of arithmetic stand that holds and whose operands are known or such results themselves."""
    found: set[tuple[int, int]] = set()
    numbers = read_numbers(answer)
    known = [source.has_number(number) or asked.has_number(number) for number in numbers]
    exact = {number.value for number, told in zip(numbers, known, strict=True) if told}
    for equation in read_equations(answer, exact):
        start = equation.right.span[0]
        left = [i for i, n in enumerate(numbers) if start - 2 * len(equation.text) <= n.span[0] < start]
        operands = [i for i in left if answer[numbers[i].span[0] : start].count("。") == 0]
        near = operands[-_operands(equation.text) :]
        if equation.holds and any(known[i] or numbers[i].span in found for i in near):
            found.add(equation.right.span)
            found.update(numbers[i].span for i in near if numbers[i].unit == "none")
    return found


def _operands(text: str) -> int:
    """How many numbers the left side of an equation has."""
    return max(len(read_numbers(text)) - 1, 1)


def _law(name: str) -> str:
    return _VARIANT.sub("", _VARIANT.sub("", name.strip()).strip())


def _clause(number: str) -> int:
    return int(number) if number.isdecimal() else int(read_numeral(number))
