"""Lists as people write them in one word or several: `[q_proj,v_proj]`, `q_proj,v_proj`, `q_proj v_proj`.

A field says how its values are read (see `option`): "commas" for names and numbers, "paths" where a comma may belong
to a file's name, "never" for texts, which stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Split = Literal["commas", "paths", "never"]
_PART = re.compile(r"""\s*("[^"]*"|'[^']*'|[^,]*?)\s*,""")


def split_words(words: Sequence[str], how: Split) -> list[str]:
    """The values in `words`; '' and '[]' are no values, an empty part among others is '', for the field to refuse.

    "paths" leaves a word alone that names something on the disk.
    """
    if how == "never" or not words:
        return list(words)
    first, last = words[0], words[-1]
    if len(words) > 1 and first[:1] == "[" and last[-1:] == "]" and "]" not in first and "[" not in last:
        words = [first[1:], *words[1:-1], last[:-1]]  # [q_proj, v_proj] without quotes round it
    return [value for word in words for value in ([word] if how == "paths" and _exists(word) else _parts(word))]


def _parts(word: str) -> list[str]:
    inner = word.strip()
    if inner[:1] == "[" and inner[-1:] == "]" and not set("[]") & set(inner[1:-1]):  # [ab]*.[gs] is a pattern
        inner = inner[1:-1]
    inner = inner.removesuffix(",").strip()
    return [_unquoted(part) for part in _PART.findall(f"{inner},")] if inner else []


def _unquoted(part: str) -> str:
    return part[1:-1] if len(part) > 1 and part[0] == part[-1] and part[0] in "'\"" else part


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # too long, or a character no file name may have
        return False
