"""The contract of a calculator: a name, a Config of inputs, a function from inputs to a Result. And the table of all.

Adding one: write a Config and a function in its topic's file and a row in that file's CALCULATORS.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from cornucopia.core.config import Config
from cornucopia.core.errors import UsageError, nearest
from cornucopia.finance.decimals import CalculationError, percent, plain, rounded

TOPICS = (
    *("loan", "loan_change", "card", "deposit", "wealth", "fund", "fund_risk", "stock", "stock_rules", "convertible"),
    *("bond", "tax", "tax_special", "social", "retirement", "insurance", "growth", "currency"),
)


@dataclass(frozen=True)
class Value:
    """A number with its unit, already rounded to what is shown.

    Args:
        number: in base units; a 比例 is a plain ratio (0.049), a 日期 is yyyymmdd or yyyymm.
        unit: 元, 比例, 年, 月, 日, 倍, 份, 股, 日期 or none.
    """

    number: Decimal
    unit: str

    def text(self) -> str:
        """As shown to a user: 5307.27元, 4.9%, 2025年2月."""
        if self.unit == "比例":
            return percent(self.number)
        if self.unit == "日期":
            digits = str(self.number)
            day = f"{int(digits[6:8])}日" if len(digits) == 8 else ""
            return f"{digits[:4]}年{int(digits[4:6])}月{day}"
        unit = {"月": "个月", "日": "天", "none": ""}.get(self.unit, self.unit)
        return f"{plain(self.number)}{unit}"


def money(number: Decimal) -> Value:
    """An amount rounded to 分."""
    return Value(rounded(number), "元")


def ratio(number: Decimal, places: int = 4) -> Value:
    """A ratio rounded to `places` decimals (4 shows as 0.01%)."""
    return Value(rounded(number, places), "比例")


@dataclass(frozen=True)
class Result:
    """What a calculator answers.

    Args:
        values: results by Chinese name.
        steps: Chinese sentences without final stop, each with its numbers; together they are the worked answer.
        source: the rule, standard or textbook with its date.
        table: rows of a schedule, the first row being the column names.
    """

    values: dict[str, Value]
    steps: list[str]
    source: str
    table: Sequence[tuple[str, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Calculator:
    """One calculator.

    Args:
        name: Chinese name. key: ASCII name. topic: group shown in the list. help: one Chinese sentence.
        inputs: the Config of its inputs. solve: the function. keys: names of the values an answer must give.
    """

    name: str
    key: str
    topic: str
    help: str
    inputs: type[Config]
    solve: Callable[[Any], Result]
    keys: tuple[str, ...]

    def run(self, **inputs: Any) -> Result:
        """Check `inputs` and calculate.

        Raises:
            ConfigError: on a wrong input; CalculationError: outside the rule's domain.
        """
        return self.calculate(self.inputs.build(inputs, where=f"cornucopia calc {self.name}"))

    def calculate(self, inputs: Config) -> Result:
        """Calculate from checked inputs.

        Raises:
            CalculationError: outside the rule's domain, or where the numbers leave what can be calculated.
        """
        try:
            return self.solve(inputs)
        except ArithmeticError:
            raise CalculationError(
                "这组数算不出结果：有的数太大、太小或正好抵消", where=self.name, fix="检查各项的大小和单位"
            ) from None


@cache
def calculators() -> tuple[Calculator, ...]:
    """Every calculator, by topic."""
    modules = [importlib.import_module(f"cornucopia.finance.{topic}") for topic in TOPICS]
    return tuple(one for module in modules for one in module.CALCULATORS)


def find(name: str) -> Calculator:
    """The calculator of a Chinese or ASCII name.

    Raises:
        UsageError: naming the nearest one.
    """
    wanted = name.strip().lower().replace("_", "-")
    names = {key: one for one in calculators() for key in (one.name.lower(), one.key)}
    if wanted in names:
        return names[wanted]
    inside = [key for key in names if wanted and (wanted in key or key in wanted)]
    close = inside[0] if inside else nearest(wanted, names)
    fix = f"最接近的是 cornucopia calc {close}；全部见 cornucopia calc" if close else "全部见 cornucopia calc"
    raise UsageError("没有这个计算器", where="cornucopia calc", found=name, fix=fix)
