"""docs/clean.md says what the rules do: its table is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cornucopia.records.clean.stage import NAMES, Clean, CleanConfig
from cornucopia.records.privacy.find import KINDS
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context

PAGE = Path(__file__).parents[3] / "docs" / "clean.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| [^|]+ \| `(.+?)` \| (?:`(.+?)`|（丢弃）) \|$", TEXT, re.MULTILINE)


def written(text: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text).replace("\\n", "\n")


@pytest.mark.parametrize("rule, before, after", ROWS)
def test_each_row_is_what_the_rule_does(rule, before, after):
    rules = [rule, "advertising"] if rule == "empty" else [rule]
    config = CleanConfig(rules=rules, chinese="simplify" if rule == "simplify" else "keep")
    record = Record((Message("user", "问"), Message("assistant", written(before))))
    kept = Clean(config).apply([record], Context(Path())).kept
    assert [one.golden for one in kept] == ([written(after)] if after else [])


def test_every_rule_and_kind_is_told():
    assert {rule for rule, _, _ in ROWS} | {"echo"} == set(NAMES)
    assert all(f"`{kind}`" in TEXT for kind in KINDS)
