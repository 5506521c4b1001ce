"""Code, formulas, tables and control names are hidden from the rules behind one private character each.

Nothing that a rule does to the text around them changes them; a rule that takes out a whole sentence takes them along.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

_FIRST, _LAST = 0xF0000, 0xFFFFD  # plane 15, private use; one that stands in the text is hidden too
_PRIVATE = "[\U000f0000-\U0010fffd]+"
_PRIVATE_SEARCH = re.compile(_PRIVATE).search
_OPENERS = ("`", "~~~", "$", "\\", "|", "<", "INST]")  # one of them stands in every span
# (what such a span holds for certain, the span)
_KINDS: tuple[tuple[str, str], ...] = (
    ("```", r"^[ \t]*(?P<fence>`{3,})[\s\S]*?(?:^[ \t]*(?P=fence)|\Z)"),
    ("~~~", r"^[ \t]*(?P<waves>~{3,})[\s\S]*?(?:^[ \t]*(?P=waves)|\Z)"),
    ("`", r"(?P<tick>`{1,2})(?!`)[^`\n]+(?P=tick)(?!`)"),
    ("$$", r"\$\$[^$]+\$\$"),
    ("\\[", r"\\\[[\s\S]{1,2000}?\\\]"),
    ("\\(", r"\\\([^\n]{1,500}?\\\)"),
    ("\\begin{", r"\\begin\{(?P<env>[a-z*]{1,20})\}[\s\S]{0,5000}?\\end\{(?P=env)\}"),
    ("$", r"\$[^$\n\u4e00-\u9fff]{1,300}\$"),
    ("-|", r"^[^\n|]{0,200}\|[^\n]*\n[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|[^\n]*(?:\n[^\n|]{0,200}\|[^\n]*)*"),
    ("- |", r"^[^\n|]{0,200}\|[^\n]*\n[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|[^\n]*(?:\n[^\n|]{0,200}\|[^\n]*)*"),
    ("|", r"^[ \t]*\|[^\n]*\|[ \t]*$"),
    ("<table", r"<table[\s>][\s\S]*?(?:</table>|\Z)"),
    ("<|", r"<\|[^|<>\n]{1,40}\|>"),
    ("<", r"<[/]?(?:s|unk|pad|eos|bos|image|think|tool_call|tool_response|answer|tools)>|<</?SYS>>"),
    ("INST]", r"\[/?INST\]"),
)


@lru_cache(maxsize=512)
def _spans(kinds: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join((*dict.fromkeys(kinds), _PRIVATE)), re.MULTILINE)


def hide(text: str) -> tuple[str, list[str]]:
    """The text with each protected span as one private character, and the spans in order."""
    kinds = tuple(span for mark, span in _KINDS if mark in text) if _may_hold_spans(text) else ()
    if not kinds and not _may_be_private(text):
        return text, []
    spans: list[str] = []

    def put(found: re.Match[str]) -> str:
        if len(spans) > _LAST - _FIRST:
            return found.group()
        spans.append(found.group())
        return chr(_FIRST + len(spans) - 1)

    hidden = _spans(kinds).sub(put, text)
    return hidden, spans


def _may_hold_spans(text: str) -> bool:
    for mark in _OPENERS:  # noqa: SIM110 - `any` over a generator costs more than a look
        if mark in text:
            return True
    return False


def _may_be_private(text: str) -> bool:
    """Whether a character of plane 15 or beyond stands there; seldom is one beyond plane 0 at all, which shows in the
    length as UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) > 2 * len(text) and bool(_PRIVATE_SEARCH(text))


def show(text: str, spans: list[str]) -> str:
    """The hidden spans in their places again; those of sentences taken out are gone with them."""
    if not spans:
        return text
    return re.sub(f"[{chr(_FIRST)}-{chr(_FIRST + len(spans) - 1)}]", lambda mark: spans[ord(mark[0]) - _FIRST], text)


def is_json(text: str) -> bool:
    """Whether the whole text is a JSON object or list: an answer that a program reads, which no rule may touch."""
    bare = text.strip()
    if not (bare[:1] in "{[" and bare[-1:] in "}]") or len(bare) < 2:
        return False
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return True
