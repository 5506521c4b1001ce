"""A document cut into passages that know where they stand: `page.text[start:end]` is what they were cut from.

Cuts fall before headings, else between paragraphs, else between sentences; never within a row of a table, and every
part of a table begins with its header.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cornucopia.sources.document import Document
from cornucopia.sources.layout import is_cjk

SIZE = 500  # characters of a passage unless told otherwise
_PART = re.compile(r"[^\n]+(?:\n(?!\s*\n|#{1,6} |\|)[^\n]+)*")  # lines up to an empty one, a heading or a table
_HEADING = re.compile(r"(#{1,6}) +(.*)")
_SENTENCE = re.compile(r"[^。！？；!?;\n]*(?:[。！？；!?;]+[”’」』）)\]]*|\n|$)")
_CLAUSE = re.compile(r"[^，、：,:\s]*(?:[，、：,:\s]+|$)")
_RULE = re.compile(r"\|(?:\s*:?-{3,}:?\s*\|)+\s*")
_GOES_ON = re.compile(r"[^。！？；：!?;:|\n]\s*$")


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of the text of a page.

    Args:
        page: the page's number; 0 in a document without pages.
        start, end: in its text.
    """

    page: int
    start: int
    end: int


@dataclass(frozen=True)
class Chunk:
    """A passage.

    Args:
        text: what stands at the spans, those of one table or paragraph joined as such.
        spans: in order; more than one where it goes over a page's end, or repeats the header of its table.
        headings: those above it, the outermost first.
    """

    text: str
    spans: tuple[Span, ...]
    headings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Unit:
    """What is not cut: a heading, a paragraph, a sentence, a row.

    Args:
        span: its place.
        level: of a heading, else 0.
        text: of it.
        header: of a row of a table: where the table's header stands.
    """

    span: Span
    level: int
    text: str
    header: Span | None = None


def passages(document: Document, size: int = SIZE) -> Iterator[Chunk]:
    """The passages of a document in order; together they hold all its text but white space.

    Args:
        document: whose pages have different numbers.
        size: characters of a passage at most; longer only where a single row of a table is, with its header.
    """
    texts = {page.number: page.text for page in document.pages}
    path: dict[int, str] = {}
    held: list[_Unit] = []
    for unit in _units(document, size):
        if unit.level and sum(len(u.text) for u in held if not u.level) >= size / 4:
            yield from _flush(held, texts, path)
            held = []
        while held and _length([*held, unit]) > size:
            kept = _good_end(held, size)
            if not kept:
                break
            yield from _flush(held[:kept], texts, path)
            held = held[kept:]
        held.append(unit)
    yield from _flush(held, texts, path)


def _flush(units: Sequence[_Unit], texts: dict[int, str], path: dict[int, str]) -> Iterator[Chunk]:
    """One passage; `path`, level -> heading, is brought up to its end."""
    if not units:
        return
    first = dict(path)
    for unit in units:
        if unit.level:
            for deeper in [level for level in path if level >= unit.level]:
                del path[deeper]
            path[unit.level] = _HEADING.sub(r"\2", unit.text).strip()
            if unit is units[0] or all(u.level for u in units[: units.index(unit)]):
                first = dict(path)
    spans = _spans(units, texts)
    yield Chunk(_text(spans, texts), tuple(spans), tuple(first[level] for level in sorted(first)))


def _good_end(units: Sequence[_Unit], size: int) -> int:
    """After how many units to cut: not behind a heading, and between paragraphs where that leaves half the size."""
    most = len(units)
    while most and units[most - 1].level:
        most -= 1
    for count in range(most, 0, -1):
        ends = count == len(units) or units[count].span.page != units[count - 1].span.page
        apart = ends or units[count].span.start - units[count - 1].span.end > 0 or bool(units[count - 1].header)
        if apart and sum(len(unit.text) for unit in units[:count]) >= size / 2 and not units[count - 1].level:
            return count
    return most


def _units(document: Document, size: int) -> Iterator[_Unit]:
    for page in document.pages:
        at = 0
        while found := _PART.search(page.text, at):
            at = found.end()
            if found.group().startswith("|"):
                at = yield from _rows(page.number, page.text, found.start())
                continue
            heading = _HEADING.match(page.text, found.start())
            if heading and heading.group(2).strip():
                at = heading.end()
                span = Span(page.number, found.start(), at)
                yield _Unit(span, len(heading.group(1)), heading.group())
            else:
                yield from _pieces(page.number, page.text, found.start(), at, size)


def _rows(number: int, text: str, start: int) -> Generator[_Unit, None, int]:
    """Rows of a table, its header and the line under it being one; gives where the table ends."""
    lines: list[tuple[int, int]] = []
    at = start
    while at < len(text) and text.startswith("|", at):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        lines.append((at, end))
        at = end + 1
    header = None
    if len(lines) > 1 and _RULE.fullmatch(text, *lines[1]):
        header = Span(number, lines[0][0], lines[1][1])
        yield _Unit(header, 0, text[header.start : header.end], header)
        lines = lines[2:]
    for low, high in lines:
        yield _Unit(Span(number, low, high), 0, text[low:high], header)
    return min(at, len(text))


def _pieces(number: int, text: str, start: int, end: int, size: int) -> Iterator[_Unit]:
    """A paragraph, or its sentences, clauses or characters where it is too long."""
    cuts = [start, end]
    for pattern in (_SENTENCE, _CLAUSE):
        cuts = [cut for low, high in pairwise(cuts) for cut in _cut(text, low, high, size, pattern)] + [end]
    cuts = [cut for low, high in pairwise(cuts) for cut in range(low, high, size)] + [end]
    for low, high in pairwise(cuts):
        if text[low:high].strip():
            yield _Unit(Span(number, low, high), 0, text[low:high])


def _cut(text: str, low: int, high: int, size: int, pattern: re.Pattern[str]) -> list[int]:
    """Where to begin anew within a stretch that is too long; `low` first."""
    if high - low <= size:
        return [low]
    starts, at = [low], low
    while at < high and (found := pattern.match(text, at, high)) and found.end() > at:
        at = found.end()
        starts += [at] if at < high else []
    return starts


def _length(units: Sequence[_Unit]) -> int:
    """Characters of the passage they make, at most."""
    first = units[0]
    repeated = first.header if first.header != first.span else None
    return sum(len(unit.text) + 1 for unit in units) - 1 + (repeated.end - repeated.start + 1 if repeated else 0)


def _spans(units: Sequence[_Unit], texts: dict[int, str]) -> list[Span]:
    """One span for neighbours on a page, without white space at its ends; the header first where it was cut off."""
    spans: list[Span] = []
    first = units[0]
    if first.header is not None and first.header != first.span:
        spans.append(first.header)
    for unit in units:
        last = spans[-1] if spans else None
        between = texts[unit.span.page][last.end : unit.span.start] if last and last.page == unit.span.page else "x"
        if last and not between.strip():
            spans[-1] = Span(last.page, last.start, unit.span.end)
        else:
            spans.append(unit.span)
    return [_trimmed(span, texts[span.page]) for span in spans]


def _trimmed(span: Span, text: str) -> Span:
    inner = text[span.start : span.end]
    start = span.start + len(inner) - len(inner.lstrip())
    return Span(span.page, start, start + len(inner.strip()))


def _text(spans: Sequence[Span], texts: dict[int, str]) -> str:
    parts = [texts[span.page][span.start : span.end] for span in spans]
    made = parts[0]
    for (before, after), part in zip(pairwise(spans), parts[1:], strict=True):
        if before.page == after.page:  # the header and rows further down
            made += "\n" + part
        elif _GOES_ON.search(made) and not re.match(r"[#|\-•（(]", part) and not made.split("\n")[-1].startswith("#"):
            made += part if is_cjk(made[-1]) or is_cjk(part[:1]) else f" {part}"
        else:
            made += "\n\n" + part
    return made
