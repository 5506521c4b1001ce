"""Numbered lists that lost their line breaks or their numbers."""

from __future__ import annotations

import re
from itertools import pairwise

from cornucopia.records.clean.rule import PUBLISHED, Rule

_ITEM = re.compile(r"^([ \t]*)(?:(\d{1,2})([.、．)）])(?!\d)|([(（])(\d{1,2})([)）]))", re.MULTILINE)
_REFERS = re.compile(r"第\s*[\d一二三四五六七八九十]+\s*[点项条步种个款]|(?:上述|前述|见)第?\s*\d")
_INLINE = re.compile(r"[0-9]{1,2}[.、．)）][ \t]*(?=[\u4e00-\u9fff“《「【A-Z*])")
_NO_ITEM_AFTER = re.compile(r"[\d.．A-Za-z第+=*/:_\-]")
_THIRD = re.compile(r"3[.、．)）]")
_SECOND = re.compile(r"[(（]2[)）]|(?<![\d.])2[、.．)）]")  # a line that counts for itself
_SHORTEST = 5  # characters of an item that a list glued into one line has at the least


def _glued(text: str) -> tuple[int, list[int]] | None:
    """(number of the line, where its items begin) of the first line that holds three items without a break."""
    for index, line in enumerate(text.split("\n")):
        if len(line) < 3 * _SHORTEST or not _THIRD.search(line, 1):
            continue
        starts: list[int] = []
        mark = ""
        for found in _INLINE.finditer(line):
            at, number = found.start(), found.group().rstrip()
            if at and (_NO_ITEM_AFTER.match(line[at - 1]) or line[at - 1].isdigit()):
                continue
            if int(number[:-1]) == len(starts) + 1 and (not starts or number[-1] == mark):
                starts.append(at)
                mark = number[-1]
        if len(starts) >= 3 and _stand_apart(line, starts):
            return index, starts
    return None


def _stand_apart(line: str, starts: list[int]) -> bool:
    """Not so items within a sentence (1、甲；2、乙；3、丙。), nor what is counted (选项1、选项2、选项3)."""
    before = [line[start - 1] for start in starts[1:]]
    if all(char in "；;，,、 \t" for char in before):
        return False
    if not all(char in "。！？!?）)”」》】 \t；;" or "\u4e00" <= char <= "\u9fff" for char in before):
        return False
    if starts[0] and line[starts[0] - 1] not in "。！？!?：: \t；;，,）)":
        return False
    lengths = [end - start for start, end in pairwise(starts)]
    return min(lengths) >= _SHORTEST + 2


def _renumbered(text: str) -> str:
    """Lists whose every item says 1, and such as skip a number; not where the text refers to an item by its number."""
    if _REFERS.search(text):
        return text
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        end, run = _run(lines, at)
        numbers = [number for _, number, _ in run]
        if (
            len(run) >= 3
            and not any(_SECOND.search(lines[line], found.end()) for line, _, found in run)
            and (set(numbers) == {1} or _gaps(numbers))
        ):
            for count, (line, _, found) in enumerate(run, 1):
                which = 2 if found[2] else 5
                lines[line] = f"{lines[line][: found.start(which)]}{count}{lines[line][found.end(which) :]}"
        at = max(end, at + 1)
    return "\n".join(lines)


def _gaps(numbers: list[int]) -> bool:
    """Whether a number is missing here and there; 1, 3, 5, 7 is somebody's choice."""
    if len({b - a for a, b in pairwise(numbers)}) == 1:
        return False
    return numbers[0] == 1 and all(a < b <= a + 3 for a, b in pairwise(numbers)) and (numbers[-1] != len(numbers))


def _run(lines: list[str], at: int) -> tuple[int, list[tuple[int, int, re.Match[str]]]]:
    """(where they end, the items of one style that follow one another from `at`, blank lines allowed between them)."""
    run: list[tuple[int, int, re.Match[str]]] = []
    style = ""
    while at < len(lines):
        found = _ITEM.match(lines[at])
        if found:
            own = f"{found[1]}{found[4] or ''}{found[3] or found[6]}"
            if run and own != style:
                break
            style = own
            run.append((at, int(found[2] or found[5]), found))
        elif lines[at].strip():
            break
        at += 1
    return at, run


def _mended(text: str) -> str:
    """Glued items each get a line, then the numbers are put right."""
    for _ in range(20):  # lines of the text that hold glued items
        found = _glued(text)
        if found is None:
            break
        index, starts = found
        lines = text.split("\n")
        line = lines[index]
        cuts = [start for start in starts if start] + [len(line)]
        pieces = [line[: cuts[0]], *(line[a:b] for a, b in pairwise(cuts))]
        lines[index] = "\n".join(piece.strip() for piece in pieces if piece.strip())
        text = "\n".join(lines)
    return _renumbered(text)


_HEAD = re.compile(r"[\n\uffff][ \t]*[(（]?([0-9]{1,2})[.、．)）](?![0-9])").findall
_NEXT = r"[ \t]*[\u4e00-\u9fff“《「【A-Z*]"
_MIDDLE = re.compile(
    rf"3[.、．)）](?<=[^\n \t0-9.(（A-Za-z+第]3[.、．)）]){_NEXT}|"
    rf"3[.、．)）](?<=[^\n \t0-9.(（A-Za-z+第] 3[.、．)）]){_NEXT}"
).search


def _suspicious(text: str) -> bool:
    """Whether the numbers at the heads of the lines do not go 1, 2, 3, or a third item stands within a line."""
    last = 0
    for number in map(int, _HEAD(f"\n{text}")):
        if number != last + 1 and (number != 1 or last == 1) and last:
            return True
        last = number
    return bool(_MIDDLE(text))


LISTS = Rule(
    "lists",
    "修列表：挤在一行的条目分行，全是 1 或跳号的重新编号（正文引用了序号的不动）",
    _mended,
    check=_suspicious,
    places=PUBLISHED,
)
