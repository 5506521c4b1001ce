"""Whether a text says the same numbers after it was rewritten: every number, date, code, law and article, no other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cornucopia.finance.numbers import Quantity, read_numbers
from cornucopia.records.grounding import check_answer

_LIST_MARK = re.compile(r"(?m)^\s*(?:[（(]\d{1,2}[)）]|\d{1,2}\s*[.、．)）](?!\d))|第\d{1,2}(?=步|点|条建议|方面)")
_DIGITS = re.compile(r"\d+")
_MOST_COUNTED = 10  # 两点, 3项: how many points a text makes may be said anew

Key = tuple[str, str]


def changed(before: str, after: str, given: str = "") -> str:
    """What differs, in Chinese, or '' when the numbers are the same.

    Args:
        before, after: the text and what became of it.
        given: the question, whose numbers may be repeated.
    """
    old, new = _numbers(before), _numbers(after)
    lost = [shown for key, shown in old.items() if key not in new]
    known = old.keys() | _numbers(given).keys()
    added = [shown for key, shown in new.items() if key not in known and not _is_count(key)]
    if lost or added:
        return _told(lost, added)
    facts_lost = [fact.text for fact in check_answer(before, after).missing if fact.kind in ("法规", "条款")]
    facts_added = [fact.text for fact in check_answer(after, before + given).missing if fact.kind in ("法规", "条款")]
    return _told(facts_lost, facts_added)


def _told(lost: Iterable[str], added: Iterable[str]) -> str:
    parts = [
        f"{what} {'、'.join(list(dict.fromkeys(shown))[:5])}"
        for what, shown in (("少了", lost), ("多了", added))
        if shown
    ]
    return "，".join(parts)


def _numbers(text: str) -> dict[Key, str]:
    """Quantities by value and unit, and digits that are no quantity (codes, telephone numbers) as they stand."""
    text = _LIST_MARK.sub(lambda mark: " " * len(mark[0]), text)
    found: dict[Key, str] = {}
    rest = list(text)
    for one in read_numbers(text):
        start, end = one.span
        found[_key(one)] = text[start:end]
        rest[start:end] = " " * (end - start)
    for match in _DIGITS.finditer("".join(rest)):
        found[match[0], "字"] = match[0]
    return found


def _key(one: Quantity) -> Key:
    value = one.value * 12 if one.unit == "年" else one.signed
    return f"{value.normalize():f}", {"年": "月"}.get(one.unit, one.unit) + (one.currency if one.unit == "元" else "")


def _is_count(key: Key) -> bool:
    return key[1] == "none" and key[0].isdigit() and int(key[0]) <= _MOST_COUNTED
