"""Finders of personal numbers: cards, telephones, accounts, mail and chat addresses.

Each knows what it is not: order and policy numbers, amounts, dates, stock codes, numbers of laws, and official
telephones (95xxx, 12xxx, 400, 800).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from cornucopia.records.privacy.checks import is_card_head, is_credit_code, is_id_card, is_id_shape, is_luhn


@dataclass(frozen=True)
class Found:
    """Something personal in a text.

    Args:
        start: its first character.
        end: the one after its last.
        kind: id_card, bank_card ...
        value: by which it is known again: digits and letters only, a name as it is.
    """

    start: int
    end: int
    kind: str
    value: str


_ROW = re.compile(r"[0-9](?:[ .()-]{0,2}[0-9]){9}")
_RUN = re.compile("[0-9]+")
_OTHER = re.compile(
    r"(?:单号|流水|保单|合同|编号|凭证|发票|税号|代码|批次|序列|条码|交易号|商户|订单|文号|备案|批准|许可证|注册号|登记号|证书|批号|期号|"
    r"借据|案号|终端|设备|产品|型号|邮编|版本|快递|运单|受理号|申请号|业务号|ISBN|isbn)[^0-9，,。；;\n]{0,6}\Z"
)
_UNIT = re.compile(r" ?(?:[元万亿股份吨手%％年月户笔倍个张只]|美元|港元|\.\d|,\d{3})")
_IDENTITY = re.compile(r"(?:身份|证件|证号|ID)[^。；;\n]{0,18}\Z", re.IGNORECASE)
_ACCOUNT = re.compile(r"(?:卡号|银行卡|账号|帐号|账户|储蓄卡|借记卡|信用卡|卡)[^0-9，,。；;\n]{0,10}\Z")
_PHONE = re.compile(
    r"(?:电话|传真|联系|致电|拨打|座机|固话|手机|热线|[tT]el|TEL|[pP]hone|[mM]obile|微信|[vVwW][xX])[^0-9。；;\n]{0,10}\Z"
)
_LETTERED = re.compile(r"(?:[tT]el|TEL|[pP]hone|PHONE|[mM]ob(?:ile)?|[vVwW][xX]|[qQ]{2}|ID)\Z")

_ID18 = re.compile(r"[1-9](?:[ -]?\d){16}[ -]?[\dXx](?![0-9A-Za-z])")
_ID15 = re.compile(r"[1-9]\d{5}[ -]?\d{6}[ -]?\d{3}(?![0-9A-Za-z])")
_CARD = re.compile(r"[2-69](?:[ -]?\d){12,18}(?![0-9A-Za-z])(?![ -]?\d{4}(?!\d))")
_MOBILE = re.compile(r"(?:(?:\+|00)?86[ -]?)?1[ .-]?[3-9](?:[ .-]{0,2}\d){9}(?![0-9A-Za-z])")
# 138 0013 8000, 138 00138000, 1380 013 8000 ...; digits one by one only behind a label.
_MOBILE_SHAPES = re.compile(
    r"\d{11}|\d{3}([ .-])\d{4}\1\d{4}|\d{3}[ -]\d{8}|\d{4}[ -]\d{3}[ -]\d{4}|\d{5}[ -]\d{6}|\d{7}[ -]\d{4}|"
    r"\d{3}[ -]\d{3}[ -]\d{5}|\d{3}[ -]\d{5}[ -]\d{3}|\d{4}[ -]\d{4}[ -]\d{3}"
)
_AREA = r"0(?:10|2[0-57-9]|[3-9]\d\d)"
_LANDLINE = re.compile(
    rf"(?:(?:\+?86[ -]?)?(?:\({_AREA}\)|{_AREA})|\+?86[ -](?:10|2[0-57-9]|[3-9]\d\d))[ -]?[2-8]\d{{2,3}}[ -]?\d{{4}}"
    r"(?:(?:-|转| ?ext\.? ?)\d{1,6})?(?![0-9A-Za-z])(?!-\d)"
)
_LOCAL = re.compile(
    r"(?:电话|座机|固话|传真|办公室|家里|宅电)(?:号码|是|为)?[: ]{0,3}(?P<it>[2-8]\d{2,3}[ -]?\d{4})(?![\d-])"
)
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63} ?@ ?(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,12}"
    r"(?![A-Za-z0-9-])"
)
_RESERVED = re.compile(
    r"(?:\.|@ ?)(?:example\.(?:com|org|net|cn)|x{2,6}\.com|invalid|example|test)\Z|\Agit@", re.IGNORECASE
)
_PASSPORT = re.compile(
    r"(?:护照|passport)[^0-9A-Za-z。；;\n]{0,10}(?P<it>[A-Za-z]{1,2}\d{7,8}|\d{9})(?![0-9A-Za-z])", re.IGNORECASE
)
_PERMIT = re.compile(
    r"(?:通行证|台胞证|回乡证)[^0-9A-Za-z。；;\n]{0,10}(?P<it>[HMCWhmcw]?[A-Za-z]?\d{7,10})(?![0-9A-Za-z])"
)
_CREDIT_CODE = re.compile(r"[1-9ANY][1-9]\d{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼] ?[A-HJ-NP-Z][ -]?"
    r"(?:[A-HJ-NP-Z0-9]{5}|[A-HJ-NP-Z0-9]{6}|[A-HJ-NP-Z0-9]{4}[挂学警港澳])(?![A-Za-z0-9])"
)
_NOTE = re.compile(r"[A-Z](?:CP|TN|PN|BN|BS)\d{3}")  # 高新SCP003, 城建MTN001: a bond behind the last word of its name
_CHAT = "|".join(  # each begins with a letter: such a search is ten times as fast
    (
        *(f"{first}信" for first in "微薇威徽溦维vV"),
        *(
            rf"{word[0]}(?<![A-Za-z].){word[1:]}(?![a-z_])"
            for word in ("v[xX]", "V[xX]", "w[xX]", "W[xX]", "WeChat", "wechat", "Wechat", "weixin")
        ),
        *(rf"{first}(?:(?<=加.)|(?<=加我.))(?=[: ])" for first in "vV"),
    )
)
_WECHAT = re.compile(
    rf"(?:{_CHAT})(?:号码?|账号|ID|id|同号)?[ ]?(?:[:是为]|\()?[ ]?"
    r"(?P<it>[A-Za-z][A-Za-z0-9_-]{5,19})(?![A-Za-z0-9_*@.-])"
)
_NO_ACCOUNT = re.compile(r"(?:wechat|weixin|alipay|iphone|android|example_)", re.IGNORECASE)
_QQ = re.compile(
    r"(?:q(?<![A-Za-z].)[qQ]|Q(?<![A-Za-z].)[qQ]|扣扣|企鹅)(?:群|号码?|账号)*[ ]?[:是为]?[ ]?"
    r"(?P<it>[1-9]\d{4,10})(?![\d万亿元年月%.*-])"
)
_ACCOUNT_NUMBER = re.compile(
    r"(?:卡号|账号|帐号|账户号?|户号|账号是|账户为)码?(?:[:是为( ])*"
    r"(?P<it>(?!0000)[A-Z]?\d(?:[ -]?\d){7,29})(?![0-9A-Za-z*])"
)


def _digits(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", text).upper()


@lru_cache(maxsize=1)
def _row(text: str) -> int | None:
    """Where the first card, or telephone with its area, begins at the earliest; None where there is neither."""
    found = _ROW.search(text)
    return max(0, found.start() - 2) if found else None  # + or ( may stand before its first digit


def _each(
    pattern: re.Pattern[str], text: str, good: Callable[[re.Match[str]], bool], at: int = 0
) -> Iterator[tuple[int, int]]:
    """Matches that are good and begin in no word's or number's middle; behind one that is not, the search goes on at
    the end of its first digits."""
    while found := pattern.search(text, at):
        start = found.start()
        before = text[start - 1 : start]
        inside = before.isascii() and before.isalnum() and not _LETTERED.search(text, max(0, start - 6), start)
        if not inside and good(found):
            yield start, found.end()
            at = found.end()
        else:
            run = _RUN.match(text, start)
            at = run.end() if run else start + 1


def _in_rows(pattern: re.Pattern[str], text: str, good: Callable[[re.Match[str]], bool]) -> Iterator[tuple[int, int]]:
    """`_each` of a pattern of ten digits and more."""
    at = _row(text)
    return iter(()) if at is None else _each(pattern, text, good, at)


def id_cards(text: str) -> Iterator[Found]:
    """Identity cards: of 18 with the right check digit (behind 身份证 any of the right shape), of 15 behind 身份证."""

    def good(found: re.Match[str]) -> bool:
        number = _digits(found.group())
        return is_id_card(number) or (is_id_shape(number) and _is_before(_IDENTITY, text, found.start()))

    for start, end in _in_rows(_ID18, text, good):
        yield Found(start, end, "id_card", _digits(text[start:end]))
    for start, end in _in_rows(
        _ID15, text, lambda found: is_id_shape(_digits(found[0])) and _is_before(_IDENTITY, text, found.start())
    ):
        yield Found(start, end, "id_card", _digits(text[start:end]))


def _is_before(pattern: re.Pattern[str], text: str, at: int) -> bool:
    return bool(pattern.search(text, max(0, at - 30), at))


def bank_cards(text: str) -> Iterator[Found]:
    """Cards whose check digit is right and under whose head banks issue such a length."""

    def good(found: re.Match[str]) -> bool:
        number = _digits(found.group())
        groups = [len(group) for group in re.split("[ -]", found.group())]
        regular = len(groups) == 1 or (min(groups[:-1]) >= 3 and max(groups) >= 4)
        if not regular or len(set(number)) < 2:
            return False
        if not is_luhn(number):  # mistyped or made up: a card still, where it is called one
            return number.startswith("62") and len(number) in (16, 19) and _is_before(_ACCOUNT, text, found.start())
        if not is_card_head(number) or _UNIT.match(text, found.end()):
            return False
        return _is_before(_ACCOUNT, text, found.start()) or not _is_before(_OTHER, text, found.start())

    for start, end in _in_rows(_CARD, text, good):
        yield Found(start, end, "bank_card", _digits(text[start:end]))


def mobiles(text: str) -> Iterator[Found]:
    """Mobile numbers of the mainland, with or without 86, in the ways in which people group them."""

    def good(found: re.Match[str]) -> bool:
        number = re.sub(r"\A(?:\+|00)?86[ -]?|(?<= ) ", "", found.group())
        labelled = _is_before(_PHONE, text, found.start())
        if not labelled and not _MOBILE_SHAPES.fullmatch(number):
            return False
        if text[found.start() - 1 : found.start()] in (".", ",", "-", "¥", "$", "/", "_") and not labelled:
            return False
        return not (_UNIT.match(text, found.end()) or _is_before(_OTHER, text, found.start()))

    for start, end in _in_rows(_MOBILE, text, good):
        yield Found(start, end, "mobile", _digits(text[start:end])[-11:])


def landlines(text: str) -> Iterator[Found]:
    """Fixed telephones with their area code; without one only behind 电话 and the like."""

    def good(found: re.Match[str]) -> bool:
        parted = not found.group().isdigit()
        if text[found.start() - 1 : found.start()] in (".", ",", "-", "/", "_"):
            return False
        return (parted or _is_before(_PHONE, text, found.start())) and not (
            _is_before(_OTHER, text, found.start()) or _UNIT.match(text, found.end())
        )

    for start, end in _in_rows(_LANDLINE, text, good):
        yield Found(start, end, "landline", _digits(text[start:end]))
    for found in _LOCAL.finditer(text):
        if not _UNIT.match(text, found.end()):
            yield Found(found.start("it"), found.end("it"), "landline", _digits(found["it"]))


def mails(text: str) -> Iterator[Found]:
    """Mail addresses, but for those reserved for examples (RFC 2606)."""
    if "@" in text:
        for found in _MAIL.finditer(text):
            if not _RESERVED.search(found.group()):
                yield Found(found.start(), found.end(), "email", found.group().replace(" ", "").lower())


def passports(text: str) -> Iterator[Found]:
    """Passports and travel permits, each behind its name."""
    for pattern in (_PASSPORT, _PERMIT):
        for found in pattern.finditer(text):
            if not found["it"].upper().startswith(("XX", "0000")):
                yield Found(found.start("it"), found.end("it"), "passport", _digits(found["it"]))


def credit_codes(text: str) -> Iterator[Found]:
    """Unified social credit codes of companies (their check character decides)."""
    for start, end in _each(_CREDIT_CODE, text, lambda found: is_credit_code(found.group())):
        yield Found(start, end, "credit_code", text[start:end])


def plates(text: str) -> Iterator[Found]:
    """Number plates: three digits at the least; of six characters (new energy) D or F at an end, the others digits."""
    for found in _PLATE.finditer(text):
        plain = re.sub("[ -]", "", found.group())
        if _NOTE.fullmatch(plain[1:]):
            continue
        body = plain[2:]
        six = len(body) == 6 and body[-1] not in "挂学警港澳"
        if six and not re.fullmatch(r"[A-HJK][A-HJ-NP-Z0-9]\d{4}|\d{5}[A-HJK]", body):
            continue
        if sum(char.isdigit() for char in body) >= 3:
            yield Found(found.start(), found.end(), "plate", plain)


def chats(text: str) -> Iterator[Found]:
    """WeChat and QQ accounts behind their names; without a colon the account must hold a digit or _."""
    for found in _WECHAT.finditer(text):
        told = re.search(r"[:是为(]|号", text[found.start() : found.start("it")])
        if (told or re.search(r"[0-9_]", found["it"])) and not _NO_ACCOUNT.match(found["it"]):
            yield Found(found.start("it"), found.end("it"), "wechat", found["it"])
    for found in _QQ.finditer(text):
        yield Found(found.start("it"), found.end("it"), "qq", found["it"])


def accounts(text: str) -> Iterator[Found]:
    """Numbers of accounts behind 账号, 卡号 ...: those of companies and securities have no check digit."""
    for found in _ACCOUNT_NUMBER.finditer(text):
        yield Found(found.start("it"), found.end("it"), "account", _digits(found["it"]))
