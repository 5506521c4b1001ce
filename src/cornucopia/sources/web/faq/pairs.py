"""All questions and answers of a page, each once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cornucopia.sources.web.blocks import blocks_of
from cornucopia.sources.web.faq.attributes import attribute_pairs
from cornucopia.sources.web.faq.json_ld import json_ld_pairs
from cornucopia.sources.web.faq.lines import line_pairs
from cornucopia.sources.web.faq.pair import Pair, same_text
from cornucopia.sources.web.faq.panels import is_about_faq, panel_pairs

_DECLARED = 3  # pairs that the markup declares, from which on the page's other shapes are not guessed at


def question_pairs(root: Any) -> list[Pair]:
    """Pairs that the markup declares, in its order, then those that the page's shape shows, in the page's order.

    A pair that is found twice is told once: as declared, with the answer as it is shown, where lists and tables are.

    Args:
        root: the page's tree (see tree.py), or None.
    """
    if root is None:
        return []
    declared = [*json_ld_pairs(root), *attribute_pairs(root)]
    shaped = _shaped(root)
    answers = {same_text(pair.question): pair.answer for pair in reversed(shaped)}
    found: dict[str, Pair] = {}
    for pair in declared:
        key = same_text(pair.question)
        shown = answers.get(key, "")
        if same_text(shown) == same_text(pair.answer):
            pair = replace(pair, answer=shown)
        found.setdefault(key, pair)
    guessed = shaped if len(found) < _DECLARED else ()
    for pair in guessed:
        found.setdefault(same_text(pair.question), pair)
    return list(found.values())


def _shaped(root: Any) -> list[Pair]:
    """Pairs in containers of their own, and those in the text between; in the page's order."""
    order = {element: number for number, element in enumerate(root.iter())}
    panels = list(panel_pairs(root))
    taken = {element for found, _ in panels for element in (found.start, found.body)}
    blocks = [
        block for block in blocks_of(root) if not taken.intersection([block.element, *block.element.iterancestors()])
    ]
    lines = list(line_pairs(blocks, least=1 if not panels and is_about_faq(root) else 2))
    lines = lines if not panels or len(lines) > 1 else []
    found = [(found.start, pair) for found, pair in panels] + lines
    return [pair for _, pair in sorted(found, key=lambda one: order.get(one[0], 0))]
