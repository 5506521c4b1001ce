"""Facts with a date: figures that a dated rule of `finance/rules` has replaced, and records checked too long ago."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

from cornucopia.finance.numbers import read_numbers
from cornucopia.finance.rules import tables
from cornucopia.records.quality.rule import GOOD, Finding, Said, snippet
from cornucopia.records.schema import Record

# Rule -> how a text names it. Only rules whose value is one figure; the figures and dates come from the tables.
_TOPICS = {
    "stock.stamp_duty": re.compile(
        r"(?:证券|股票|卖出|A股)[^。；\n]{0,16}印花税|印花税[^。；\n]{0,12}(?:卖出|股票|成交|证券)"
    ),
    "stock.transfer_fee": re.compile(r"(?:股票|A股|证券|沪深)[^。；\n]{0,16}过户费|过户费[^。；\n]{0,12}成交"),
    "stock.limit_chinext": re.compile(r"创业板[^。；，\n]{0,14}(?:涨跌幅|涨跌停|日涨)"),
    "tax.child_education": re.compile(r"子女教育[^。；\n]{0,30}(?:扣除|每月|元)"),
    "tax.infant_care": re.compile(r"(?:婴幼儿照护|3岁以下婴幼儿)[^。；\n]{0,30}(?:扣除|每月|元)"),
    "tax.elderly_care": re.compile(r"赡养老人[^。；\n]{0,30}(?:扣除|每月|元)"),
}
_NAMED = ("印花税", "过户费", "创业板", "子女教育", "婴幼儿", "赡养老人")  # one of these is in every topic
# The sentence itself says that the figure is of another time.
_HISTORY = re.compile(
    r"曾|原来|原先|此前|之前|以前|过去|当时|历史|旧|调整前|调低|调高|下调|上调|降[为至低到]|提高[到至为]?|减半|由[^，。]{0,16}(?:改|调|降|提)|从[^，。]{0,16}[到至]|"
    r"\d{4}年|自[^，。]{0,12}起|非独生|分摊|科创板|香港|港股|港交所|H股|美股"
)
_AROUND = 40  # characters beyond the topic's words in which its figure stands


def staleness(said: Said) -> Finding | None:
    """A figure that was in force and no longer is, said as if it were, and the one in force is not there."""
    if not any(word in said.answer for word in _NAMED):
        return GOOD
    for name, topic in _TOPICS.items():
        for found in topic.finditer(said.answer):
            start, end = found.start(), min(len(said.answer), found.end() + _AROUND)
            stop = re.search(r"[。；;\n]", said.answer[found.end() : end])
            text = said.answer[start : found.end() + stop.start() if stop else end]
            old = _replaced(name, text)
            if old and not _HISTORY.search(said.answer[max(0, start - 20) : start] + text):
                return Finding(0.2, f"已改的规定「{snippet(text, 0, len(text), 0)[:40]}」：{old}")
    return GOOD


def _replaced(name: str, text: str) -> str:
    """What replaced the figure in the text, in words; '' where the text has the one in force or none of the rule's."""
    current, earlier = _figures(name)
    shown = {abs(number.value) for number in read_numbers(text)}
    if shown & {current, current / 2} or not shown & set(earlier):
        return ""
    rule = tables()[name][-1]
    value = f"{current * 100:f}".rstrip("0").rstrip(".") + "%" if rule.unit.startswith("比例") else f"{current:f}"
    return f"{rule.valid_from} 起为 {value}"


@cache
def _figures(name: str) -> tuple[Decimal, tuple[Decimal, ...]]:
    """(the figure in force, those before it)"""
    values = [rule.value for rule in tables()[name]]
    return values[-1], tuple(value for value in values[:-1] if value != values[-1])


def older_than(record: Record, oldest: str) -> Finding | None:
    """Whether the record's facts were last checked before `oldest` (YYYY-MM or YYYY-MM-DD); None if it says none."""
    if not record.as_of or not oldest:
        return None
    is_older = record.as_of < oldest[: len(record.as_of)]
    return Finding(0.3, f"事实核对到 {record.as_of}，早于 {oldest}") if is_older else GOOD
