"""The bundled calculators as a source: problems in words with worked answers, also as calls of a tool.

No problem equals a held-out one: neither its question nor its calculator with the same inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Literal

from cornucopia.core.config import option
from cornucopia.core.errors import UsageError, nearest
from cornucopia.core.paths import project_root
from cornucopia.factory.intake.intake import Intake, IntakeConfig, signed
from cornucopia.finance.calculator import find
from cornucopia.finance.problems import AS_OF, DOMAINS, Phrasing, Problem, one_problem, phrasings, read_question
from cornucopia.finance.tools import Tool, find_tool, tools
from cornucopia.records.rejects import Reject
from cornucopia.records.sameness import normalized
from cornucopia.records.schema import Message, Record, ToolCall
from cornucopia.records.stream import RecordStream

_PATIENCE = 400  # draws in a row that give nothing new, after which a calculator has no more


class CalculationsConfig(IntakeConfig):
    """How many problems of which kind."""

    count: int = option(1000, "出多少道题", gt=0)
    kinds: list[str] = option([], "只要这些计算器或主题，如 等额本息、贷款；留空都要")
    seed: int | None = option(None, "出题的种子；留空用配方的种子")
    tool_calls: float = option(0.0, "多大一部分写成工具调用（助手调用计算器，再按结果回答），0 到 1", ge=0, le=1)
    offered: int = option(3, "工具调用的题里给出几个工具，正确的一定在内", gt=0)
    as_said: bool = option(False, "工具的参数照题目里的写法（215万、百分之三点六、15年），不先换算")
    asks: Literal["all", "learnt", "kept"] = option(
        "all", "每种计算用哪些问法：all 全部，learnt 除最后一种以外，kept 只用最后一种（留作测试）"
    )
    steps: bool = option(True, "答案写出步骤；否则只写结果")
    held_out: Path | None = option(None, "留出的题：不出与它相同的；留空用 instruction_data/infer.json")


class Calculations(Intake):
    """Problems made from the calculators."""

    kind = "calculations"
    summary = "自带计算器出题：带步骤和答案的计算题，可写成工具调用"
    settings = CalculationsConfig
    config: CalculationsConfig

    def __init__(self, config: CalculationsConfig) -> None:
        super().__init__(config)
        self._held_out = config.held_out or project_root() / "instruction_data" / "infer.json"
        self._phrasings = [_asking(row, config.asks) for row in _chosen(config.kinds)]

    def inputs(self) -> list[Path]:
        return [self._held_out]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        return signed(self.config, self._problems(seed))

    def _problems(self, seed: int) -> Iterator[Record]:
        given = seed if self.config.seed is None else self.config.seed
        random, taken = Random(f"calculations|{given}"), _asked(self._held_out)
        left, at, made = list(self._phrasings), 0, 0
        while left and made < self.config.count:
            at %= len(left)
            problem = _new(left[at], random, taken)
            if problem is None:
                del left[at]
                continue
            at, made = at + 1, made + 1
            as_call = random.random() < self.config.tool_calls
            yield self._record(problem, random if as_call else None)

    def _record(self, problem: Problem, random: Random | None) -> Record:
        """The problem answered at once, or, with a random, by calling the calculator."""
        calculator = find(problem.calculator)
        digest = hashlib.sha256(problem.question.encode()).hexdigest()[:10]
        answer = problem.answer if self.config.steps else _results(problem)
        turns: tuple[Message, ...] = (Message("user", problem.question), Message("assistant", answer))
        offered: tuple[dict[str, Any], ...] = ()
        if random:
            turns, offered = _called(problem, answer, random, self.config)
        return Record(
            turns,
            tools=offered,
            id=f"{calculator.key}-{digest}" + ("-tool" if random else ""),
            domain=DOMAINS[calculator.topic],
            kind="calc",
            source=problem.source,
            as_of=AS_OF,
            licence="Apache-2.0",
            extra={"calculator": problem.calculator, "inputs": problem.inputs},
        )


def _chosen(kinds: Sequence[str]) -> list[Phrasing]:
    """The phrasings of some calculators, by name or topic.

    Raises:
        UsageError: a kind that is neither.
    """
    rows = list(phrasings())
    known = {name for row in rows for name in (row.calculator, find(row.calculator).topic)}
    for kind in kinds:
        if kind not in known:
            close = nearest(kind, known)
            fix = f"最接近的是 {close}" if close else f"有：{'、'.join(sorted(known))[:200]}"
            raise UsageError("没有这种计算", where="kinds", found=kind, fix=fix)
    return [row for row in rows if not kinds or {row.calculator, find(row.calculator).topic} & set(kinds)]


def _asking(phrasing: Phrasing, asks: str) -> Phrasing:
    """The phrasing with some of its ways to ask."""
    chosen = {"all": phrasing.asks, "learnt": phrasing.asks[:-1], "kept": phrasing.asks[-1:]}[asks]
    return replace(phrasing, asks=chosen)


def _asked(path: Path) -> set[str]:
    """Held-out questions, and held-out calculations."""
    taken = set()
    for item in RecordStream(path):
        if isinstance(item, Record):
            taken.add(normalized(item.question))
            if "calculator" in item.extra:
                taken.add(_key(item.extra["calculator"], item.extra.get("inputs", {})))
    return taken


def _key(calculator: str, inputs: dict[str, Any]) -> str:
    return json.dumps([calculator, inputs], ensure_ascii=False, sort_keys=True, default=str)


def _new(phrasing: Phrasing, random: Random, taken: set[str]) -> Problem | None:
    """A problem that was not asked before; its question and calculation are taken from now on."""
    for _ in range(_PATIENCE):
        problem = one_problem(phrasing, random)
        keys = {normalized(problem.question), _key(problem.calculator, problem.inputs)}
        if not keys & taken:
            taken |= keys
            return problem
    return None


def _results(problem: Problem) -> str:
    return "；".join(f"{name}：{value.text()}" for name, value in problem.values.items()) + "。"


def _called(
    problem: Problem, answer: str, random: Random, config: CalculationsConfig
) -> tuple[tuple[Message, ...], tuple[dict[str, Any], ...]]:
    """The turns of a call and its answer, and the tools on offer."""
    tool = find_tool(find(problem.calculator).key.replace("-", "_"))
    read = read_question(problem.question) if config.as_said else None
    arguments = json.dumps(read[1] if read else problem.inputs, ensure_ascii=False, default=str)
    call = ToolCall(tool.name, arguments, "call_0")
    turns = (
        Message("user", problem.question),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", tool.call(arguments).text, tool_call_id=call.id, name=tool.name),
        Message("assistant", answer),
    )
    return turns, tuple(one.schema for one in _offer(tool, random, config.offered))


def _offer(tool: Tool, random: Random, count: int) -> list[Tool]:
    others = [one for one in tools() if one != tool]
    chosen = [tool, *random.sample(others, min(count - 1, len(others)))]
    random.shuffle(chosen)
    return chosen
