"""What is written with digits and is no quantity: ordinals, document and phone numbers, codes, times, scores, versions.

All of it is skipped as a whole, so that no part of it is taken for a number.
"""

from __future__ import annotations

import re

from cornucopia.finance.numerals import NUMERAL
from cornucopia.finance.units import UNIT

_INT = rf"(?:\d+(?:\.\d+)*|{NUMERAL}|[百千])"
_SUPERSCRIPTS = "²³¹⁰⁴-⁹½⅓⅔¼¾⅕-⅞"
_INDEXES = "沪深|中证|上证|科创|国证|深证|创业板|标普|日经|恒生|富时|罗素|MSCI|纳斯达克"
_LABELS = "咨询|电话|热线|拨打|致电|客服|号码|账号|帐号|卡号|单号|代码|编号|尾号|证号|证件|邮编|验证码|短信|官微|文号"
_STANDARDS = r"GB(?:/?T)?|JR(?:/?T)?|ISO(?:/IEC)?|IEC|IFRS|IAS|CAS|RFC|SOC|No\.?|NO\.?"
_LETTERS = r"(?!(?:RMB|CNY|USD|HKD|EUR|GBP|JPY)[ \d(]|(?:US|HK)\$)"

ANYWHERE = re.compile(
    "|".join(
        (
            rf"第\s*{_INT}(?:\s*[-~—至到、,，或和]\s*第?{_INT}(?=\s*[条款项章节号期届轮页名位批年个]))*\s*(?:个月|个|{UNIT})?",
            r"[〔\[【(](?:19|20)\d\d[〕\]】)]\s*第?\s*(?:\d+\s*号)?",
            r"\(\s*(?:\d{6}(?:\.[A-Z]{2})?|0\d{4}(?:\.HK)?)\s*\)",
            rf"(?:{_INDEXES})[- ]?\d{{2,4}}(?![\d.,%]|\s*(?:{UNIT})|[万亿])",
            rf"(?:{_LABELS})[^\d\n。，；,;]{{0,4}}(?!\d+(?:\.\d+)?\s*(?:{UNIT}|[万亿]))\d[\d -]*\d",
            rf"(?:{_STANDARDS})[ -]?\d[\d.]*(?:\s?[-—]\s?\d{{4}})?",
            rf"{_LETTERS}[A-Za-z][+-]\d+(?![\d.%])日?",  # T+1, T-2日
            rf"{_LETTERS}[A-Za-z](?:[A-Za-z]*\d+[A-Za-z]+|\d+(?![\d.,%]*[\d%])日?)",  # A1, M2, Web3D
            rf"{_LETTERS}[A-Za-z]{{2,}}\d*(?![\d.,%]|\s*(?:{UNIT}))",
            rf"{_LETTERS}[A-Za-z]+",
        )
    ),
)
_AT_DIGIT = re.compile(
    "|".join(
        (
            r"\d{4,6}\.[A-Z]{2}(?![A-Za-z])",  # 600519.SH
            r"\d{3,4}-\d{3,4}-\d{4}(?!\d)|0\d{2,3}-\d{7,8}(?!\d)",
            r"0\d{5}(?![\d.,]|\s*[元万亿])",
            rf"\d{{11,}}[Xx]?(?![\d.,]|\s*(?:{UNIT}|[万亿]))",
            r"\d{4}[ -]\d{4}[ -]\d{4}(?:[ -]\d{1,4})*(?!\d)",
            rf"\d+(?:\.\d+)?(?:[:：]\d+(?:\.\d+)?)+(?!\d|\s*(?:{UNIT}|[万亿]))",  # 3:2, 14:30
            r"\d+(?:\.\d+){2,}(?!\d)",  # 192.168.1.1
            r"\d+(?:/\d+){2,}(?!\d)|(?:19|20)\d\d/\d+(?![\d/])",
            rf"\d[\d.,]*[{_SUPERSCRIPTS}]+",
            rf"\d+(?:_\d+)+|\d[\d.]*(?!Q[1-4]|H[12]|(?i:e[+-]?\d|{UNIT})|(?:RMB|CNY|USD|HKD|EUR))[A-Za-z_][A-Za-z_\d]*",
            r"\d+\s?号(?!码)",
        )
    ),
)


def skip(text: str, at: int) -> int:
    """The end of what starts at `at` and is no quantity, or 0."""
    char, before = text[at], text[at - 1] if at else ""
    if char.isascii() and char.isdigit():
        match = None if before.isdigit() else _AT_DIGIT.match(text, at)
        return match.end() if match and not _is_date(text, match) else 0
    if (char.isascii() and char.isalpha() and before.isascii() and before.isalpha()) or char in " \n":
        return 0
    match = ANYWHERE.match(text, at)
    return match.end() if match else 0


def _is_date(text: str, match: re.Match[str]) -> bool:
    """2026.3.1 and 2026/3/1 have the shape of a version and a path; 3月1号 that of a document number."""
    return bool(
        re.fullmatch(r"(?:19|20)\d\d([./])\d\d?\1\d\d?", match[0])
        or (match[0].endswith("号") and re.search(r"月\s?$", text[: match.start()]))
    )
