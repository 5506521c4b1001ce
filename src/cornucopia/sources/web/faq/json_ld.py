"""schema.org Questions in JSON-LD (FAQPage, QAPage, anywhere in a @graph), as sites really write it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

from cornucopia.sources.web.blocks import text_of
from cornucopia.sources.web.faq.pair import Pair, made_pair, same_text
from cornucopia.sources.web.links import licence_name
from cornucopia.sources.web.tree import parse_html

_WRAP = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/)|(?://\s*)?(?:-->|\]\]>)\s*(?:\*/)?\s*$"
)
_TRAILING = re.compile(r",(\s*[}\]])")
_MARKUP = re.compile(r"<[a-zA-Z/!][^>]*>|&[a-zA-Z#][a-zA-Z0-9]*;")
_DEEPEST = 60
Node = dict[str, Any]


def json_ld_nodes(root: Any) -> list[Node]:
    """Every object in a page's JSON-LD, those within others too."""
    return [node for script in root.iter("script") if _is_ld(script) for node in _nodes(_loaded(script.text or ""))]


def json_ld_pairs(root: Any) -> list[Pair]:
    """The pairs of all scripts of this kind, in order."""
    nodes = json_ld_nodes(root)
    ids = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and len(node) > 1}
    pairs = (_pair(node, ids) for node in nodes if _is_a(node, "Question"))
    return [pair for pair in pairs if pair]


def _is_ld(script: Any) -> bool:
    return (script.get("type") or "").partition(";")[0].strip().lower() == "application/ld+json"


def _loaded(text: str) -> Any:
    """The JSON, repaired where commas trail, comments wrap it or its quotes are entities; None where it is none."""
    text = _WRAP.sub("", text).strip().rstrip(";")
    for mended in (text, _TRAILING.sub(r"\1", text), _TRAILING.sub(r"\1", html.unescape(text))):
        try:
            return json.loads(mended, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _nodes(value: Any, depth: int = 0) -> Iterator[Node]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item, depth + 1)
    elif isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _nodes(item, depth + 1)


def _is_a(node: Node, kind: str) -> bool:
    found = node.get("@type") or node.get("type") or ()
    names = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return any(isinstance(name, str) and re.split("[/#:]", name)[-1] == kind for name in names)


def _get(node: Any, name: str) -> Any:
    """A property, whatever prefix its name has."""
    if not isinstance(node, dict):
        return None
    return next((value for key, value in node.items() if re.split("[/#:]", key)[-1] == name), None)


def _text(value: Any) -> str:
    """A property's text: of a list the parts, of @value what it holds; markup in it becomes text."""
    if isinstance(value, list):
        return "\n\n".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        return _text(value.get("@value") or _get(value, "text") or _get(value, "name") or "")
    text = str(value) if isinstance(value, (str, int, float)) else ""
    return plain_text(text)


def plain_text(text: str) -> str:
    """Text that may hold markup, escaped once or twice, as text."""
    for _ in range(2):
        if not _MARKUP.search(text):
            break
        if "<" not in text:
            text = html.unescape(text)
            continue
        root = parse_html(f"<div>{text}</div>")
        text = text_of(root) if root is not None else ""
    return text.strip()


def _pair(node: Node, ids: dict[str, Node]) -> Pair | None:
    answer = _best_answer(node, ids)
    if answer is None:
        return None
    name, text = _text(_get(node, "name")), _text(_get(node, "text"))
    question = name or text
    if name and text and not same_text(text).startswith(same_text(name)) and len(text) < 200:
        question = f"{name} {text}"
    elif name and len(text) > len(name) and len(text) < 200:
        question = text
    licence, date = _get(answer, "license") or _get(node, "license"), _text(_get(answer, "dateCreated"))
    named = licence_name(licence) if isinstance(licence, str) else ""
    said = date[:10] if re.match(r"\d{4}-\d\d-\d\d", date) else ""
    return made_pair(question, _text(answer), "json-ld", licence=named, date=said)


def _best_answer(node: Node, ids: dict[str, Node]) -> Any:
    """The accepted answer, or the suggested one with the most votes; an object or a text."""
    for name in ("acceptedAnswer", "suggestedAnswer"):
        value = _get(node, name)
        found = [_resolved(item, ids) for item in (value if isinstance(value, list) else [value])]
        given = [item for item in found if item and _text(item)]
        if given:
            return max(given, key=_votes)
    return None


def _resolved(item: Any, ids: dict[str, Node]) -> Any:
    return ids.get(item.get("@id", ""), item) if isinstance(item, dict) and len(item) <= 2 else item


def _votes(item: Any) -> float:
    try:
        return float(_get(item, "upvoteCount") or 0)
    except (TypeError, ValueError):
        return 0.0
