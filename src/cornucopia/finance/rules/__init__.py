"""Dated rule tables (rates, thresholds, limits) from the YAML files beside this module, each value with its source.

A file: `as_of` (the day to which its last periods are known to hold) and `rules`, name -> unit and periods.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cornucopia.core.errors import nearest
from cornucopia.finance.decimals import CalculationError


@dataclass(frozen=True)
class Rule:
    """A rule in force on a day.

    Args:
        value: a Decimal, or lists and mappings of Decimals (brackets).
        unit: what the value is in.
        valid_from: first day. valid_to: last day, None while it is in force.
        source: document, number and date.
        as_of: the day to which this was checked.
        stale: whether the day asked for lies after as_of, so that the rule may have changed.
    """

    name: str
    value: Any
    unit: str
    valid_from: datetime.date
    valid_to: datetime.date | None
    source: str
    as_of: datetime.date
    stale: bool = False


def at(name: str, day: datetime.date | None = None) -> Rule:
    """The rule `file.name` in force on `day` (None: the latest period known).

    Raises:
        CalculationError: if the table holds no period for that day.
    """
    table = tables()
    if name not in table:
        raise KeyError(f"no rule {name}; nearest {nearest(name, table)}")
    periods = table[name]
    if day is None:
        return periods[-1]
    for rule in periods:
        if rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to):
            stale = rule.valid_to is None and day > rule.as_of
            return Rule(**{**rule.__dict__, "stale": stale})
    span = "；".join(f"{rule.valid_from} 到 {rule.valid_to or '今'}" for rule in periods)
    raise CalculationError("规则表没有这一天", where=name, found=str(day), fix=f"表里有 {span}")


def cite(*names: str, day: datetime.date | None = None) -> str:
    """The sources of rules in force on `day` for a Result, with the day to which they were checked."""
    found = [at(name, day) for name in names]
    sources = "；".join(dict.fromkeys(rule.source for rule in found))
    newer = "，所问日期在此之后，请核对最新规定" if any(rule.stale for rule in found) else ""
    return f"{sources}（规则核对到{min(rule.as_of for rule in found)}{newer}）"


@cache
def tables() -> dict[str, tuple[Rule, ...]]:
    """Every rule by `file.name`, its periods in order of time."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        for name, rule in content["rules"].items():
            periods = [_period(f"{path.stem}.{name}", rule, period, content["as_of"]) for period in rule["periods"]]
            found[f"{path.stem}.{name}"] = tuple(sorted(periods, key=lambda one: one.valid_from))
    return found


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are Decimal, so that 0.001 is exactly that."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


for _tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
    _Loader.add_constructor(_tag, _decimal)


def _period(name: str, rule: dict[str, Any], period: dict[str, Any], as_of: datetime.date) -> Rule:
    return Rule(name, period["value"], rule["unit"], period["valid_from"], period.get("valid_to"),
                period["source"], period.get("as_of", as_of))  # fmt: skip
