"""An answer's text made ready for reading its result: units of headings put behind their numbers, asides left out.

It knows how answers are written, not what their numbers are worth.
"""

from __future__ import annotations

import re

from cornucopia.finance.units import UNIT

_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_KEYED = re.compile(r"[\"“](?:answer|答案|result|结果)[\"”]\s*[:：]\s*[\"“]?([^\"”}\n]+)", re.I)
_KEYED_UNIT = re.compile(r"[\"“](?:unit|单位)[\"”]\s*[:：]\s*[\"“]([^\"”}\n]+)", re.I)
_CONCLUDES = re.compile(
    r"(?:最终)?(?:答案|结果|结论)(?:应该|应当|应)?(?:就)?(?:是|为|等于|约为|：|:)+|(?:所以|因此|综上|故而?|由此可得|可得|总之)[，,：:]?|(?:^|\n)\s*(?:答|故)[：:]"
)
_END = re.compile(r"[\n。；]|(?<=\D)\.(?:\s|$)")
_ASIDE = re.compile(r"[（(][^（()）\d]*[\u4e00-\u9fff][^（()）]*[)）]")  # （上年为11.8%）
_DENIED = re.compile(r"[，,]?(?:而不是|而非|并非|不是)[^，,。；;\n]*")  # 是5.2%，而不是6.2%
_PART = re.compile(r"[，,；;。]?\s*其中[^。；;\n]*")  # 总利息91万元，其中第一年4.87万元
_BESIDE = re.compile(  # 资产负债率64%，高于行业平均的55%
    r"[，,。；;\n]\s*[^，,。；;\d\n]{0,8}(?:[高低]于|高出|优于|好于|超过|不及|[比较](?:去年|上年|上期|同期|同业|行业|预期|年初)"
    r"|通常|一般|行业|同业|警戒线)[^。；;\n]*"
)
_DECLINES = re.compile(r"无法|不能(?:确定|计算|给出)|难以(?:确定|计算|给出)|缺少|没有给出")
_SCALED = rf"(?:[十百千]?[万亿]|[百千])(?:{UNIT})?|{UNIT}"
_BARE = rf"(?<![\d.,])-?\d+(?:[.,]\d+)*(?![\d.,]|\s*(?:{_SCALED}))"
_HEADED = re.compile(rf"[（(]\s*({_SCALED})\s*[)）]\s*[:：=＝]?\s*({_BARE})", re.I)  # 营业收入（亿元）：12.5
_TABLE_UNIT = re.compile(rf"单位[:：]\s*(?:人民币)?({_SCALED})", re.I)
_WRITTEN = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"(?<=\d)\s?[wW](?![A-Za-z\d])", "万"),
        (r"(?<=\d)\s?[kK](?![A-Za-z\d])", "千"),
        (r"(?<=\d)\s?M(?![A-Za-z\d])", "百万"),
        (r"(?<=\d)\s?[xX](?![\w(+*/^=×÷-])", "倍"),
        (r"一半(?![以左])", "50%"),
        (r"翻了?一番", "增长100%"),
        (r"\[\s*(-?[\d.]+[%％]?)\s*[,，]\s*(-?[\d.]+[%％]?)\s*\]", r"\1~\2"),
    )
)


def spelled(text: str) -> str:
    """3.5W as 3.5万, 毛利率(%)：41.7 as 毛利率：41.7%, and what stands below 单位：万元 with that unit."""
    for pattern, plain in _WRITTEN:
        text = pattern.sub(plain, text)
    text = _HEADED.sub(r"：\2\1", text)
    header = _TABLE_UNIT.search(text)
    if not header:
        return text
    body = re.sub(_BARE, lambda match: match[0] + header[1], text[header.end() :], flags=re.I)
    return text[: header.end()] + body


def boxed(text: str) -> str:
    """What the last box or the last "answer" of a JSON object holds, with its "unit"; '' where there is neither."""
    if found := _BOX.findall(text):
        return str(found[-1])
    keys = list(_KEYED.finditer(text))
    if not keys:
        return ""
    unit = _KEYED_UNIT.search(text, keys[-1].end())
    return keys[-1][1].rstrip(", ") + (unit[1] if unit else "")


def conclusions(text: str) -> list[str]:
    """The clauses that say they are the result (答案是, 所以), the last one first."""
    clauses = []
    for mark in reversed(list(_CONCLUDES.finditer(text))):
        end = _END.search(text, mark.end())
        clauses.append(text[mark.end() : end.start() if end else len(text)])
    return clauses


def declines(text: str) -> bool:
    """Whether it says that it gives no result."""
    return bool(_DECLINES.search(text))


def without_asides(text: str) -> str:
    """Without what is said beside the result: （上年为11.8%）, 而不是6.2%, 其中第一年4.87万元, 高于行业的55%."""
    for pattern in (_ASIDE, _DENIED, _PART, _BESIDE):
        text = pattern.sub("", text)
    return text
