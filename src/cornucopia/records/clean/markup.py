"""What is left of web pages: entities, tags, addresses that lead away from the text."""

from __future__ import annotations

import html
import re

from cornucopia.records.clean.rule import PUBLISHED, Rule

_ENTITY = re.compile(r"&(?:[A-Za-z]{2,12}|#\d{2,6}|#[xX][0-9A-Fa-f]{2,5});")
_ABOUT_MARKUP = re.compile(r"html|标签|网页|前端|css|javascript|xml|转义", re.IGNORECASE)  # there tags are the subject


def _character(found: re.Match[str]) -> str:
    text = html.unescape(found.group())
    return text if text != "\x00" else ""


def _without_entities(text: str) -> str:
    """A page that was escaped twice needs it twice."""
    if _ABOUT_MARKUP.search(text):
        return text
    for _ in range(4):
        mended = _ENTITY.sub(_character, text)
        if mended == text:
            break
        text = mended
    return text


_ATTRIBUTES = (
    r"""(?:\s+[A-Za-z_:][\w:.-]{0,40}\s{0,3}=\s{0,3}(?:"[^"<>]{0,2000}"|'[^'<>]{0,2000}'|[^\s"'<>=]{1,500}))*"""
)
_BREAKS = "br|hr|p|div|li|ul|ol|tr|h[1-6]|section|article|blockquote|center|dd|dt|dl|header|footer|pre"
_INLINE = (
    "span|font|strong|em|img|sub|label|small|big|ins|del|mark|input|button|iframe|meta|link|nav|body|head|html|tbody"
)
_DROPPED = re.compile(r"<(script|style)\b[^>]{0,500}>[\s\S]{0,20000}?</\1\s*>|<!--[\s\S]{0,5000}?-->", re.IGNORECASE)
_RAISED = re.compile(r"<sup>\s*([^<>]{1,20}?)\s*</sup>", re.IGNORECASE)
_PAIRED = re.compile(rf"<([abius]){_ATTRIBUTES}\s*>([^<>]{{0,500}})</\1\s*>", re.IGNORECASE)
_BREAK = re.compile(rf"[ \t]*</?(?:{_BREAKS})\b{_ATTRIBUTES}\s*/?>[ \t]*", re.IGNORECASE)
_ITEM = re.compile(rf"<li\b{_ATTRIBUTES}\s*>\s*", re.IGNORECASE)
_TAG = re.compile(rf"</?(?:{_INLINE})\b{_ATTRIBUTES}\s*/?>", re.IGNORECASE)


def _without_tags(text: str) -> str:
    """Blocks become lines, raised figures keep their meaning (10<sup>2</sup> is 10^2), the rest goes."""
    if _ABOUT_MARKUP.search(text):
        return text
    text = _RAISED.sub(r"^\1", _DROPPED.sub("", text))
    for _ in range(4):  # one inside another
        text, count = _PAIRED.subn(r"\2", text)
        if not count:
            break
    text = _ITEM.sub("\n- ", _TAG.sub("", text))
    return re.sub(r"\n{3,}", "\n\n", _BREAK.sub("\n", text)).strip("\n")


_ADDRESS = r"(?:https?://|www\.)[A-Za-z0-9\-._~:/?#@!$&*+,;=%]{3,2000}"
_OFFICIAL = r"(?!\S{0,60}\b(?:gov|edu)\.cn\b)"
_ALONE = re.compile(rf"^[ \t]*{_OFFICIAL}{_ADDRESS}[ \t]*$\n?", re.MULTILINE)
_DEEP = r"(?:https?://|www\.)[A-Za-z0-9\-._:]{3,100}/[A-Za-z0-9\-._~:/?#@!$&*+,;=%]{1,2000}"  # a page, no site
_BRACKETED = re.compile(rf"(?<!\])[ ]?[(（【]\s*{_OFFICIAL}{_DEEP}\s*[)）】]")
_INTRODUCED = re.compile(
    rf"(?:[，,；;]?\s*(?:更多[^，。；\n]{{0,10}}|详情|详见|原文)?(?:请?(?:见|看|点击|访问|戳))?"
    rf"(?:链接|网址|地址|原文|出处|来源)[：:]\s*){_OFFICIAL}{_ADDRESS}"
)
_SAYS = re.compile(r"[\u4e00-\u9fff]|[A-Za-z]{2,} [A-Za-z]{2,}")


def _without_addresses(text: str) -> str:
    """Those that stand alone, in brackets or behind 链接：; one that a sentence needs (请登录 www...) stays."""
    left = _ALONE.sub("", _INTRODUCED.sub("", _BRACKETED.sub("", text)))
    return left if _SAYS.search(left) else text  # a list of addresses is what is asked about


ENTITIES = Rule("entities", "HTML 实体变回字符（&nbsp; &amp; &#8220; ...）", _without_entities, odd="&")
TAGS = Rule("tags", "去掉残留的 HTML 标签，块变成换行；HTML 表格不动", _without_tags, odd="<")
URLS = Rule(
    "urls",
    "去掉单独成行、括号里、「链接：」后面的网址；句子里要用到的、gov.cn 的不动",
    _without_addresses,
    phrases=r"http|www\.",
    places=PUBLISHED,
)
