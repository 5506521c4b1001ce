"""Reads the answer out of what a model wrote: option letters, a label, names. What cannot be read is None, no guess.

A reader is strict: a text that names two options without saying which is its answer has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from cornucopia.core.text_scores import normalise

_WIDE = {chr(ord("Ａ") + i): chr(ord("A") + i) for i in range(26)}
_WIDE |= {chr(ord("ａ") + i): chr(ord("A") + i) for i in range(26)}
_MARKS = str.maketrans({**_WIDE, "（": "(", "）": ")", "：": ":", "．": ".", "，": ",", "；": ";", "“": '"', "”": '"'})
_SAID = (
    r"(?:(?:最终|正确|标准|参考|本题)?的?(?:答案|选项)(?:应该|应当|应|就|只能|可能)?(?:是|为|选择?|:|=)+|"
    r"(?:故|因此|所以|综上)[,:]?\s*(?:本题|此题|应该|应当|应|正确)*选择?(?:的是|为|项|:)*|(?:我|应该|应当|应|应该是)选择?(?:的是|:)?|"
    r"answer\s*(?:is|:)|\\boxed|\"answer\"\s*:|\"答案\"\s*:)"
)
_OPENING = r"[\s\"'\(\[\{【「*#:]*"
_ENDS = r"(?![A-Za-z0-9_%+\-])(?=选项|项|正确|对|是|[^\u4e00-\u9fff]|\Z)"  # no A股, B2B, ABC
_JOINT = r"(?:\s*(?:[,、;/]|和|与|及|以及|\s)\s*)?"


def read_letters(
    text: str, letters: Sequence[str], options: Sequence[str] = (), *, several: bool = False
) -> str | None:
    """The options a text answers with, as letters in their order; None where it names none or does not decide.

    Args:
        text: what the model wrote, its thoughts aside.
        letters: the letters that may be answered.
        options: their texts; an answer that is just one of them counts.
        several: whether more than one may be right; else two letters are no answer.
    """
    plain = text.translate(_MARKS).strip()
    one = f"[{''.join(letters)}]"
    if re.fullmatch(f"[a-z]{{1,{len(letters)}}}", plain):
        plain = plain.upper()
    run = rf"({one}(?:{_JOINT}{one})*){_ENDS}"
    for place in (
        list(re.finditer(rf"{_SAID}{_OPENING}{run}", plain, re.I)),
        list(re.finditer(rf"\A{_OPENING}{run}", plain)),
    ):
        if place:
            return _decided([match[1] for match in place], letters, several)
    same = [letter for letter, option in zip(letters, options, strict=False) if _is_same(plain, option)]
    if len(same) == 1:
        return same[0]
    alone = re.findall(rf"(?<![A-Za-z0-9_]){run}", plain)
    return _decided(alone, letters, several) if len(set(map(_sorted, alone))) == 1 else None


def _decided(found: Sequence[str], letters: Sequence[str], several: bool) -> str | None:
    """The last thing said; none where one option is wanted and it names more."""
    answer = _sorted(found[-1])
    return answer if answer and (several or len(answer) == 1) and set(answer) <= set(letters) else None


def _sorted(text: str) -> str:
    return "".join(sorted(set(re.findall(r"[A-Z]", text.upper()))))


def _is_same(text: str, option: str) -> bool:
    body = re.sub(rf"\A.*?{_SAID}", "", text, count=1, flags=re.I | re.S)
    return bool(normalise(option)) and normalise(option) in (normalise(text), normalise(body))


def read_labels(text: str, labels: Sequence[str], *, several: bool = False) -> list[str] | None:
    """The labels a text answers with, in the order of `labels`; None where it names none, or more than may be right.

    A label within a longer one that is named too (持股 in 被持股) does not count.
    """
    told = _json_text(text)
    marked = re.findall(r"(?:答案|类别|标签|情绪|情感|关系|分类)(?:应该|应)?(?:是|为|：|:)+\s*([^\n。；]+)", told)
    for part in (marked[-1:] or []) + [told]:
        found = _named(part, labels)
        if found and (several or len(found) == 1):
            return found
    return None


def _named(text: str, labels: Sequence[str]) -> list[str]:
    left, found = normalise(text), []
    for label in sorted(labels, key=len, reverse=True):
        plain = normalise(label)
        if plain and plain in left:
            found.append(label)
            left = left.replace(plain, "\n")
    return [label for label in labels if label in found]


def _json_text(text: str) -> str:
    """The values of a JSON answer, or the text itself."""
    match = re.search(r"\{.*\}", text, re.S)
    try:
        value = json.loads(match[0]) if match else None
    except ValueError:
        return text
    if not isinstance(value, dict):
        return text
    return "、".join(map(str, (one for part in value.values() for one in (part if isinstance(part, list) else [part]))))


def read_names(text: str, nothing: str) -> set[str] | None:
    """The names that a text's last line lists; an empty set for `nothing`, None for a text that is empty."""
    told = _json_text(text).strip()
    if not told:
        return None
    body = re.split(r"[：:]\s*", told.splitlines()[-1])[-1].strip("。. 　")
    names = {name.strip(" 。.\"'“”《》【】[]") for name in re.split(r"[,，、;；]|以及|和", body)} - {""}
    return set() if names == {nothing} or body.startswith(("没有", "无", "不涉及", "未涉及", "不存在")) else names
