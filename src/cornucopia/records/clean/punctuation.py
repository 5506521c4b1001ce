"""Punctuation typed many times."""

from __future__ import annotations

import re

from cornucopia.records.clean.rule import Rule

_MARKS = "[，、；：。！!？?…·,.—～]"
_RUN = re.compile(f"{_MARKS}{_MARKS}+")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_WEAK, _FULL = "，、；：,", "。！？"


def _mended(found: re.Match[str]) -> str:
    """One run of marks. What has a meaning stays: ……, ——, English dots, a mark of doubt and of wonder (？！)."""
    run = found.group()
    if set(run) <= set("。.…·") and len(run) >= (4 if "." in run or "·" in run else 3):
        return run if run.strip(".") == "" and found.string[found.end() : found.end() + 1] in ("/", "\\") else "……"
    if set(run) <= {"—"}:
        return run[:2]
    if set(run) <= {".", "…"}:
        return run
    out: list[str] = []
    for mark in run:
        last = out[-1] if out else ""
        if mark == last and mark not in "….·—":
            continue
        if last in _WEAK and last and mark in _FULL:
            out[-1] = mark
        elif last in _FULL and last and mark in "，、,。":
            continue
        else:
            out.append(mark)
    return "".join(out)


def _single(text: str) -> str:
    return _RUN.sub(_mended, text) if _CHINESE.search(text) else text


REPEATS = Rule(
    "repeats", "重复的标点变成一个（。。。。变……，！！！变！）", _single, check=_RUN.search, hints=_RUN.pattern
)
