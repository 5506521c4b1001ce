"""A rule of cleaning: one kind of fault, how it is noticed and how it is mended.

A rule sees a text whose code, tables, formulas and control names are hidden (see `hidden.py`), so it cannot harm them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cornucopia.records.sieve import Sieve
from cornucopia.records.texts import Place

EVERYWHERE: frozenset[Place] = frozenset(
    ("system", "user", "assistant", "tool", "reasoning", "rejected", "passage", "text")
)
# What somebody published. A question is left as it was asked, a system prompt and a tool's turn as they were written.
PUBLISHED: frozenset[Place] = frozenset(("assistant", "rejected", "passage", "text"))
SAID: frozenset[Place] = frozenset(("assistant", "rejected"))


class Beyond(Exception):
    """The text cannot be mended with certainty: its record is dropped.

    Args:
        detail: what was found, in Chinese.
    """


@dataclass(frozen=True)
class Rule:
    """One rule.

    Args:
        name: as in recipes, counts and reports.
        summary: one Chinese line.
        mend: the text as it should be; the same text where nothing is wrong. Raises Beyond.
        odd: inside of a set of characters.
        phrases: alternatives of a regular expression, each beginning with a letter (they are searched fast). Where
            neither is found and `check` says no, `mend` would change nothing. Those of all rules are joined to look
            over a whole record at once, its texts parted by SEPARATOR.
        check: stands in where no expression says it.
        hints: alternatives of a regular expression, one of which matches wherever `check` says yes: by them many
            records are looked at together. The border of a text may stand in them as SEPARATOR.
        places: which texts it works on.
    """

    name: str
    summary: str
    mend: Callable[[str], str]
    odd: str = ""
    phrases: str = ""
    check: Callable[[str], Any] | None = None
    hints: str = ""
    places: frozenset[Place] = EVERYWHERE

    @cached_property
    def noticed(self) -> Callable[[str], Any]:
        """Whether the rule is worth trying."""
        return screen([self])


def screen(rules: Sequence[Rule]) -> Callable[[str], Any]:
    """Whether one of the rules is worth trying on a text, in as few passes as can be."""
    looks: list[Callable[[str], Any]] = [rule.check for rule in rules if rule.check]
    phrases = "|".join(rule.phrases for rule in rules if rule.phrases)
    odd = "".join(rule.odd for rule in rules)
    looks += [re.compile(phrases).search] if phrases else []
    looks += [re.compile(f"[{odd}]").search] if odd else []
    if len(looks) == 1:
        return looks[0]

    def seen(text: str) -> bool:
        for look in looks:  # noqa: SIM110 - `any` over a generator costs more than a look
            if look(text):
                return True
        return False

    return seen


def many_screen(rules: Sequence[Rule]) -> Callable[[Sequence[str]], list[bool]]:
    """The same of many texts at once; it may say yes where `screen` says no, never no where that says yes."""
    patterns = [part for rule in rules for part in (rule.phrases, rule.hints, rule.odd and f"[{rule.odd}]") if part]
    checks = [rule.check for rule in rules if rule.check and not rule.hints]
    sieve = Sieve(patterns)

    def seen(texts: Sequence[str]) -> list[bool]:
        touched = sieve.touched(texts)
        for check in checks:
            touched = [bool(was or check(text)) for was, text in zip(touched, texts, strict=True)]
        return touched

    return seen
