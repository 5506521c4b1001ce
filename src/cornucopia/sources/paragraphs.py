"""Lines of a page -> paragraphs: line ends that only the width of the page made are taken out again.

A line is continued where it fills its column and the next one begins neither indented nor like an item, a clause or
another kind of text. Words parted by a hyphen are joined; between Chinese characters stands nothing, else a space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cornucopia.sources.layout import SOFT_HYPHEN, Line, is_cjk

_STARTS = re.compile(
    r"(?:第[一二三四五六七八九十百零〇\d]+[编章节条款部分][\s　]?"
    r"|[（(][一二三四五六七八九十\d]{1,3}[）)]|[一二三四五六七八九十]{1,3}[、．.]|\d{1,2}[、．)）]|\d{1,2}\.(?!\d)"
    r"|[•●■◆▪○·※★①-⑳]|[-–—*]\s|问[：:]|答[：:]|[QA]\d*[：:.]|注[：:\d]|【|附[件录表])"
)
_WORD = re.compile(r"[!-~]+")
_ENDS = tuple("。！？；：!?;:…”」』）)")
_PARENT = re.compile(r"第[一二三四五六七八九十百零〇\d]+(?P<unit>[编章节])(?=[\s　]|[\u4e00-\u9fff])")
_UNITS = {"编": 1, "章": 1, "节": 2}
_LONGEST_HEADING = 40  # characters
_LARGER = 1.15  # of the body's size, from which a line stands out as a heading
_MOST_LEVELS = 4


def paragraphs(lines: Sequence[Line]) -> list[tuple[str, float]]:
    """(text, size of its characters) of each paragraph, for lines of one page that hold no table.

    Args:
        lines: in reading order.
    """
    made: list[tuple[str, float]] = []
    before: Line | None = None
    indents = {line.left for line in lines if 1.2 * line.size < line.x0 - line.left < 3 * line.size}
    for line in lines:
        if before is not None and _continues(before, line, line.left in indents):
            made[-1] = (join(made[-1][0], line.text), made[-1][1])
        else:
            made.append((line.text, line.size))
        before = line
    return [(text.replace(SOFT_HYPHEN, "-"), size) for text, size in made]


def join(text: str, more: str) -> str:
    """Two lines of one paragraph as one text."""
    last, first = text[-1:], more[:1]
    if last == SOFT_HYPHEN or (last == "-" and text[-2:-1].isalpha() and first.islower()):
        return text[:-1] + more
    return text + more if is_cjk(last) or is_cjk(first) else f"{text} {more}"


def _continues(before: Line, line: Line, indents: bool) -> bool:
    """Whether a line goes on with the paragraph of the one before.

    Args:
        before, line: of one page.
        indents: whether paragraphs of the column begin indented.
    """
    size = max(before.size, 1.0)
    if before.text.endswith(SOFT_HYPHEN):
        return True
    if abs(line.size - before.size) > 0.2 * size or _STARTS.match(line.text):
        return False
    word = _WORD.match(line.text)  # one that did not fit, as it is not broken
    full = before.x1 + max(2.5, len(word.group()) * 0.65 if word else 0.0) * size > before.right
    if line.left != before.left and line.top <= before.top:  # the next column, whose edges are others
        return full and not before.text.endswith(_ENDS)
    indented = line.x0 > line.left + 1.2 * size and line.x0 > before.x0 + 0.5 * size
    apart = line.top - before.bottom > 1.2 * size
    ended = not indents and before.text.endswith(_ENDS[:4])
    return full and not indented and not apart and not ended


def heading_level(text: str, size: float, body: float, sizes: Sequence[float]) -> int:
    """Level of a heading from 1, or 0 for plain text.

    Args:
        text: a paragraph.
        size: of its characters, in points.
        body: of the document's running text.
        sizes: the larger ones that the document's headings have, the largest first.
    """
    if len(text) > _LONGEST_HEADING or text.endswith(("。", "；", "，", ";", ",")) or "...." in text or "……" in text:
        return 0
    named = _PARENT.match(text)
    if named and not re.search(r"\s\d+$", text):  # a line of a table of contents ends with its page
        return _UNITS[named["unit"]]
    if size < _LARGER * body or not re.search(r"[^\W\d_]", text):
        return 0
    larger = [other for other in sizes if other > size * 1.05]
    return min(len(larger) + 1, _MOST_LEVELS)
