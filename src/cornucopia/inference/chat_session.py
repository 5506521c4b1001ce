"""A conversation: what was said, what the user's line means, what still fits the model. No terminal, no model."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cornucopia.core.errors import UsageError, nearest, reason
from cornucopia.core.jsonl import write_jsonl
from cornucopia.records.schema import Message, Record

Kind = Literal["ask", "clear", "exit", "retry", "help", "save", "history", "nothing"]
_WORDS: dict[str, Kind] = {
    "clear": "clear", "stop": "exit", "exit": "exit", "quit": "exit", "retry": "retry", "++": "retry",
    "/clear": "clear", "/stop": "exit", "/exit": "exit", "/quit": "exit", "/bye": "exit", "/retry": "retry",
    "/help": "help", "/?": "help", "/history": "history",
    "清空": "clear", "退出": "exit", "重答": "retry",
}  # fmt: skip
_SLASHED = [*(name for name in _WORDS if name.startswith("/")), "/save"]
FENCE = '"""'
HELP = """  clear         忘掉前面的对话，从头开始（清空）
  retry 或 ++   重新回答上一个问题（重答）
  save 文件     把对话存成一行 OpenAI messages 格式的 JSONL，可以直接用来训练
  /history      看看还记得哪些对话
  stop、exit    退出（也可以按 Ctrl-D）
  Ctrl-C        回答中按下：停住这个回答，对话还在
  多行          用 \""" 开头、\""" 结尾，或在行末写 \\ 接下一行"""


@dataclass(frozen=True)
class Command:
    """What a line asks for; `text` is the question, or the file of `save`."""

    kind: Kind
    text: str = ""


def understand(text: str) -> Command:
    """The meaning of what the user typed: a command word alone, `save FILE`, or a question."""
    word = text.strip()
    if not word:
        return Command("nothing")
    if word.lower() in _WORDS:
        return Command(_WORDS[word.lower()])
    head, _, tail = word.partition(" ")
    if head.lower() in ("save", "/save") and tail.strip() and len(tail.split()) == 1:
        return Command("save", tail.strip())
    if head == "/save" or word.lower() == "save":
        raise UsageError("save 后面要写一个文件名", found=word, fix="save 对话.jsonl")
    if re.fullmatch(r"/[A-Za-z?]+", word):
        close = nearest(word.lower(), _SLASHED)
        fix = f"最接近的是 {close}" if close else "/help 看有哪些命令"
        raise UsageError("没有这个命令", found=word, fix=f"{fix}；它若是问题，就写成一句话")
    return Command("ask", word)


class Lines:
    """Joins typed lines into one message: between fences, or after a backslash at the end of a line."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._fenced = False

    @property
    def waiting(self) -> bool:
        """Whether the message goes on with the next line."""
        return bool(self._parts) or self._fenced

    def add(self, line: str) -> str | None:
        """The whole message when `line` ends it, else None."""
        if self._fenced:
            return self._end_fence(line)
        if not self._parts and line.lstrip().startswith(FENCE):
            self._fenced = True
            return self._end_fence(line.lstrip()[len(FENCE) :])
        if line.endswith("\\"):
            self._parts.append(line[:-1])
            return None
        return self._take(line)

    def reset(self) -> None:
        """Forget an unfinished message."""
        self._parts, self._fenced = [], False

    def _end_fence(self, line: str) -> str | None:
        if line.rstrip().endswith(FENCE):
            return self._take(line.rstrip()[: -len(FENCE)])
        self._parts.append(line)
        return None

    def _take(self, line: str) -> str:
        text = "\n".join([*self._parts, line])
        self.reset()
        return text.strip("\n")


@dataclass
class ChatSession:
    """Turns so far.

    Args:
        system: the system message, always kept; '' for none.
        length: counts the tokens of a conversation as it would be asked.
        limit: most tokens of a prompt; None for no limit.
        turns: (question, answer) in order.
        dropped: how many of the oldest turns the last question had to leave out.
    """

    system: str = ""
    length: Callable[[Record], int] = lambda record: 0
    limit: int | None = None
    turns: list[tuple[str, str]] = field(default_factory=list)
    dropped: int = 0

    def ask(self, question: str) -> Record:
        """The conversation to send: system, the newest turns that fit, the question.

        What does not fit is not forgotten: it is only left out of this prompt, oldest turn first.
        """
        for start in range(len(self.turns) + 1):
            record = self._record(self.turns[start:], question)
            if self.limit is None or start == len(self.turns) or self.length(record) <= self.limit:
                self.dropped = start
                return record
        raise AssertionError("unreachable: the last pass always returns")

    def answered(self, question: str, answer: str) -> None:
        """Remember a finished (or stopped) answer; one that was stopped before its first word is not remembered."""
        if answer.strip():
            self.turns.append((question, answer))

    def retry(self) -> str | None:
        """Take the last turn back; its question, or None when there is none."""
        return self.turns.pop()[0] if self.turns else None

    def clear(self) -> None:
        """Forget all turns; the system message stays."""
        self.turns.clear()

    def save(self, path: str | Path) -> int:
        """Write the conversation as one line of OpenAI messages; the number of turns.

        Raises:
            UsageError: nothing to save, or the file cannot be written.
        """
        if not self.turns:
            raise UsageError("还没有对话可存", where=str(path))
        record = self._record(self.turns, "")
        messages = [{"role": m.role, "content": m.content} for m in record.messages[:-1]]
        try:
            write_jsonl(path, [{"messages": messages}])
        except OSError as error:
            raise UsageError("存不下来", where=str(path), found=reason(error), fix="换一个文件名") from None
        return len(self.turns)

    def _record(self, turns: list[tuple[str, str]], question: str) -> Record:
        messages = [Message("system", self.system)] if self.system else []
        for asked, answer in turns:
            messages += [Message("user", asked), Message("assistant", answer)]
        return Record(messages=(*messages, Message("user", question)), id="chat")
