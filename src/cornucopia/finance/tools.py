"""The calculators as tools that a model can call: name, JSON schema from the Config, a pure call.

Training data, rewards, agents and the server use these same objects. A Tool knows no model and no message format beyond
the OpenAI shape of its schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, get_args, get_origin

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from cornucopia.core.errors import CornucopiaError, DataError, UsageError, nearest
from cornucopia.finance.calculator import Calculator, Value, calculators
from cornucopia.finance.problems import one_problem, phrasings

_LIMITS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
# Inputs for calculators that have no phrasing.
_EXAMPLES: dict[str, dict[str, Any]] = {
    "pay-off": {"principal": "100万", "rate": "4.9%", "months": "30年", "paid": 60},
    "day-count": {"principal": "10万", "rate": "3%", "start": "2025-01-01", "end": "2025-04-01"},
    "sharpe": {"returns": ["1.2%", "-0.5%", "0.8%", "2%"]},
    "t-plus-one": {"bought": "2025-03-07"},
    "convert": {"count": 10, "conversion": 12.5, "stock": 14},
    "convertible-triggers": {"conversion": 12.5},
    "bond-accrued": {"coupon": "3%", "last": "2025-01-01", "settle": "2025-03-01", "following": "2026-01-01"},
    "special-deductions": {"children": 1, "elderly": "独生", "housing": "房贷"},
    "illness-deduction": {"paid": "5万"},
    "private-pension": {"paid": 12000, "taxable": "20万"},
    "flexible-pension": {"base": 6000, "average": 8000},
    "annuity-irr": {"premium": "5万", "pay_years": 5, "first": 10, "payment": 15000, "times": 30},
    "foreign-deposit": {"amount": 10000, "gain": 400, "ask": 720, "bid": 715},
}
_LONGEST = 20_000  # characters of arguments; more is a model that stutters


@dataclass(frozen=True)
class ToolResult:
    """What a call gives back.

    Args:
        text: Chinese, for the model to read: the results, the steps and the source, or what is wrong with the call.
        values: the results by Chinese name; empty after an error.
        failed: whether the call was refused.
    """

    text: str
    values: Mapping[str, Value] = field(default_factory=dict)
    failed: bool = False


@dataclass(frozen=True)
class Tool:
    """One calculator as a tool.

    Args:
        name: ASCII, as a model calls it (equal_payment).
        calculator: what it runs.
    """

    name: str
    calculator: Calculator

    @property
    def schema(self) -> dict[str, Any]:
        """The tool in the OpenAI shape, its parameters a JSON schema (2020-12) with one worked example where known."""
        config = self.calculator.inputs
        parameters: dict[str, Any] = {
            "type": "object",
            "properties": {name: _property(info) for name, info in config.model_fields.items()},
            "required": [name for name, info in config.model_fields.items() if info.is_required()],
            "additionalProperties": False,
            "examples": [example(self.calculator)],
        }
        gives = "、".join(self.calculator.keys)
        description = f"{self.calculator.name}：{self.calculator.help}。给出{gives}，附步骤和依据。"
        function = {"name": self.name, "description": description, "parameters": parameters}
        return {"type": "function", "function": function}

    def call(self, arguments: Mapping[str, Any] | str) -> ToolResult:
        """Run the calculator; what is wrong with the call comes back as text, never as an exception.

        Args:
            arguments: the inputs by name, or their JSON text as a model writes it. A null is an input left out.
        """
        try:
            result = self.calculator.run(**_arguments(arguments))
        except CornucopiaError as error:
            return ToolResult(f"错误：{error}", failed=True)
        values = "；".join(f"{name}：{value.text()}" for name, value in result.values.items())
        return ToolResult(f"{values}\n步骤：{'。'.join(result.steps)}。\n依据：{result.source}", result.values)


def _arguments(arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments[:_LONGEST], parse_float=Decimal, parse_constant=str)
        except (ValueError, RecursionError, ArithmeticError):
            raise DataError("参数不是合格的 JSON", found=str(arguments)[:80], fix='写成 {"名字": 值}') from None
    if not isinstance(arguments, Mapping):
        raise DataError("参数应是「名字: 值」的对象", found=type(arguments).__name__, fix='写成 {"名字": 值}')
    return {str(name): value for name, value in arguments.items() if value is not None}


def _property(info: FieldInfo) -> dict[str, Any]:
    """The JSON schema of one input: kinds of JSON, unit and help, limits (on numbers, not on texts), default."""
    schema = _type(info.annotation, info.metadata)
    unit = schema.pop("description", "")
    told = f"{info.description}（{unit}）" if unit and unit[:2] not in str(info.description) else info.description
    described: dict[str, Any] = {**schema, "description": told}
    if isinstance(schema["type"], list):
        for limit in info.metadata:
            known = [(name, _LIMITS[name]) for name in _LIMITS if getattr(limit, name, None) is not None]
            described |= {word: _plain(getattr(limit, name)) for name, word in known}
    if not info.is_required() and (default := info.get_default(call_default_factory=True)) not in (None, []):
        described["default"] = _plain(default)
    return described


def _type(annotation: Any, metadata: list[Any]) -> dict[str, Any]:
    for one in metadata:
        if isinstance(one, WithJsonSchema):
            return dict(one.json_schema or {})
    if hasattr(annotation, "__metadata__"):
        return _type(get_args(annotation)[0], list(annotation.__metadata__))
    parts = get_args(annotation)
    if get_origin(annotation) is list:
        items = _type(parts[0], [])
        return {"type": "array", "items": items, "description": items.pop("description", "")}
    if type(None) in parts:
        return _type(next(part for part in parts if part is not type(None)), [])
    return {"type": "string" if isinstance(parts[0], str) else "integer", "enum": list(parts)}


def _plain(value: Any) -> Any:
    """A limit or default as JSON has it."""
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value


@cache
def example(calculator: Calculator) -> dict[str, Any]:
    """Inputs that the calculator takes: those of a problem in one of its phrasings, or of the table above."""
    if calculator.key in _EXAMPLES:
        return dict(_EXAMPLES[calculator.key])
    row = next(row for row in phrasings() if row.calculator == calculator.name)
    return one_problem(row, Random(0)).inputs


@cache
def tools() -> tuple[Tool, ...]:
    """Every calculator as a tool."""
    return tuple(Tool(one.key.replace("-", "_"), one) for one in calculators())


def find_tool(name: str) -> Tool:
    """The tool a model calls by `name`.

    Raises:
        UsageError: naming the nearest one.
    """
    known = {tool.name: tool for tool in tools()}
    if name in known:
        return known[name]
    close = nearest(name, known)
    raise UsageError("没有这个工具", found=name, fix=f"最接近的是 {close}" if close else "工具的名字见 tools()")
