"""Customer-style calculation problems with worked answers, made from the calculators; and their questions read back.

The phrasings are data (phrasings.yaml). A problem is a question, a calculator with inputs, and that calculator's steps.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from cornucopia.core.errors import ConfigError
from cornucopia.finance.calculator import Calculator, Result, Value, find
from cornucopia.finance.decimals import CalculationError
from cornucopia.finance.spoken import Slot, draw, parse_slot

OPENINGS = ("", "", "", "请问，", "你好，", "您好，请问", "麻烦帮我算一下：", "想咨询一下，", "帮忙算算，")
CLOSINGS = ("", "", "", "谢谢！", "谢谢。")
DOMAINS = {
    "贷款": "贷款",
    "信用卡": "信用卡与支付",
    "存款": "理财与存款",
    "理财": "理财与存款",
    "基金": "基金",
    "股票": "股票",
    "可转债": "股票",
    "债券": "税务债券与宏观",
    "个税": "税务债券与宏观",
    "社保": "社保与公积金",
    "保险": "保险",
    "复利与年金": "理财与存款",
    "外汇": "信用卡与支付",
}
AS_OF = "2025-06"  # the month to which the rule tables were checked
ANSWER_LIMIT = 200
_PATIENCE = 2000  # draws


@dataclass(frozen=True)
class Problem:
    """A question with its worked answer.

    Args:
        question: spoken Chinese. calculator: Chinese name. inputs: what the calculator's Config reads.
        answer: the steps as one paragraph. values: the key values, by name. source: what the answer stands on.
    """

    question: str
    calculator: str
    inputs: dict[str, Any]
    answer: str
    values: dict[str, Value]
    source: str


@dataclass(frozen=True)
class Phrasing:
    """How one calculator is asked for.

    Args:
        within: result -> the lowest and highest value that a customer meets; problems outside are drawn again.
    """

    calculator: str
    slots: dict[str, Slot]
    asks: tuple[str, ...]
    within: dict[str, tuple[Decimal, Decimal]]


@cache
def phrasings() -> tuple[Phrasing, ...]:
    """Every row of phrasings.yaml."""
    rows = yaml.safe_load((Path(__file__).parent / "phrasings.yaml").read_text(encoding="utf-8"))
    return tuple(
        Phrasing(
            name,
            {key: parse_slot(line) for key, line in row["slots"].items()},
            tuple(row["asks"]),
            {key: (Decimal(str(low)), Decimal(str(high))) for key, (low, high) in row.get("within", {}).items()},
        )
        for name, row in rows.items()
    )


def generate(count: int, seed: int = 0) -> list[Problem]:
    """`count` problems, the calculators taken in turn, the same for the same seed."""
    random, rows = Random(seed), phrasings()
    return [one_problem(rows[i % len(rows)], random) for i in range(count)]


def one_problem(phrasing: Phrasing, random: Random) -> Problem:
    """A problem of this phrasing; inputs outside the rule's domain, or of life, are drawn again."""
    calculator = find(phrasing.calculator)
    for _ in range(_PATIENCE):
        values: dict[str, str] = {}
        spoken: dict[str, str] = {}
        for name, slot in phrasing.slots.items():
            values[name], spoken[name] = draw(slot, values, random)
        inputs = as_inputs(phrasing, values)
        try:
            result = calculator.run(**inputs)
        except (CalculationError, ConfigError):
            continue
        if not all(low <= result.values[name].number <= high for name, (low, high) in phrasing.within.items()):
            continue
        question = random.choice(OPENINGS) + random.choice(phrasing.asks).format(**spoken) + random.choice(CLOSINGS)
        keys = {name: result.values[name] for name in calculator.keys}
        return Problem(question, calculator.name, inputs, worked(result), keys, result.source)
    raise CalculationError(f"{phrasing.calculator} 的取值范围总在规则之外", fix="改 phrasings.yaml")


def as_inputs(phrasing: Phrasing, values: dict[str, str]) -> dict[str, Any]:
    """Slot texts as a Config's inputs: lists split, the rest as written."""
    lists = {name for name, slot in phrasing.slots.items() if slot.kind == "numbers"}
    return {name: re.split("[,、]", text) if name in lists else text for name, text in values.items()}


def worked(result: Result) -> str:
    """The steps as one paragraph, its source after it where there is room."""
    text = "。".join(result.steps) + "。"
    source = f"依据：{re.sub('（规则核对到.*?）', '', result.source)}。"
    return text + source if len(text) < 60 and len(text + source) <= ANSWER_LIMIT else text


def read_question(question: str) -> tuple[Calculator, dict[str, Any]] | None:
    """The calculator and inputs a question asks for, or None when no phrasing fits it."""
    text = _stripped(question)
    for phrasing, words, pattern in _patterns():
        match = pattern.fullmatch(text) if words in text else None
        if match:
            values = {name: _value(phrasing.slots[name], spoken) for name, spoken in match.groupdict().items()}
            return find(phrasing.calculator), as_inputs(phrasing, values)
    return None


def _value(slot: Slot, spoken: str) -> str:
    return slot.choices[spoken] if slot.kind == "choice" else spoken


def _stripped(question: str) -> str:
    text = question.strip()
    for opening in sorted(set(OPENINGS), key=len, reverse=True):
        if opening and text.startswith(opening):
            text = text.removeprefix(opening)
            break
    for closing in set(CLOSINGS):
        text = text.removesuffix(closing) if closing else text
    return text


@cache
def _patterns() -> tuple[tuple[Phrasing, str, re.Pattern[str]], ...]:
    """(phrasing, the longest words that stand in every such question, pattern) of each way to ask."""
    rows = []
    for phrasing in phrasings():
        for ask in phrasing.asks:
            parts = re.split(r"\{(\w+)\}", ask)
            source = "".join(_group(phrasing, part) if i % 2 else re.escape(part) for i, part in enumerate(parts))
            rows.append((phrasing, max(parts[::2], key=len), re.compile(source)))
    return tuple(rows)


def _group(phrasing: Phrasing, name: str) -> str:
    slot = phrasing.slots[name]
    if slot.kind == "choice":
        return f"(?P<{name}>{'|'.join(sorted(map(re.escape, slot.choices), key=len, reverse=True))})"
    letters = r"[\d.、]" if slot.kind == "numbers" else r"[^，。？！、；：（）\s]"
    return f"(?P<{name}>{letters}+?)"


def records(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Instruction records: compact worked answers of 60 to 200 characters, no two with the same question.

    Args:
        count: how many. seed: the same seed gives the same records.
    """
    random, rows = Random(seed), phrasings()
    found: dict[str, dict[str, Any]] = {}
    tries = 0
    while len(found) < count:
        problem = one_problem(rows[tries % len(rows)], random)
        tries += 1
        if 60 <= len(problem.answer) <= ANSWER_LIMIT and problem.question not in found:
            found[problem.question] = _record(problem)
    return list(found.values())


def _record(problem: Problem) -> dict[str, Any]:
    calculator = find(problem.calculator)
    digest = hashlib.sha256(problem.question.encode()).hexdigest()[:8]
    return {
        "instruction": problem.question,
        "input": "",
        "output": problem.answer,
        "domain": DOMAINS[calculator.topic],
        "kind": "calc",
        "source": problem.source,
        "as_of": AS_OF,
        "id": f"calc-{calculator.key}-{digest}",
        "calculator": problem.calculator,
        "inputs": problem.inputs,
    }
