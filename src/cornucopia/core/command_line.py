"""The words of one command line sorted under its flags. Knows no types but "one value, several, a switch".

A value is taken as it stands: white space, quotes, brackets, commas and leading dashes are nobody's business here.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal

from cornucopia.core.errors import UsageError, nearest

Takes = Literal["one", "each", "many", "switch", "off"]
BOOLEANS = ("true", "false", "yes", "no", "on", "off", "t", "f", "y", "n", "1", "0")
_FLAG = re.compile(r"--?[^\W\d]")  # -1, -0.5%, --- and a lone dash are values


def sort_words(
    argv: Iterable[str], flags: Mapping[str, tuple[str, Takes]], prog: str
) -> tuple[dict[str, str | list[str]], list[str]]:
    """
    Args:
        argv: words after the command's name.
        flags: name without dashes, underscored -> (field, what it takes): "one" value (the last one given counts),
            "each" time one more value, "many" values up to the next flag, a "switch" with or without a value, or "off".
        prog: the command, for errors.

    Returns:
        {field: its word or words}, and the words that belong to no flag.

    Raises:
        UsageError: an unknown flag, or one without its value.
    """
    values: dict[str, str | list[str]] = {}
    bare: list[str] = []
    words = deque(argv)
    while words:
        word = words.popleft()
        if word == "--":
            return values, [*bare, *words]
        if not _FLAG.match(word):
            bare.append(word)
            continue
        flag, given = _named(word, flags)
        field, takes = flags.get(_key(flag)) or (_deep(flag, flags), "one")
        if not field or (takes == "off" and given is not None):
            raise _unknown(word, flags, prog)
        if takes in ("each", "many"):
            more = _several(words) if takes == "many" and given is None else [_one(flag, given, words, prog)]
            values[field] = [*values.get(field, []), *more]
        else:
            values[field] = _switch(takes, given, words) if takes != "one" else _one(flag, given, words, prog)
    return values, bare


def _named(word: str, flags: Mapping[str, object]) -> tuple[str, str | None]:
    """The flag and the value written in the same word: `--count=3`, `-n3`."""
    flag, equals, given = word.partition("=")
    if not word.startswith("--") and len(flag) > 2 and word[1] in flags:
        return word[:2], word[2:]
    return flag, given if equals else None


def _key(flag: str) -> str:
    """`--dry-run` as `dry_run`; a letter stands behind one dash, a word behind two."""
    name = flag.lstrip("-").replace("-", "_")
    return name if (len(name) == 1) == (flag[:2] != "--") else ""


def _deep(flag: str, flags: Mapping[str, tuple[str, Takes]]) -> str:
    """`--output.format` as the setting `format` within the field `output`; '' where there is no such field."""
    head, dot, rest = flag.partition(".")
    field = flags.get(_key(head), ("", "one"))[0]
    return f"{field}.{rest.replace('-', '_')}" if dot and rest and field else ""


def _one(flag: str, given: str | None, words: deque[str], prog: str) -> str:
    if given is not None:
        return given
    if not words or _FLAG.match(words[0]):
        fix = f"{flag} 值；值以 - 开头时写成 {flag}=值；说明见 {prog} --help"
        raise UsageError(f"{flag} 后面缺少值", where=prog, fix=fix)
    return words.popleft()


def _several(words: deque[str]) -> list[str]:
    found = []
    while words and words[0] != "--" and not _FLAG.match(words[0]):
        found.append(words.popleft())
    return found


def _switch(takes: Takes, given: str | None, words: deque[str]) -> str:
    """`--dry-run recipe.yaml` is a switch and a recipe, `--dry-run false` is one setting."""
    if takes == "off":
        return "false"
    if given is None and words and words[0].lower() in BOOLEANS:
        return words.popleft()
    return "true" if given is None else given


def _unknown(word: str, flags: Iterable[str], prog: str) -> UsageError:
    close = nearest(_key(word.split("=")[0]) or word.strip("-"), flags)
    shown = f"-{close}" if len(close) == 1 else f"--{close.replace('_', '-')}"
    fix = f"最接近的是 {shown}；全部选项见 {prog} --help" if close else f"全部选项见 {prog} --help"
    return UsageError("不认识的选项", where=prog, found=word, fix=fix)
