"""Answers that break off in mid-sentence, that say nothing, or that only repeat the question."""

from __future__ import annotations

import re
from typing import Literal

from cornucopia.records.schema import Message, Record

Unfinished = Literal["certain", "any"]
_CLOSED = frozenset("。！？!?.…”’」』）)】]》>~～；;`$|*_\"'")
# Only words that cannot end a sentence: 向, 对, 的, 需要 can (方向, 不对, 可以的).
_OPEN_END = re.compile(
    r"(?:[，、：（(“《【,]|因为|由于|如果|并且|而且|例如|比如|其中|以及|但是|然而|根据|按照|关于|为了|尤其是|也就是|或者|"
    r"[，。、]第[一二三四五]|(?<![平温缓总饱柔共调随亲祥谐附])和|(?<![参给赋施])与|[即]?将|(?<!一)把)\Z"
)
_NO_PROSE = re.compile(
    r"^\s*(?:[-*•·>#|]|\d{1,2}[.、．)）]|[(（]\d{1,2}[)）]|[A-H][.、．:：])|[=×÷→\U000F0000-\U0010FFFD]|[|\t]"
)
_STOP = re.compile(r"[。！？!?…][”’」』）)】]*")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_LEFT = 0.5  # share of the answer that must be left for the rest to be worth keeping


def breaks_off(text: str, how: Unfinished = "certain") -> bool:
    """Whether prose stops before its sentence ends.

    Args:
        text: of an answer, code, tables and formulae hidden.
        how: `certain` asks for a sign of it (a comma, an open bracket or quote, a word that needs another); with `any`
            the full stop that is missing after others is enough.
    """
    bare = text.rstrip()
    if not bare or bare[-1] in _CLOSED:
        return False
    last = bare.rsplit("\n", 1)[-1]
    stops = len(_STOP.findall(bare))
    if not stops or _NO_PROSE.search(last):
        return False
    if not _CHINESE.search(last[-4:]) and bare[-1] not in "，、：（(“《【,":
        return False
    sentence = last[max((found.end() for found in _STOP.finditer(last)), default=0) :]
    if _OPEN_END.search(sentence):
        return True
    opened = max(sentence.rfind(char) for char in "（(“《【「")
    if opened >= 0 and not any(char in sentence[opened:] for char in "）)”》】」"):
        return True
    return how == "any" and stops >= 2 and len(sentence) >= 4


def cut_back(text: str) -> str | None:
    """The text up to the end of its last whole sentence; None where too little would be left."""
    end = max((found.end() for found in _STOP.finditer(text)), default=0)
    return text[:end] if end >= _LEFT * len(text.rstrip()) else None


def is_empty(record: Record) -> bool:
    """Whether the record has no text at all, or a turn of the user or the assistant says nothing.

    The question may stand in the material alone, and material that is yet to be asked about is something.
    """
    if not record.messages:
        return not (record.text.strip() or record.material.strip())
    for index, message in enumerate(record.messages):
        if (not message.content or message.content.isspace()) and message.role in ("user", "assistant"):
            asks = message.role == "user" and not any(later.role == "user" for later in record.messages[index + 1 :])
            if message.is_blank and not (asks and record.material.strip()):
                return True
    return False


def is_whole(record: Record) -> bool:
    """Cheap: true only where none of the rules on whole records has anything to say. Most records are passed by it."""
    messages = record.messages
    if not messages:
        return bool(record.text) and not record.text.isspace()
    said = messages[-1].content
    if not said or said[-1] not in _CLOSED or messages[-1].role != "assistant":
        return False
    if any(not message.content or message.content.isspace() for message in messages):
        return False
    return len(messages) > 1 and messages[-2].role == "user" and abs(len(messages[-2].content) - len(said)) > 8


def is_echo(record: Record) -> bool:
    """Whether the answer is the question again, white space aside."""
    last = record.messages[-1] if record.messages else None
    if last is None or last.role != "assistant" or not last.content:
        return False
    question = record.question
    if abs(len(last.content) - len(question)) > 8:
        return False
    return "".join(last.content.split()) == "".join(question.split())


def last_said(record: Record) -> Message | None:
    """The answer whose end is worth a look; None where it is closed, where the record says itself that it breaks off,
    or where a tool is called."""
    last = record.messages[-1] if record.messages else None
    if last is None or last.role != "assistant" or not last.content or last.content[-1] in _CLOSED:
        return None
    return last if record.complete and not last.tool_calls else None
