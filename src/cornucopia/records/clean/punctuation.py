"""Punctuation typed many times."""

from __future__ import annotations

import re

from cornucopia.records.clean.rule import Rule

_SAME = re.compile(r"([，、；：])\1+|,{2,}(?![\d,])|(?<![。…])。{2}(?!。)|([！!])\2+|([？?])\3{1,2}(?![？?])")
_DOTS = re.compile(r"。{3,}|…{3,}|(?<![./\\])\.{4,}(?![./\\])|·{4,}")
_MIXED = re.compile(r"[，,、；;：:](?=[。！？])|(?<=[。！？])[，,、；;。](?!\d)")
_DASHES = re.compile(r"—{3,}|～{2,}")
_MANY = re.compile(r"([？?])\1{3,}")
_CHINESE = re.compile("[\u4e00-\u9fff]")


def _single(text: str) -> str:
    """Blanks to fill in (____), rules (----), emphasis (**), English dots (...) and a mark of doubt (？！) stay."""
    if not _CHINESE.search(text):
        return text
    text = _MANY.sub(r"\1", _DOTS.sub("……", text))
    text = _DASHES.sub(lambda found: "——" if found[0][0] == "—" else "～", text)
    text = _SAME.sub(lambda found: found[0][0], text)
    return _MIXED.sub("", text)


REPEATS = Rule(
    "repeats",
    "重复的标点变成一个（。。。。变……，！！！变！）",
    "|".join(re.escape(c * 2) for c in "，、；：。！!？?…·,.—～") + r"|[，,、；;：:][。！？]|[。！？][，,、；;。]",
    _single,
)
