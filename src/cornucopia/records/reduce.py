"""A record that a format cannot hold -> the same record with as little left out as makes it fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.content import PICTURE
from cornucopia.records.schema import Message, Passage, Record

Reduction = Callable[[Record], Record]


@dataclass(frozen=True)
class Reduced:
    """What came of it: the row that was made, and what was left out, by its name in Chinese."""

    made: dict[str, Any]
    lost: tuple[str, ...]


def reduced(record: Record, make: Callable[[Record], dict[str, Any]]) -> Reduced | None:
    """Leave out more and more until `make` takes the record, then put back what need not have gone; None if even the
    bare question and answer do not fit.
    """
    chosen = [name for name, cut in REDUCTIONS if cut(record) != record]
    last = next((end for end in range(1, len(chosen) + 1) if _made(record, chosen[:end], make) is not None), None)
    if last is None:
        return None
    chosen = chosen[:last]
    for name in list(chosen):
        others = [other for other in chosen if other != name]
        if _made(record, others, make) is not None:
            chosen = others
    made = _made(record, chosen, make)
    assert made is not None
    return Reduced(made, tuple(chosen))


def _made(record: Record, names: Sequence[str], make: Callable[[Record], dict[str, Any]]) -> dict[str, Any] | None:
    for name, cut in REDUCTIONS:
        record = cut(record) if name in names else record
    try:
        return make(record)
    except DataError:
        return None


def _turns(change: Callable[[Message], Message]) -> Reduction:
    """The change made to every turn, those of rejected answers too."""

    def cut(record: Record) -> Record:
        rejected = tuple(tuple(map(change, turns)) for turns in record.rejected)
        return replace(record, messages=tuple(map(change, record.messages)), rejected=rejected)

    return cut


def _earlier_thoughts(record: Record) -> Record:
    turns = [replace(turn, reasoning="") for turn in record.messages[:-1]]
    return replace(record, messages=(*turns, *record.messages[-1:]))


def _without_calls(record: Record) -> Record:
    turns = [replace(turn, tool_calls=(), tool_call_id="") for turn in record.messages if turn.role != "tool"]
    return replace(record, messages=tuple(turn for turn in turns if not turn.is_blank))


def _one_rejected(record: Record) -> Record:
    return replace(record, rejected=tuple((Message("assistant", t[-1].content),) for t in record.rejected[:1]))


def _without_sources(record: Record) -> Record:
    return replace(record, passages=(Passage(record.material),) if record.passages else ())


def _without_pictures(turn: Message) -> Message:
    return replace(turn, images=(), content=turn.content.replace(PICTURE, "") if turn.images else turn.content)


# From what matters least to what matters most.
REDUCTIONS: tuple[tuple[str, Reduction], ...] = (
    ("轮的其他键", _turns(lambda turn: replace(turn, extra={}))),
    ("说话人的名字", _turns(lambda turn: replace(turn, name=""))),
    ("工具的编号", _turns(lambda turn: replace(turn, tool_call_id=""))),
    ("学不学的标记", _turns(lambda turn: replace(turn, learnt=None))),
    ("中间轮的思考", _earlier_thoughts),
    ("记录的其他键", lambda record: replace(record, extra={})),
    ("材料的来源", _without_sources),
    ("未完的标记", lambda record: replace(record, complete=True)),
    ("图片", _turns(_without_pictures)),
    ("其余没选中的回答", _one_rejected),
    ("工具", lambda record: replace(record, tools=())),
    ("工具调用", _without_calls),
    ("label", lambda record: replace(record, label=None)),
    ("没选中的回答", lambda record: replace(record, rejected=())),
    ("思考", _turns(lambda turn: replace(turn, reasoning=""))),
    ("回车符", _turns(lambda turn: replace(turn, content=turn.content.replace("\r\n", "\n").replace("\r", "\n")))),
)
