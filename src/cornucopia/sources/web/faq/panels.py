"""Questions and answers that a page keeps in containers of their own: details, dl, accordions, classes, tables.

What each finds is put to a vote of its group: a list of terms or a row of tabs is no list of questions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cornucopia.sources.web.blocks import cells_of, is_data_table, one_line, text_of
from cornucopia.sources.web.faq.pair import BARE_QUESTION, QUESTION_MARK, Pair, is_question, leads_away, made_pair

_MAJORITY = 0.5  # share of questions that makes a group one of questions
_LINKED = 0.7  # share of an element's characters within links, from which on it is a menu


def _words(names: str, more: str) -> re.Pattern[str]:
    """Class names of which one of these is a word, or which hold `more`."""
    return re.compile(rf"(?:^|[\s_-])(?:{names})(?:$|[\s_-]|\d)|{more}", re.I)


_ASKS = _words("questions?|quest|qst|ask|wen|wenti|tiwen|q|que|qtitle", r"faq[_-]*(?:title|head|q)|[a-z]Question")
_REPLIES = _words("answers?|ans|reply|da|daan|huida|a|response", r"faq[_-]*(?:content|body|text|a\b)|[a-z]Answer")
_FOLDS = r"(?:accordion|collaps|colla|toggle|faq|panel|expand|fold)[\w-]*?"
_FOLD_HEAD = re.compile(rf"{_FOLDS}(?:title|head|button|trigger|label|tit)", re.I)
_FOLD_BODY = re.compile(
    rf"{_FOLDS}(?:content|body|text|detail|cont|wrap|con\b)|(?:^|\s)(?:collapse|panel)(?:\s|$)", re.I
)
_ABOUT_FAQ = re.compile(
    r"(?<![a-z])faqs?(?![a-z])|(?<![a-z])q[_-]?(?:&|and)[_-]?a(?![a-z])|常见问题|常見問題|问答|問答|问题解答|答疑|热点问题|帮助中心",
    re.I,
)
_HEAD_COLUMN = re.compile(r"问题?|提问|常见问题|问题描述|questions?|q", re.I)
_ANSWER_COLUMN = re.compile(r"答案?|回答|答复|解答|回复|处理办法|answers?|a", re.I)


class Found(NamedTuple):
    """What may be a pair.

    Args:
        start: the element that the question begins in.
        group: the element that holds it with its like.
        question, answer: their texts.
        body: the element that the answer lies in.
        sure: whether the page itself calls them question and answer.
    """

    start: Any
    group: Any
    question: str
    answer: str
    body: Any
    sure: bool = False


def panel_pairs(root: Any) -> Iterator[tuple[Found, Pair]]:
    """Each pair with where it was found, one kind of container after another."""
    for shape, find in _FINDERS:
        groups: dict[Any, list[Found]] = {}
        for found in find(root):
            groups.setdefault(found.group, []).append(found)
        for group, members in groups.items():
            for found in _voted(group, members, shape):
                pair = made_pair(found.question, found.answer, shape)
                if pair and not _is_menu(found.body):
                    yield found, pair


def _voted(group: Any, members: list[Found], shape: str) -> list[Found]:
    if len(members) < 2 and shape == "panel" and not is_about_faq(group):
        return []
    asked = [one for one in members if one.sure or is_question(one.question) or QUESTION_MARK.match(one.question)]
    if len(asked) > _MAJORITY * len(members) or (asked and is_about_faq(group)):
        return members
    return asked if shape != "dl" else []


def _is_menu(body: Any) -> bool:
    """Whether nearly all of an element's text is links: a table of contents, a list of articles."""
    size = len("".join(body.itertext()).strip())
    return sum(len("".join(link.itertext()).strip()) for link in body.iter("a")) > _LINKED * size


def is_about_faq(element: Any) -> bool:
    """Whether an element, or one around it, is named as a list of questions, or the page is."""
    while element is not None:
        if _ABOUT_FAQ.search(f"{element.get('class') or ''} {element.get('id') or ''}"):
            return True
        root, element = element, element.getparent()
    titles = (one_line(found) for found in root.iter("h1"))
    return any(_ABOUT_FAQ.search(title) for title in (root.findtext(".//title") or "", *titles))


def _details(root: Any) -> Iterator[Found]:
    for element in root.iter("details"):
        summary = next(element.iterchildren("summary"), None)
        if summary is not None and next(element.iterdescendants("details"), None) is None:
            yield Found(element, element.getparent(), one_line(summary), _without(element, summary), element)


def _without(element: Any, part: Any) -> str:
    """The element's text after its child `part`."""
    from copy import deepcopy

    rest = deepcopy(element)
    inner = rest[element.index(part)]
    inner.clear(keep_tail=True)
    return text_of(rest)


def _lists(root: Any) -> Iterator[Found]:
    for group in root.iter("dl"):
        asked: list[Any] = []
        answers: list[Any] = []
        for element in group.iterdescendants("dt", "dd"):
            if next(element.iterancestors("dl"), None) is not group:
                continue
            if element.tag == "dt":
                if answers:
                    yield _term(group, asked, answers)
                    asked, answers = [], []
                asked.append(element)
            elif asked:
                answers.append(element)
        if asked and answers:
            yield _term(group, asked, answers)


def _term(group: Any, asked: list[Any], answers: list[Any]) -> Found:
    question, answer = " ".join(map(one_line, asked)), "\n\n".join(map(text_of, answers))
    return Found(asked[0], group, question, answer, group)


def _controlled(root: Any) -> Iterator[Found]:
    """Buttons that open a panel by its id: WAI-ARIA accordions, Bootstrap's, links to an anchor in the page."""
    ids = {element.get("id"): element for element in root.iter() if isinstance(element.tag, str) and element.get("id")}
    seen = set()
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        link = element.get("href") or ""
        target = element.get("aria-controls") or element.get("data-bs-target") or element.get("data-target")
        target = (target or (link if link.startswith("#") else "")).lstrip("#")
        panel = ids.get(target)
        if panel is None or panel in seen or panel is element or panel in element.iterancestors():
            continue
        question, answer = one_line(element), text_of(panel)
        if link and not is_question(question):
            continue
        if answer.partition("\n")[0].strip("# *") == question:  # the panel repeats its question
            answer = answer.partition("\n")[2]
        if question and answer.strip():
            seen.add(panel)
            yield Found(element, _above(element, panel), question, answer, panel)


def _above(element: Any, panel: Any) -> Any:
    """What holds this pair and its siblings: the parent of the nearest element around both."""
    around = set(panel.iterancestors())
    both = next((one for one in element.iterancestors() if one in around), element)
    parent = both.getparent()
    return both if parent is None or parent.tag == "html" else parent


def _classes(root: Any) -> Iterator[Found]:
    """Elements whose class says question, followed by one whose class says answer, within the same container."""
    for element in root.iter():
        if not isinstance(element.tag, str) or not _ASKS.search(element.get("class") or "") or leads_away(element):
            continue
        if any(
            _ASKS.search(child.get("class") or "") for child in element.iterdescendants() if isinstance(child.tag, str)
        ):
            inner = [
                c for c in element.iterdescendants() if isinstance(c.tag, str) and _REPLIES.search(c.get("class") or "")
            ]
            if inner or not BARE_QUESTION.fullmatch(_first_text(element)):
                continue
        answer = _following(element, _ASKS, _REPLIES)
        if answer is not None:
            yield Found(element, answer.getparent(), _asked_line(element), text_of(answer), answer, sure=True)


def _folded(root: Any) -> Iterator[Found]:
    """Accordions that only their classes tell: a title, a body after it."""
    for element in root.iter():
        if isinstance(element.tag, str) and _FOLD_HEAD.search(element.get("class") or "") and not leads_away(element):
            body = _following(element, _FOLD_HEAD, _FOLD_BODY)
            if body is not None:
                yield Found(element, _above(element, body), one_line(element), text_of(body), body)


def _asked_line(element: Any) -> str:
    """The element's text on one line, a Q that is an icon apart."""
    text, first = one_line(element), _first_text(element)
    return f"{first}：{text[len(first) :].lstrip('：: ')}" if BARE_QUESTION.fullmatch(first) and text != first else text


def _first_text(element: Any) -> str:
    return next((text.strip() for text in element.itertext() if text.strip()), "")


def _following(element: Any, asks: re.Pattern[str], replies: re.Pattern[str]) -> Any:
    """The next element in the page's order, up to three levels out, whose class says that it replies; None where one
    that asks comes first."""
    for _ in range(3):
        for sibling in element.itersiblings():
            for one in sibling.iter() if isinstance(sibling.tag, str) else ():
                name = (one.get("class") or "") if isinstance(one.tag, str) else ""
                if replies.search(name) and not asks.search(name):
                    return one
                if asks.search(name):
                    return None
        element = element.getparent()
        if element is None or element.tag in ("body", "html"):
            return None
    return None


def _tables(root: Any) -> Iterator[Found]:
    for table in root.iter("table"):
        rows = cells_of(table)
        if len(rows) < 2 or not is_data_table(table):
            continue
        head = [one_line(cell) for cell in rows[0]]
        ask = next((i for i, text in enumerate(head) if _HEAD_COLUMN.fullmatch(text)), None)
        reply = next((i for i, text in enumerate(head) if _ANSWER_COLUMN.fullmatch(text) and i != ask), None)
        body, sure = rows[1:], ask is not None and reply is not None
        if ask is None or reply is None:
            width = max(map(len, rows))
            if width not in (2, 3):
                continue
            ask, reply, body = width - 2, width - 1, rows
            texts = [one_line(row[ask]) for row in rows if len(row) > reply]
            if sum(map(is_question, texts)) < 0.6 * len(rows):
                continue
        for row in body:
            if len(row) > max(ask, reply):
                yield Found(row[ask], table, one_line(row[ask]), text_of(row[reply]), table, sure)


def _repeated(root: Any) -> Iterator[Found]:
    """Boxes of one kind beside each other, each a short part and a longer one; or such parts by turns without boxes."""
    for parent in root.iter():
        boxes = [child for child in parent if isinstance(child.tag, str) and child.tag not in ("tr", "td", "th", "br")]
        kinds = [(child.tag, child.get("class") or "") for child in boxes]
        if len(boxes) < 2:
            continue
        if len(set(kinds)) == 1:
            for box in boxes:
                parts = [part for part in box if isinstance(part.tag, str) and one_line(part)]
                if len(parts) == 2 and not (box.text or "").strip() and _is_question_over(parts):
                    yield Found(parts[0], parent, one_line(parts[0]), text_of(parts[1]), parts[1])
        elif len(set(kinds)) == 2 and len(boxes) > 3 and kinds == kinds[:2] * (len(kinds) // 2) and kinds[0][1]:
            for ask, reply in zip(boxes[::2], boxes[1::2], strict=True):
                if _is_question_over([ask, reply]):
                    yield Found(ask, parent, one_line(ask), text_of(reply), reply)


def _is_question_over(parts: list[Any]) -> bool:
    """Whether a line stands over a text, and the text holds no boxes of this kind itself."""
    question = one_line(parts[0])
    if len(question) > 120 or leads_away(parts[0]):
        return False
    return parts[1].tag not in ("a", "button", "i", "span") and question != one_line(parts[1])


_FINDERS: tuple[tuple[str, Callable[[Any], Iterator[Found]]], ...] = (
    ("details", _details),
    ("dl", _lists),
    ("table", _tables),
    ("class", _classes),
    ("panel", _controlled),
    ("panel", _folded),
    ("panel", _repeated),
)
