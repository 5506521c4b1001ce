"""A rule of cleaning: one kind of fault, how it is noticed and how it is mended.

A rule sees a text whose code, tables, formulas and control names are hidden (see `hidden.py`), so it cannot harm them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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
        trigger: a regular expression whose alternatives begin with letters or sets (so that it is searched fast): where
            it is not found, `mend` would change nothing. Those of all rules are joined to screen a record in one pass.
        mend: the text as it should be; the same text where nothing is wrong. Raises Beyond.
        places: which texts it works on.
        check: stands in for a trigger where no expression says it.
    """

    name: str
    summary: str
    trigger: str
    mend: Callable[[str], str]
    places: frozenset[Place] = EVERYWHERE
    check: Callable[[str], Any] | None = None

    @cached_property
    def noticed(self) -> Callable[[str], Any]:
        """Cheap: false only where `mend` would change nothing."""
        return self.check or re.compile(self.trigger).search
