"""schema.org Questions in microdata (itemtype, itemprop) and RDFa (typeof, property)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from cornucopia.sources.web.blocks import one_line, text_of
from cornucopia.sources.web.faq.pair import Pair, made_pair


class _Syntax(NamedTuple):
    shape: str
    kind: str  # attribute that names the type and opens an item
    prop: str


_MICRODATA, _RDFA = _Syntax("microdata", "itemtype", "itemprop"), _Syntax("rdfa", "typeof", "property")


def attribute_pairs(root: Any) -> list[Pair]:
    """The pairs of both syntaxes, in order."""
    found = []
    for syntax in (_MICRODATA, _RDFA):
        for element in root.iter():
            if isinstance(element.tag, str) and "Question" in _names(element.get(syntax.kind)):
                pair = _pair(element, syntax)
                found += [pair] if pair else []
    return found


def _names(text: str | None) -> set[str]:
    return {re.split("[/#:]", word)[-1] for word in (text or "").split()}


def _pair(item: Any, syntax: _Syntax) -> Pair | None:
    answer = next(_properties(item, syntax, "acceptedAnswer"), None)
    if answer is None:
        answer = next(_properties(item, syntax, "suggestedAnswer"), None)
    if answer is None:
        answer = next((e for e in item.iterdescendants() if "Answer" in _names(e.get(syntax.kind))), None)
    name = next(_properties(item, syntax, "name"), None)
    name = next(_properties(item, syntax, "text"), None) if name is None else name
    if answer is None or name is None:
        return None
    texts = list(_properties(answer, syntax, "text")) or [answer]
    text = "\n\n".join(element.get("content") or text_of(element) for element in texts)
    return made_pair(name.get("content") or one_line(name), text, syntax.shape)


def _properties(item: Any, syntax: _Syntax, name: str) -> Iterator[Any]:
    """Elements that are this property of the item itself, not of an item inside it; those that itemref names too."""
    stack = [*_referred(item), *reversed(list(item))] if syntax is _MICRODATA else list(reversed(list(item)))
    while stack:
        element = stack.pop()
        if not isinstance(element.tag, str):
            continue
        if name in _names(element.get(syntax.prop)):
            yield element
        if element.get(syntax.kind) is None and element.get("itemscope") is None:
            stack += reversed(list(element))


def _referred(item: Any) -> list[Any]:
    names = (item.get("itemref") or "").split()
    if not names:
        return []
    root = item.getroottree().getroot()
    return [element for name in names[:20] for element in root.iter() if element.get("id") == name]
