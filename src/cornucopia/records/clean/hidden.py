"""Code, formulas, tables and control names are hidden from the rules behind one private character each.

Nothing that a rule does to the text around them changes them; a rule that takes out a whole sentence takes them along.
"""

from __future__ import annotations

import json
import re

_FIRST, _LAST = 0xF0000, 0xFFFFD  # plane 15, private use; one that stands in the text is hidden too
_STARTS = re.compile(r"[`~$\\|<\[\U000F0000-\U0010FFFD]")
_SPANS = re.compile(
    "|".join(
        (
            r"^(?P<fence>`{3,}|~{3,})[\s\S]*?(?:^(?P=fence)|\Z)",
            r"(?P<tick>`{1,2})(?!`)[^`\n]+(?P=tick)(?!`)",
            r"\$\$[^$]+\$\$",
            r"\\\[[\s\S]{1,2000}?\\\]|\\\([^\n]{1,500}?\\\)",
            r"\\begin\{(?P<env>[a-z*]{1,20})\}[\s\S]{0,5000}?\\end\{(?P=env)\}",
            r"\$(?![\s\d,.]+[^$\n]{0,3}[\u4e00-\u9fff])[^$\n\u4e00-\u9fff]{1,300}\$",
            r"^[ \t]*\|[^\n]*\|[ \t]*$",
            r"^[^\n|]{1,200}\|[^\n]*\n[ \t]*:?-{2,}:?[ \t]*\|[^\n]*(?:\n[^\n|]{0,200}\|[^\n]*)*",
            r"<table[\s>][\s\S]*?(?:</table>|\Z)",
            r"<\|[^|<>\n]{1,40}\|>|<[/]?(?:s|unk|pad|eos|bos|image|think|tool_call|tool_response|answer|tools)>",
            r"\[/?INST\]|<</?SYS>>",
            r"[\U000F0000-\U0010FFFD]+",
        )
    ),
    re.MULTILINE,
)


def hide(text: str) -> tuple[str, list[str]]:
    """The text with each protected span as one private character, and the spans in order."""
    if not _STARTS.search(text):
        return text, []
    spans: list[str] = []

    def put(found: re.Match[str]) -> str:
        if len(spans) > _LAST - _FIRST:
            return found.group()
        spans.append(found.group())
        return chr(_FIRST + len(spans) - 1)

    hidden = _SPANS.sub(put, text)
    return hidden, spans


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
