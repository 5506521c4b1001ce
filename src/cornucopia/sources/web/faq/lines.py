"""Questions and answers in the run of a page's text: 问：答：, Q1 A1, numbered or bold questions, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from cornucopia.sources.web.blocks import Block, joined
from cornucopia.sources.web.faq.pair import (
    ANSWER_MARK,
    BARE_ANSWER,
    BARE_QUESTION,
    CHOICES,
    ORDINAL,
    QUESTION_MARK,
    Pair,
    is_question,
    leads_away,
    made_pair,
)

_ANSWER_INSIDE = re.compile(
    r"(?<=[？?。\s])\s*(?=[【\[]?(?:答|回答|答复|解答)[】\]]?\s*[:：])|"
    r"(?<=[？?])\s*(?=A\d{0,3}\s*[:：]|答\d{1,3}\s*[.．、])"
)
_ITEM = re.compile(r"^\s*(?:- |\d{1,3}\. )?")
_LONGEST = 3000  # characters under a heading that asks, beyond which it is a chapter


def line_pairs(blocks: Sequence[Block], least: int = 2) -> Iterator[tuple[Any, Pair]]:
    """Each pair with the element that its question begins in.

    Args:
        blocks: of the page.
        least: headings or lines that ask, from which on they are taken for questions.
    """
    lines = list(_glued(_split(blocks)))
    marked = list(_marked(lines))
    yield from marked
    if not marked:
        yield from _asked(lines, least)


def _split(blocks: Sequence[Block]) -> Iterator[Block]:
    """`问：…？答：…` on one line as two."""
    for block in blocks:
        parts = _ANSWER_INSIDE.split(block.text) if "|" not in block.text[:1] else [block.text]
        for number, part in enumerate(parts):
            if part.strip():
                yield replace(block, text=part.strip() if number else part.rstrip(), line=block.line or bool(number))


def _glued(blocks: Iterator[Block]) -> Iterator[Block]:
    """A Q or 答 that stands alone (an icon) with the text after it."""
    mark: Block | None = None
    for block in blocks:
        bare = _plain(block)
        mark = None if block.level else mark
        if mark:
            block, mark = _after(_plain(mark), bare, replace(block, element=mark.element)), None
        elif _is_mark(bare):
            mark = block
            continue
        elif block.lead and _is_mark(block.lead):
            block = _after(block.lead, bare.removeprefix(block.lead), block)
        yield block


def _is_mark(text: str) -> bool:
    return bool(BARE_QUESTION.fullmatch(text) or BARE_ANSWER.fullmatch(text))


def _after(mark: str, text: str, block: Block) -> Block:
    """A block that reads `mark：text`."""
    return replace(block, text=f"{mark.rstrip(':：')}：{text.lstrip(':： ')}", item=False)


def _plain(block: Block) -> str:
    return _ITEM.sub("", block.text, count=1).strip() if block.item else block.text.strip()


def _marked(lines: Sequence[Block]) -> Iterator[tuple[Any, Pair]]:
    """By marks: a question until its answer's mark (or, where there is none, its line's end), an answer until the next
    question or a heading."""
    starts = [at for at, line in enumerate(lines) if _opens(line)]
    for number, begin in enumerate(starts):
        mark, at = QUESTION_MARK.match(_plain(lines[begin])), begin + 1
        assert mark
        while at < min(begin + 4, len(lines)) and not _replies(lines, at, mark["n"]) and not _opens(lines[at]):
            at += 1
        answered = at < len(lines) and _replies(lines, at, mark["n"])
        if not answered:
            at = begin + 1
        question = " ".join(_plain(line) for line in lines[begin:at])
        near = [lines[other].element for other in starts[max(number - 1, 0) : number + 2] if other != begin]
        end = _end(lines, at, begin, _around_both(lines[begin].element, near))
        if answered or is_question(QUESTION_MARK.sub("", question)):
            pair = made_pair(question, joined(lines[at:end]), "marks")
            if pair:
                yield lines[begin].element, pair


def _opens(line: Block) -> bool:
    return bool(QUESTION_MARK.match(_plain(line)))


def _replies(lines: Sequence[Block], at: int, number: str) -> bool:
    """Whether an answer begins here: its number is the question's, and it is no examination's choice."""
    found = ANSWER_MARK.match(_plain(lines[at]))
    if not found:
        return False
    ours, theirs = number.strip(" ()（）"), found["n"].strip(" ()（）")
    following = lines[at + 1].text if at + 1 < len(lines) else ""
    return not (ours and theirs and ours != theirs) and not CHOICES.search(f"{lines[at].text}\n{following}")


def _end(lines: Sequence[Block], at: int, begin: int, inside: Any) -> int:
    """Where an answer that begins at `at` ends: before the next question or part, or where `inside` does."""
    end = at
    while end < len(lines):
        line = lines[end]
        if end > at and (_opens(line) or _heads(line, lines[begin])):
            break
        if inside is not None and inside not in _around(line.element):
            break
        end += 1
    return end


def _heads(line: Block, question: Block) -> bool:
    """Whether a line begins a new part of the page, as a heading of the question's rank or above it does."""
    if line.level:
        return not question.level or line.level <= question.level
    return line.bold and question.bold and len(line.text) <= 30 and line.text[-1] not in "：:。；;！!，,"


def _around_both(element: Any, others: Sequence[Any]) -> Any:
    """The nearest element that holds this question and another beside it: beyond it no answer goes; None alone."""
    theirs = {around for other in others for around in _around(other)}
    return next((around for around in _around(element) if around in theirs), None)


def _around(element: Any) -> list[Any]:
    return [element, *element.iterancestors()]


def _asked(lines: Sequence[Block], least: int) -> Iterator[tuple[Any, Pair]]:
    """By shape: headings, bold lines or numbered lines that ask, each with what follows up to the next."""
    for kind in ("heading", "bold", "number"):
        starts = [at for at, line in enumerate(lines) if _asks_as(kind, line)]
        if len(starts) < least:
            continue
        around = _around(lines[starts[0]].element)
        for start in starts[1:]:
            theirs = set(_around(lines[start].element))
            around = [element for element in around if element in theirs]
        for number, start in enumerate(starts):
            last = starts[number + 1] if number + 1 < len(starts) else len(lines)
            end = _until(lines, start, last, around[0] if len(starts) > 1 and around else None)
            pair = made_pair(_plain(lines[start]), joined(lines[start + 1 : end]), "headings")
            if pair and len(pair.answer) <= _LONGEST:
                yield lines[start].element, pair
        return


def _asks_as(kind: str, line: Block) -> bool:
    text = _plain(line)
    if len(text) > 120 or not is_question(ORDINAL.sub("", text)) or leads_away(line.element):
        return False
    if kind == "heading":
        return line.level > 1
    if kind == "bold":
        return line.bold and not line.level
    return bool(ORDINAL.match(text)) and text.endswith(("？", "?")) and not line.level


def _until(lines: Sequence[Block], start: int, last: int, inside: Any) -> int:
    """The end of what belongs to the question: the next heading of its rank, or the end of what holds all questions."""
    for at in range(start + 1, last):
        line = lines[at]
        if _heads(line, lines[start]):
            return at
        if inside is not None and inside not in _around(line.element):
            return at
    return last
