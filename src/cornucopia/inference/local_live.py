"""The running batch of a local model: requests of all adapters on it, each with its own settings, and their text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cornucopia.core.errors import CornucopiaError, UsageError
from cornucopia.inference.generate import Row
from cornucopia.inference.live import Live
from cornucopia.inference.request import Event, Reply, Request, Sampling, Token
from cornucopia.inference.scheduler import Scheduler
from cornucopia.inference.text import CallHold, TextStream, ThoughtMarks, decode


@dataclass
class _Answer:
    """A request in work: its row, the engine it is answered as, and what of its text was told."""

    row: Row
    engine: Any
    line: Scheduler
    text: TextStream
    marks: ThoughtMarks
    calls: CallHold
    told: int = 0  # tokens
    begun: bool = False


class LocalLive(Live):
    """See `live.Live`. Rows that the decoder serves share one batch; the others have one for each adapter.

    Args:
        engine: a TransformersEngine.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._lines: dict[object, Scheduler] = {}
        self._answers: dict[str, _Answer] = {}
        self._failed: list[Event] = []

    def submit(self, request: Request, sampling: Sampling, *, engine: Any = None, logprobs: int | None = None) -> None:
        """See Live."""
        if request.id in self._answers:
            raise UsageError("这个请求已经在回答", found=request.id, fix="每个请求用不同的 id")
        engine = engine or self._engine
        if not self.serves(engine):
            raise UsageError("这个模型不在同一份内存里", found=request.id, fix="为它另开一个")
        try:
            row = engine.row(request, sampling)
        except CornucopiaError as error:
            reply = Reply(request.id, "", "error", error=" ".join(str(error).split()), failure="prompt")
            self._failed.append(Event(request.id, reply=reply))
            return
        row.top = logprobs
        kind = engine.batch_kind(row.settings)
        if kind not in self._lines:
            self._lines[kind] = Scheduler(engine.open_batch(kind, at_once=True))
        line = self._lines[kind]
        reader = row.reader
        text = TextStream(engine.tokenizer, row.settings.stop, reader.marks if reader else ())
        marks = ThoughtMarks(opened=engine.opens_thought(row))
        self._answers[request.id] = _Answer(row, engine, line, text, marks, CallHold(reader, row.tools))
        line.add(row)

    def cancel(self, id: str) -> None:
        """See Live."""
        self._failed = [event for event in self._failed if event.id != id]
        if answer := self._answers.pop(id, None):
            answer.line.remove(answer.row)

    def step(self) -> list[Event]:
        """See Live."""
        events, self._failed = self._failed, []
        for line in list(self._lines.values()):
            for row in line.step() if line.busy else ():
                events += self._told(self._answers[row.id])
        return events

    @property
    def busy(self) -> int:
        """See Live."""
        return len(self._answers) + len(self._failed)

    def serves(self, engine: Any) -> bool:
        """See Live."""
        return getattr(engine, "shared", None) is self._engine.shared

    def close(self) -> None:
        """See Live."""
        self._answers.clear()
        self._lines.clear()
        self._failed.clear()

    def _told(self, answer: _Answer) -> Iterator[Event]:
        """Events of a row that got tokens or ended."""
        row = answer.row
        new, answer.told = row.tokens[answer.told :], len(row.tokens)
        pieces = [piece for token in new if token not in row.settings.eos for piece in self._pieces(answer, token)]
        if row.finish is not None:
            pieces += answer.marks.feed(self._start(answer, answer.text.end(), last=True))
            pieces += answer.marks.end()
        pieces = [shown for piece in pieces for shown in answer.calls.feed(piece)]
        if row.finish is not None:
            pieces += answer.calls.end()
        tokens = tuple(self._token(answer, at) for at in range(answer.told - len(new), answer.told))
        for piece in pieces:
            yield Event(row.id, piece, tokens=tokens)
            tokens = ()
        if row.finish is not None:
            del self._answers[row.id]
            yield Event(row.id, reply=answer.engine.reply(row), tokens=tokens)
        elif tokens:
            yield Event(row.id, tokens=tokens)

    def _pieces(self, answer: _Answer, token: int) -> Iterator[str]:
        if not answer.text.stopped:
            yield from answer.marks.feed(self._start(answer, answer.text.feed(token)))

    def _start(self, answer: _Answer, text: str, *, last: bool = False) -> str:
        """Text without the blanks that an answer begins with."""
        if not answer.begun:
            text = text.strip() if last else text.lstrip()
            answer.begun = bool(text)
        return text

    def _token(self, answer: _Answer, at: int) -> Token:
        row, tokenizer = answer.row, answer.engine.tokenizer
        if row.top is None:
            return Token(row.tokens[at])
        scored = row.scored[at]
        top = tuple(Token(id, decode(tokenizer, [id]), value) for id, value in scored.top)
        return Token(row.tokens[at], decode(tokenizer, row.tokens[at : at + 1]), scored.logprob, top)
