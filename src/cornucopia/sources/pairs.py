"""Questions and answers that stand in a document itself: 问 and 答, Q and A, numbered or headed questions, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cornucopia.sources.document import Document
from cornucopia.sources.grid import split_row
from cornucopia.sources.passages import Span

_COUNT = r"[（(]?(?:\d{1,3}|[一二三四五六七八九十]{1,3})[）).、．]\s*"
_NUMBER = rf"(?:#{{1,6}} +)?(?:[-*] +)?(?:\*\*)?(?:{_COUNT})?"
_ASKED = re.compile(
    _NUMBER + r"(?:【(?:问题?|提问)】|(?:问题?|提问|Question)\s*[\d一二三四五六七八九十]{0,3}\s*[：:]"
    r"|Q\s*\d{0,3}\s*[：:.、])\s*(?P<text>.+)",
    re.I,
)
_ANSWERED = re.compile(
    r"(?:\*\*)?(?:【(?:答案?|回答|答复|解答)】|(?:回?答案?|答复|解答|Answer)\s*\d{0,3}\s*[：:]"
    r"|A\s*\d{0,3}\s*[：:.、])\s*(?P<text>.*)",
    re.I,
)
_INLINE = re.compile(r"(?<=[？?。\s])\s*(?:答|回答|答复|A)\s*[：:]")
_NUMBERED = re.compile(rf"(?:#{{1,6}} +|{_COUNT}|第[一二三四五六七八九十\d]+问[：:\s])+(?P<text>.{{3,100}}[？?])\W*")
_BARE = re.compile(r"(?:[-*] +)?(?:\*\*)?(?P<text>[^|#].{3,60}[？?])(?:\*\*)?")
_FEWEST_BARE = 3  # questions that stand alone on a line, from which they are taken for questions of an FAQ
_STOPS = re.compile(
    r"#{1,6} |第[一二三四五六七八九十百\d]+[章节编](?:[\s　]|$)"
    r"|(?:注|附注|备注|来源|免责声明|风险提示|附[件录])[：:]|\[\^"
)
_LONGEST = 5000  # characters of an answer
_QUESTION_COLUMNS = re.compile(r"(?:常见|客户|用户)?(?:问题?|提问|疑问)(?:描述|内容)?|questions?|q", re.I)
_ANSWER_COLUMNS = re.compile(r"(?:标准|参考|正确)?(?:答案?|回答|答复|解答|回复)(?:内容)?|answers?|a", re.I)


@dataclass(frozen=True)
class Pair:
    """A question and its answer.

    Args:
        question, answer: without their marks.
        spans: where the answer stands.
    """

    question: str
    answer: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class _Line:
    text: str
    span: Span


def pairs(document: Document) -> Iterator[Pair]:
    """The pairs in order; a question without an answer is none."""
    lines = list(_lines(document))
    bare = sum(bool(_BARE.fullmatch(line.text)) for line in lines) >= _FEWEST_BARE
    header: tuple[int, int, int] | None = None  # columns of question and answer, and how many there are
    question = ""
    marked = False  # whether the question has a mark of its own
    answer: list[_Line] = []
    for line in lines:
        if line.text.startswith("|"):
            yield from _pair(question, answer)
            question, answer = "", []
            header, row = _row(line, header)
            yield from [row] if row else []
            continue
        header = None
        asked = _question(line, bare)
        reply = _ANSWERED.match(line.text) if question and not answer else None
        if asked:
            yield from _pair(question, answer)
            question, answer, marked = asked[0], asked[1], bool(_ASKED.match(line.text))
        elif reply:
            answer = [_cut(line, reply.start("text"))]
        elif question and answer and _STOPS.match(line.text):
            yield from _pair(question, answer)
            question, answer = "", []
        elif question and _STOPS.match(line.text):
            question = ""
        elif question and (answer or not marked):
            answer.append(line)
        elif question:  # a question of two lines
            question += line.text
    yield from _pair(question, answer)


def _lines(document: Document) -> Iterator[_Line]:
    for page in document.pages:
        for found in re.finditer(r"[^\n]+", page.text):
            text = found.group().strip()
            start = found.start() + len(found.group()) - len(found.group().lstrip())
            if text:
                yield _Line(text, Span(page.number, start, start + len(text)))


def _cut(line: _Line, start: int) -> _Line:
    return _Line(line.text[start:], replace(line.span, start=line.span.start + start))


def _question(line: _Line, bare: bool) -> tuple[str, list[_Line]] | None:
    """(question, what follows it on its line) of a line that asks."""
    found = _ASKED.match(line.text)
    if found:
        inline = _INLINE.search(line.text, found.start("text"))
        if inline:
            return line.text[found.start("text") : inline.start()].strip(), [_cut(line, inline.end())]
        return found["text"].strip(" *"), []
    found = _NUMBERED.fullmatch(line.text) or (_BARE.fullmatch(line.text) if bare else None)
    return (found["text"].strip(" *"), []) if found else None


def _pair(question: str, answer: Sequence[_Line]) -> Iterator[Pair]:
    lines = [line for line in answer if line.text.strip()]
    if not question or not lines:
        return
    text = "\n".join(line.text.strip() for line in lines)
    spans: list[Span] = []
    for line in lines:
        lead = len(line.text) - len(line.text.lstrip())
        span = replace(line.span, start=line.span.start + lead)
        if spans and spans[-1].page == span.page:
            spans[-1] = replace(spans[-1], end=span.end)
        else:
            spans.append(span)
    if len(text) <= _LONGEST:
        yield Pair(question, text, tuple(spans))


def _row(line: _Line, header: tuple[int, int, int] | None) -> tuple[tuple[int, int, int] | None, Pair | None]:
    """(the table's columns of questions and answers, the pair of this row)."""
    cells = split_row(line.text)
    if header is None:
        asked = [n for n, cell in enumerate(cells) if _QUESTION_COLUMNS.fullmatch(cell)]
        told = [n for n, cell in enumerate(cells) if _ANSWER_COLUMNS.fullmatch(cell)]
        return ((asked[0], told[0], len(cells)) if asked and told else (-1, -1, 0)), None
    question, answer, width = header
    if len(cells) != width or not cells[question] or not cells[answer] or set(cells[answer]) <= set("-: "):
        return header, None
    return header, Pair(cells[question], cells[answer], (line.span,))
