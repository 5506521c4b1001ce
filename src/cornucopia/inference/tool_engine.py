"""An engine whose model may call the calculators: another engine, with the calls carried out in between."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from cornucopia.core.errors import UsageError, nearest
from cornucopia.finance.tools import Tool, tools
from cornucopia.inference.engine import Engine, Limits, Reply, Request, Sampling, Score, TokenSpan
from cornucopia.inference.tool_loop import ROUNDS, carried_out, converse, offered
from cornucopia.records.schema import Message, Record

ALL = "calculators"


class ToolEngine(Engine):
    """See `Engine`. Its replies hold the calls that were made and their results in `said`.

    Args:
        engine: whose model calls.
        names: calculators on offer: `calculators` (all), a topic (贷款), a tool's name. A record with tools of its own
            keeps these alone. Calls and results that a record holds after its last question are not shown.

    Raises:
        UsageError: an unknown name, or a model that is not shown tools.
    """

    def __init__(self, engine: Engine, names: Sequence[str]) -> None:
        self._engine, self._names = engine, list(names)
        self._offer = chosen(names)
        self._known = {tool.name: tool for tool in tools()}
        if not engine.limits().tools:
            raise UsageError(
                "这个模型的提示词里没有写工具的地方，不会调用计算器", where="--tools",
                fix="换成聊天模板写工具的模型，或按 docs/reinforce.md 用 fin_tools 模板练一个",
            )  # fmt: skip

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Replies once their calls have been carried out; token counts and seconds are those of all rounds."""
        asked = [replace(request, record=self._asked(request.record)) for request in requests]
        for one in converse(lambda part: self._engine.generate(part, sampling), asked, self._known):
            yield replace(one.reply, said=one.said[:-1])

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of what is said in each round; calls and results are not shown."""
        record = self._asked(record)
        said: tuple[Message, ...] = ()
        for left in range(ROUNDS, -1, -1):
            whole = record.changed(messages=(*record.messages, *said))
            reply = yield from self._engine.stream(whole, sampling)
            turns = carried_out(record, reply, self._known) if left else ()
            if not turns:
                return replace(reply, said=said)
            said += turns
        raise AssertionError("the last round returns")

    def score(self, items: Sequence[Record | TokenSpan]) -> list[Score]:
        """See Engine."""
        return self._engine.score(items)

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """The engine's, with the tools."""
        return {**self._engine.describe(sampling), "tools": self._names}

    def limits(self) -> Limits:
        """The engine's."""
        return self._engine.limits()

    def settings(self, sampling: Sampling) -> Sampling:
        """The engine's."""
        return self._engine.settings(sampling)

    def plan(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """The engine's groups: a group goes through its rounds together."""
        by_id = {request.id: request for request in requests}
        asked = [replace(request, record=self._asked(request.record)) for request in requests]
        return [[by_id[request.id] for request in group] for group in self._engine.plan(asked, sampling)]

    def prompt_length(self, record: Record) -> int:
        """Tokens of the question with the tools on offer."""
        return self._engine.prompt_length(self._asked(record))

    def prompt_limit(self, sampling: Sampling) -> int | None:
        """The engine's."""
        return self._engine.prompt_limit(sampling)

    def _asked(self, record: Record) -> Record:
        last = max((place for place, turn in enumerate(record.messages) if turn.role == "user"), default=-1)
        bare = record.changed(messages=record.messages[: last + 1])
        return bare if bare.tools else offered(bare, self._offer)


def chosen(names: Sequence[str]) -> list[Tool]:
    """The calculators of some names; see `ToolEngine`.

    Raises:
        UsageError: naming the nearest one.
    """
    known, found = tools(), list[Tool]()
    for name in names:
        some = [tool for tool in known if name in (ALL, tool.name, tool.calculator.name, tool.calculator.topic)]
        if not some:
            close = nearest(name, [ALL, *(one for tool in known for one in (tool.name, tool.calculator.topic))])
            raise UsageError("没有这个工具", where="--tools", found=name, fix=f"最接近的是 {close}" if close else ALL)
        found += [tool for tool in some if tool not in found]
    return found
