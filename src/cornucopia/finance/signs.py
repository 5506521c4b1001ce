"""The sign of a number: whether a dash is a minus, whether brackets are, and what words say of rise and fall.

It works on text in the one spelling (spelling.py) and knows no units but by their kinds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Meaning = Literal["", "minus", "either"]


@dataclass(frozen=True)
class Sign:
    """What may be a sign.

    Args:
        start, end: where it stands; the number begins at `end`. written: the sign without spaces.
    """

    start: int
    end: int
    written: str


SIGN = re.compile(
    r"(?:-|—(?!—)|±|负的?|[▼↓])(?=[ ]{0,2}[\d.¥￥$€£零一二两三四五六七八九十百千万半]|[ ]?(?:US|HK)\$|人民币)[ ]{0,2}"
)
_SAID = re.compile(r"(?:[为是比达约至到率幅额速润损差值动减化:：=≈(（|>]|下降|增长|变动)\s*$")


def read(text: str, at: int) -> Sign | None:
    """The sign written at `at`, if what follows looks like a number."""
    match = SIGN.match(text, at)
    return Sign(at, match.end(), match[0].strip()) if match else None


def meaning(text: str, sign: Sign, end: int, kind: str, unit: str, after: str) -> Meaning:
    """What a sign does to the number behind it; "" means that it joins, separates or lists.

    Args:
        end, kind: where the number before it ended, and its unit ("" when that was none).
        unit: that of the number behind. after: the two characters after that number.
    """
    before, spaced = text[: sign.start], sign.end - sign.start > len(sign.written)
    if sign.written[0] in "负▼↓":
        return "minus"
    if sign.written == "±":
        return "either"
    if sign.written == "—":
        if spaced or text[end : sign.start] == "" or before.endswith("—"):
            return ""
        return "minus" if _SAID.search(before) else "either"
    gap = text[end : sign.start]
    if end and not gap.strip(" "):
        return _after_number(gap, spaced, kind, unit)
    if end and gap == "-" and not spaced:
        return "minus"  # -3%--1%
    if end and len(gap) <= 2 and after.startswith(gap):
        return ""  # 3人-5人
    last, wide = before.rstrip(" ")[-1:], before.endswith(" ")
    if last in ("-", ")", "]", "%") or (last.isascii() and last.isalpha() and not wide and unit == "none"):
        return ""
    if spaced and (not last or last == "\n"):
        return ""  # a list's bullet
    if _in_formula(before, last):
        return ""
    if spaced and wide and not _SAID.search(before):
        return "either"  # 毛利率 - 45%
    return "either" if last == "\n" and re.search(r"(?:^|\n) *-", before[:-1]) else "minus"


def _after_number(gap: str, spaced: bool, kind: str, unit: str) -> Meaning:
    """A dash right behind a number is a sign only where it can be no range and no subtraction: 860万元 -6.8%."""
    if kind in ("", "none") or kind == unit or spaced:
        return ""
    return "minus" if gap or kind in ("日期", "年", "月", "日") else ""  # 近一年-15%


def _in_formula(before: str, last: str) -> bool:
    """利润=收入-500万元: behind a word of a formula a dash subtracts."""
    clause = re.split(r"[。；，,;\n]", before)[-1]
    return "=" in clause and "\u4e00" <= last <= "\u9fff" and clause.rstrip()[-1:] != "="


def brackets(text: str, span: tuple[int, int], number: str, unit: str) -> Meaning:
    """What the brackets of (860.5) at `span` say, an accountant's minus, perhaps one, or nothing; `unit` is behind."""
    before, after = text[: span[0]].rstrip(" "), text[span[1] : span[1] + 1]
    formula = re.search(r"[=×÷+]", re.split(r"[。；，\n]", before)[-1])
    if re.search(r"[A-Za-z\d_)+×÷*/^=-]$", before) or (after and after in "+-×÷*/^(=") or (unit and formula):
        return ""
    if unit:
        return "minus"
    amount = "," in number or "." in number or len(number) >= 3
    if not amount or re.fullmatch(r"(?:19|20)\d\d", number):
        return ""
    lead = not before.strip() or text[span[0] - 1] in " \t" or re.search(r"[为是达约:：|\t]$|元\)$", before)
    return "minus" if lead else "either"  # 净利润（860.5）


_ABOUT = r"(?:[了近约超逾过达]|大约|约为|大概|将近|接近|超过|高达|达到|逾|合计|共|整整|累计|人民币|去|掉|出)*"
_IS = r"(?:[为是达约:：]|达到|高达|约为|大约|分别|则|仅|只有|[也都])*"
_FALL = (
    "下降|下滑|下跌|下调|下挫|下行|下浮|降低|减少|缩减|缩水|缩小|收缩|萎缩|回落|回调|跌落|暴跌|大跌|收跌|贬值|降息|降准|减持|净减|"
    "净流出|(?<![至不最很减缺多])少了|(?<![涨])跌|(?<![下])降|净亏|亏"
)
_RISE = (
    "增长|增加|上升|上涨|上调|上浮|提高|提升|攀升|升值|扩大|加息|增持|净增|净流入|盈利|净赚|收涨|大涨|走高|"
    "涨|升|盈|赚|(?<!缩)增"
)
_FALL_NOUNS = (
    "降幅|跌幅|减幅|净流出(?:额|金额|规模)|(?:净|总)?亏损(?:额|总额|金额)?|负增长|"
    "(?:下降|下跌|下滑|减少|回落|贬值)(?:幅度|比例|率|额)"
)
_RISE_NOUNS = (
    "净流入(?:额|金额|规模)|(?<!涨跌)(?<!升降)(?:增幅|涨幅|升幅|增速|增长率|增长额)|(?:增长|上涨|上升)(?:幅度|比例|率)"
)
_FEWER = r"(?:比|较|同比|环比)[^，。；,;]{0,12}(?<![至不最很减缺多])[少低]"
_LEVEL = re.compile(
    r"(?:[降跌减升涨增调]|下降|回落|缩减|减少|增加|上升|提高|缩水)[^，。；,;\d]{0,3}(?:至|到|为|成)" + _ABOUT + r"\s*$"
)
_OPEN = re.compile(rf"(?:回撤|损失|波动|振幅|误差|偏离|涨跌)[^，。；\d]{{0,4}}{_IS}\s*$")
_WAYS = tuple(
    (re.compile(rf"(?:{words}){filler}\s*$"), way)
    for words, filler, way in (
        (rf"(?:{_FALL_NOUNS})(?:收窄|扩大)(?:至|到|为)", _ABOUT, -1),
        (_FALL_NOUNS, rf"{_IS}{_ABOUT}", -1),
        (_RISE_NOUNS, rf"{_IS}{_ABOUT}", 1),
        (_FALL, rf"{_ABOUT}[:：]?", -1),
        (_FEWER, _ABOUT, -1),
        (_RISE, rf"{_ABOUT}[:：]?", 1),
    )
)
_POINTS = re.compile(r"(?<![扣抵相])(?:([减降])|[加升])点?\s*$")
_BEHIND = (
    re.compile(rf"\s*(?:的|左右的)(?:同比|环比)?(?:{_FALL_NOUNS}|下降|下滑|下跌|缩水|回落)"),
    re.compile(rf"\s*(?:{_FALL_NOUNS}|下降|下滑|下跌)(?=[，。；、,;)\s]|$)"),
    re.compile(r"\s*[▼↓]"),
)
_FALLING = re.compile(rf"{_FALL_NOUNS}|下降|下滑|下跌|下挫|回落|缩水|萎缩|减少")
_ASKED = re.compile(
    rf"{_FALL_NOUNS}|(?:下[降调滑跌行浮挫]|降低|减少|回落|缩水|萎缩|贬值|[降跌减亏])(?![^，。？]{{0,3}}[到至为成])"
)
_RISING = re.compile(r"增长|上升|上涨|回升|提升|提高|反弹|盈利")
_AND = re.compile(r"\s*(?:[和与及、/~]|以及|-|至|到)\s*")


def asks_for_a_fall(question: str) -> bool:
    """Whether a question has told the direction: 下降了多少, 跌幅是多少; not 涨跌幅是多少, not 降到多少."""
    return bool(_ASKED.search(re.sub("涨跌幅?|升降|增减|盈亏", "", question)) and not _RISING.search(question))


def directions(text: str, numbers: Sequence[tuple[tuple[int, int], str, str]]) -> list[tuple[int, bool]]:
    """For each number (span, unit, part of a range): -1, 0 or 1 as words tell it, and whether they leave it open."""
    told: list[tuple[int, bool]] = []
    end = 0
    for i, ((start, stop), unit, part) in enumerate(numbers):
        gap = text[end:start]
        if i and _AND.fullmatch(gap) and unit == numbers[i - 1][1] and told[-1][0]:
            way = (0, True) if part != "low" and gap.strip() in ("至", "到") else told[-1]
        else:
            way = _direction(gap[-30:], text[stop : stop + 12], text[start:stop], unit)
        told.append(way)
        end = stop
    return told


def _direction(before: str, behind: str, number: str, unit: str) -> tuple[int, bool]:
    if unit in ("日期", "年", "日", "月"):
        return 0, False
    if _OPEN.search(before):
        return 0, True
    if re.search(r"BP|基点|百分点|个点", number, re.I) and (points := _POINTS.search(before)):
        return (-1 if points[1] else 1), False
    for pattern, way in _WAYS:
        if pattern.search(before):
            return way, False
    if _LEVEL.search(before):
        return 0, False
    if any(pattern.match(behind) for pattern in _BEHIND):
        return -1, False
    clause = re.split(r"[。；;\n]", before)[-1]
    if _FALLING.search(clause) and not _RISING.search(clause):
        return (-1, False) if re.search(r"(?:幅度|变动|变化)[^，。；\d]{0,4}$", clause) else (0, True)
    return 0, False
