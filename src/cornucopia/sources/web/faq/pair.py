"""A question and its answer, and what tells a question from another line of text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

LONGEST_QUESTION = 300  # characters; a longer one is a text
LONGEST_ANSWER = 8000  # a longer one is the rest of the page
_LABELS = r"问题?|提问|客户问|投资者问?|网友问?|question|q"
_REPLIES = r"答案?|回答|答复|解答|回复|answer|a"
_NUMBER = r"\s*[（(]?\s*\d{0,3}\s*[)）]?\s*"
_AFTER = r"[】\]）)]?\s*(?:[:：.．、，｜|]|(?<=[】\]])|(?<=\d)\s)\s*"
QUESTION_MARK = re.compile(rf"^[【\[（(]?\s*(?:{_LABELS})(?P<n>{_NUMBER}){_AFTER}", re.I)
ANSWER_MARK = re.compile(rf"^[【\[（(]?\s*(?:{_REPLIES})(?P<n>{_NUMBER}){_AFTER}", re.I)
BARE_QUESTION = re.compile(r"(?:问题?|q|question)\s*\d{0,3}\s*[:：.．、]?", re.I)
BARE_ANSWER = re.compile(r"(?:答|回答|a|answer)\s*\d{0,3}\s*[:：.．、]?", re.I)
ORDINAL = re.compile(
    r"^\s*(?:[（(]?(?:\d{1,3}|[一二三四五六七八九十百]{1,4})[)）]?\s*(?:[、.．:：]|(?<=[)）]))(?!\d)|[①-⑳]|[#＃]\s)\s*"
)
CHOICES = re.compile(r"(?:^|\s)B\s*[.．、:：]")  # A. B. C.: an examination's choices, where A. begins no answer
_ASKING = re.compile(
    "什么|怎么|怎样|怎麼|甚麼|什麼|如何|为何|為何|多少|多久|多长|多大|多高|哪些|哪里|哪裡|哪个|哪种|哪家|哪儿|"
    "几[个天年次种元类]|是否|能否|可否|是不是|能不能|可不可以|可以不可以|有没有|会不会|要不要|需不需要|该不该|谁|何时|何地|何为|吗$|嗎$|呢$|么$|咋|区别$|怎么办"
)
_ENGLISH = re.compile(
    r"(how|what|why|when|where|which|who|whose|can|could|do|does|did|is|are|am|was|were|will|would|should|shall|may|must|"
    r"has|have|had)\b",
    re.I,
)
_ICONS = r"\s+＋\-–—▶►▸▼▾▲△▽◆◇●○•·»›>"  # no asterisk: *ST is a share's name
_EDGES = re.compile(rf"^[{_ICONS}]+|[{_ICONS}]+$")
_TOGGLE = re.compile(
    r"(?<=[\s？?。！!…；;）)])\s*[\[【(（]?(点击)?(展开|收起|查看答案|查看详情|更多|详情)(全部|全文)?[\]】)）]?\s*[>»›▼▲]*$"
)
_NO_QUESTION = re.compile(
    "还有(其他|别的|更多)?(问题|疑问|不明白)|没有?(找到|解决)|(对您|对你|是否)有(所)?帮助|有用吗|解决了?(您|你)的(问题|疑问)|"
    "需要(更多)?帮助吗|"
    r"(still|any( other| more)?|more|other|further) (have )?questions|need (more |any )?help|"
    r"(did ?n.t|not|can.t) find|helpful\?",
    re.I,
)
_CHOICE = re.compile(r"[-\s]*A\s*[.．、:：]")
_LOOSE = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Pair:
    """A question and its answer.

    Args:
        question: on one line, without marks or numbers.
        answer: text, lists and tables in Markdown.
        shape: how it was found: json-ld, microdata, rdfa, details, dl, panel, class, table, marks or headings.
        licence: of the answer where the markup names one, or ''.
        date: of the answer where the markup names one (YYYY-MM-DD), or ''.
    """

    question: str
    answer: str
    shape: str
    licence: str = ""
    date: str = ""


def is_question(text: str) -> bool:
    """Whether a line asks something."""
    text = text.strip().rstrip("…。.）)”」")
    if not 2 <= len(text) <= LONGEST_QUESTION:
        return False
    if text.endswith(("？", "?")):
        return True
    return bool(_ASKING.search(text) or (_ENGLISH.match(text) and len(text) > 8)) and text[-1:] not in "：:；;，,"


def clean_question(text: str) -> str:
    """The question alone: without 问：, its number, icons and 展开."""
    text = _TOGGLE.sub("", _EDGES.sub("", " ".join(text.split())))
    bare, _, rest = text.partition(" ")
    text = rest if rest and BARE_QUESTION.fullmatch(bare) else text
    for _ in range(2):  # 1. Q: and Q1: 1、 both occur
        text = ORDINAL.sub("", QUESTION_MARK.sub("", text))
    return _EDGES.sub("", text).strip()


def clean_answer(text: str) -> str:
    """The answer alone: without 答：."""
    text = text.strip() if CHOICES.search(text) else ANSWER_MARK.sub("", text.strip())
    first, _, rest = text.partition("\n")
    text = rest if rest.strip() and BARE_ANSWER.fullmatch(first.strip("- ")) else text
    return _TOGGLE.sub("", text).strip()


def made_pair(question: str, answer: str, shape: str, **more: str) -> Pair | None:
    """A pair of cleaned texts; None where one of them is empty or no such thing."""
    question, answer = clean_question(question), clean_answer(answer)
    if not (1 < len(question) <= LONGEST_QUESTION and 0 < len(answer) <= LONGEST_ANSWER):
        return None
    if same_text(question) == same_text(answer) or not same_text(answer) or _NO_QUESTION.search(question):
        return None
    if "\n" not in answer and answer.endswith(("？", "?")):  # the next line of a list of questions
        return None
    if _CHOICE.match(answer) and CHOICES.search(answer):
        return None
    return Pair(question, answer, shape, **more)


def leads_away(element: Any) -> bool:
    """Whether a question is a link to another page: that of a list of articles, whose answer is there."""
    links = [element, *element.iterancestors(), *element.iterdescendants("a")] if element is not None else []
    hrefs = (link.get("href") or "" for link in links if link.tag == "a")
    return any("#" not in href and href and not href.lower().startswith("javascript:") for href in hrefs)


def same_text(text: str) -> str:
    """What two spellings of one text share: no spaces, marks or widths."""
    return _LOOSE.sub("", unicodedata.normalize("NFKC", text)).lower()
