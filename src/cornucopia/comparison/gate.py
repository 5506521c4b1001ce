"""What a comparison must reach (`--fail-below`): for CI, where nobody reads the report before a model is released."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from cornucopia.comparison.metrics import METRICS, Metric
from cornucopia.comparison.recipe import CompareRecipe
from cornucopia.comparison.summary import Summary
from cornucopia.core.errors import UsageError, nearest

T = TypeVar("T")
_FORM = re.compile(r"(?:(?P<name>.+):)?(?P<metric>[^:=]+)=(?P<value>-?\d+(?:\.\d+)?)(?P<percent>%?)", re.S)


@dataclass(frozen=True)
class Limit:
    """One contestant's metric and the worst value that passes."""

    contestant: str
    metric: Metric
    value: float

    def missed(self, value: float | None) -> bool:
        """Whether `value` does not pass; no value never does."""
        return value is None or (value > self.value if self.metric.better == "down" else value < self.value)


def read_limits(recipe: CompareRecipe) -> list[Limit]:
    """The recipe's `fail_below`, read before anything is asked.

    Raises:
        UsageError: a text of another form, a metric or a contestant that is not there.
    """
    return [limit for text in recipe.fail_below for limit in _limits(text, [one.name for one in recipe.contestants])]


def _limits(text: str, names: Sequence[str]) -> list[Limit]:
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise UsageError("写法有误", where="--fail-below", found=text, fix="写成 f1=0.3 或 调优后:numbers=80%")
    metric = _choose(found["metric"].strip(), {key: one for one in METRICS for key in (one.key, one.label)}, "指标")
    value = float(found["value"]) / (100 if found["percent"] else 1)
    if metric.percent and not 0 <= value <= 1:
        fix = f"写成 {found['metric']}={found['value']}% 或 0 到 1 的小数"
        raise UsageError(f"{metric.label}应在 0 到 1 之间", where="--fail-below", found=text, fix=fix)
    chosen = [_choose(found["name"], {name: name for name in names}, "选手")] if found["name"] else names[1:] or names
    return [Limit(name, metric, value) for name in chosen]


def _choose(wanted: str, known: dict[str, T], what: str) -> T:
    if wanted not in known:
        close = nearest(wanted, known)
        fix = f"最接近的是 {close}" if close else f"可用：{'、'.join(known)}"
        raise UsageError(f"没有这个{what}", where="--fail-below", found=wanted, fix=fix)
    return known[wanted]


def shortfalls(limits: Sequence[Limit], summary: Summary) -> list[str]:
    """A sentence for each limit that is missed: which contestant, what it has, what it needs."""
    lines = {line.name: line for line in summary.overall}
    told = []
    for limit in limits:
        value = lines[limit.contestant].values[limit.metric.key].value
        if limit.missed(value):
            has = "没有成绩" if value is None else f"是 {limit.metric.show(value)}"
            edge = "至多" if limit.metric.better == "down" else "至少"
            told.append(f"「{limit.contestant}」的{limit.metric.label}{has}，{edge}要 {limit.metric.show(limit.value)}")
    return told
