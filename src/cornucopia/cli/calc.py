"""`cornucopia calc`: lists the calculators; `cornucopia calc 名字 --key value ...` prints result, steps and source."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import groupby
from typing import Any

from cornucopia.core.config import Config
from cornucopia.core.errors import UsageError
from cornucopia.core.options import parse
from cornucopia.finance.calculator import Calculator, Result, calculators, find
from cornucopia.finance.decimals import plain
from cornucopia.finance.tools import example


def run(argv: list[str]) -> int:
    """List the calculators, or run one."""
    words = [word for word in argv if word not in ("--json", "--table")]
    if not words or words[0] in ("-h", "--help", "help"):
        print(_json_list() if "--json" in argv else _list())
        return 0
    if words[0].startswith("-"):
        raise UsageError(
            "先写计算器的名字", where="cornucopia calc", found=words[0], fix="cornucopia calc 等额本息 --help"
        )
    calculator = find(words[0])
    usage = f"  cornucopia calc {calculator.name} {_usage(calculator)}"
    prog = f"cornucopia calc {calculator.name}"
    inputs, _ = parse(calculator.inputs, words[1:], prog=prog, summary=_summary(calculator), examples=usage)
    result = calculator.calculate(inputs)
    if "--json" in argv:
        print(_json(calculator, inputs, result))
    else:
        notes = _conversions(inputs, words[1:])
        print(
            _text(calculator, result, "--table" in argv) + "".join(f"\n{note}" for note in notes and ["输入：", *notes])
        )
    return 0


def _list() -> str:
    lines = ["用法：cornucopia calc 名字 [--选项 值 ...] [--json] [--table]", ""]
    for topic, group in groupby(calculators(), key=lambda one: one.topic):
        lines += [f"{topic}："] + [f"  {one.name}（{one.key}）  {one.help}" for one in group]
    forms = "金额可写 20万，比率写 4.9%，期限可写 30年，日期写 2024-03-01"
    return "\n".join([*lines, "", "每个计算器的选项：cornucopia calc 名字 --help", forms])


def _json_list() -> str:
    rows = [{"name": one.name, "key": one.key, "topic": one.topic, "help": one.help} for one in calculators()]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def _summary(calculator: Calculator) -> str:
    head = f"{calculator.name}（{calculator.key}）：{calculator.help}。"
    return f"{head}\n--json 输出 JSON；--table 打印完整明细表（有明细的计算器）。"


def _usage(calculator: Calculator) -> str:
    inputs = example(calculator).items()
    return " ".join(f"--{name.replace('_', '-')} {_word(value)}" for name, value in inputs)


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _conversions(inputs: Config, words: list[str]) -> list[str]:
    """What was given in another unit than it is reckoned in: --months 30年."""
    names, notes = inputs.alias_map(), []
    for word, after in zip(words, [*words[1:], ""], strict=True):
        flag, _, same = word.partition("=")
        given = same or after
        name = names.get(flag.removeprefix("--").replace("-", "_"), "") if flag.startswith("--") else ""
        value = getattr(inputs, name, None)
        unit = "个月" if re.search("[年岁]", given) else "年" if "月" in given else ""
        if unit and isinstance(value, (int, Decimal)):
            notes.append(f"  --{name.replace('_', '-')} {given} 按 {plain(Decimal(value))} {unit}算")
    return notes


def _text(calculator: Calculator, result: Result, whole: bool) -> str:
    lines = [f"{calculator.name}", *(f"  {name}：{value.text()}" for name, value in result.values.items()), "步骤："]
    lines += [f"  {i}. {step}" for i, step in enumerate(result.steps, 1)]
    lines += [f"依据：{result.source}"]
    if result.table and whole:
        lines += ["明细：", *("\t".join(row) for row in result.table)]
    elif result.table:
        lines += [f"明细 {len(result.table) - 1} 行：加 --table 打印"]
    return "\n".join(lines)


def _json(calculator: Calculator, inputs: Any, result: Result) -> str:
    content = {
        "calculator": calculator.name,
        "key": calculator.key,
        "inputs": inputs.model_dump(mode="json"),
        "values": {
            name: {"value": str(one.number), "unit": one.unit, "text": one.text()}
            for name, one in result.values.items()
        },
        "steps": result.steps,
        "source": result.source,
        "table": [list(row) for row in result.table],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)
