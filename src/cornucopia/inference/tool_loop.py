"""Calls of tools carried out: the model answers, the tools it calls are run, it goes on with their results.

Knows no engine: whoever answers is handed in. Many conversations go on together, a round at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cornucopia.core.errors import nearest
from cornucopia.inference.request import Reply, Request
from cornucopia.records.schema import Message, Record

ROUNDS = 4  # how often a conversation may call tools before it must answer
Ask = Callable[[Sequence[Request]], Iterable[Reply]]


class Runnable(Protocol):
    """A tool: see `finance.tools.Tool`."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> dict[str, Any]: ...

    def call(self, arguments: str, /) -> Any: ...


@dataclass(frozen=True)
class Conversation:
    """How one request ended: the turns that followed it (calls, results, answer), and the last reply, whose token
    counts and seconds are those of all rounds together."""

    request: Request
    said: tuple[Message, ...]
    reply: Reply

    @property
    def record(self) -> Record:
        """All that was said."""
        return self.request.record.changed(messages=(*self.request.record.messages, *self.said))


def offered(record: Record, tools: Iterable[Runnable]) -> Record:
    """The record with these tools on offer besides its own."""
    known = {str(tool.get("function", tool).get("name")) for tool in record.tools}
    return record.changed(tools=(*record.tools, *(tool.schema for tool in tools if tool.name not in known)))


def converse(
    ask: Ask, requests: Sequence[Request], tools: Mapping[str, Runnable], rounds: int = ROUNDS
) -> Iterator[Conversation]:
    """Answer all requests, running the tools that are called, each as soon as it has its answer.

    Args:
        ask: answers requests, each with one reply.
        requests: with tools on offer.
        tools: that are run, by name; of another on offer the call is the answer, for the caller to run.
        rounds: calls in a row after which no more are run; the reply then still holds the last call.
    """
    said: dict[str, tuple[Message, ...]] = {request.id: () for request in requests}
    spent: dict[str, Reply] = {}
    waiting = {request.id: request for request in requests}
    for left in range(rounds, -1, -1):
        asked = [
            replace(request, record=request.record.changed(messages=(*request.record.messages, *said[request.id])))
            for request in waiting.values()
        ]
        for reply in ask(asked):
            reply = _together(spent.get(reply.id), reply)
            turns = carried_out(waiting[reply.id].record, reply, tools) if left else ()
            if turns:
                said[reply.id] += turns
                spent[reply.id] = reply
                continue
            final = () if reply.finish_reason == "error" else (_turn(reply),)
            yield Conversation(waiting.pop(reply.id), said[reply.id] + final, reply)
        if not waiting:
            return


def carried_out(record: Record, reply: Reply, tools: Mapping[str, Runnable]) -> tuple[Message, ...]:
    """The call's turn and its results; nothing where the reply calls no tool, or one on offer that is not among these:
    then it is for the caller. A tool that nobody offers gets an error as its result."""
    on_offer = {str(tool.get("function", tool).get("name")) for tool in record.tools}
    if not reply.tool_calls or any(call.name in on_offer and call.name not in tools for call in reply.tool_calls):
        return ()
    return (_turn(reply), *_results(_turn(reply), tools))


def _turn(reply: Reply) -> Message:
    return Message("assistant", reply.answer, reply.reasoning, reply.tool_calls)


def _results(turn: Message, tools: Mapping[str, Runnable]) -> Iterator[Message]:
    for call in turn.tool_calls:
        if call.name in tools:
            text = tools[call.name].call(call.arguments).text
        else:
            close = nearest(call.name, tools)
            text = f"错误：没有工具 {call.name}" + (f"，最接近的是 {close}" if close else "")
        yield Message("tool", text, tool_call_id=call.id, name=call.name)


def _together(before: Reply | None, reply: Reply) -> Reply:
    """A reply charged with the rounds before it too."""
    if before is None:
        return reply
    return replace(
        reply,
        prompt_tokens=before.prompt_tokens + reply.prompt_tokens,
        completion_tokens=before.completion_tokens + reply.completion_tokens,
        seconds=before.seconds + reply.seconds,
    )
