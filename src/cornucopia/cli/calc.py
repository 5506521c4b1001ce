"""`cornucopia calc`: lists the calculators; `cornucopia calc 名字 --key value ...` prints result, steps and source."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from cornucopia.core.errors import UsageError
from cornucopia.core.options import parse
from cornucopia.finance.calculator import Calculator, Result, calculators, find

EXAMPLES = {
    "等额本息": "--principal 100万 --rate 4.9% --months 30年 --table",
    "工资个税": "--salary 3万 --insurance 4500 --special 2000 --month 3",
    "最低还款": "--amount 1000 --paid 100 --posted 2024-03-30 --due 2024-04-23 --until 2024-05-05",
}


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
    example = f"  cornucopia calc {calculator.name} {EXAMPLES.get(calculator.name, _usage(calculator))}"
    prog = f"cornucopia calc {calculator.name}"
    inputs, _ = parse(calculator.inputs, words[1:], prog=prog, summary=_summary(calculator), examples=example)
    result = calculator.solve(inputs)
    print(_json(calculator, inputs, result) if "--json" in argv else _text(calculator, result, "--table" in argv))
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
    names = [name for name, field in calculator.inputs.model_fields.items() if field.is_required()]
    return " ".join(f"--{name.replace('_', '-')} ..." for name in names)


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
