"""Which spans begin alike: a tree whose nodes hold the tokens that several spans share, so that each is computed once.

Four options of one question share the question; the questions of one subject share its worked examples. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from cornucopia.inference.engine import TokenSpan

LEAST = 8  # tokens of a beginning worth a computation of its own
SAVED = 32  # tokens that it must save in all
DEEPEST = 40


@dataclass(frozen=True)
class Leaf:
    """Inputs that end with the token before a span's last; spans with the same inputs (one-token options) share them.

    Args:
        ids: token ids from the beginning of the text.
        spans: (place in the list that was asked for, the span).
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, TokenSpan], ...]

    @property
    def own(self) -> int:
        """Tokens at the front for which no logits are needed, and which may therefore be shared."""
        return min(span.begin for _, span in self.spans) - 1


@dataclass
class Node:
    """Tokens [start, end) of `ids`, which all leaves below begin with.

    Args:
        ids: token ids up to `end`.
        start: where the parent's tokens end; the root has none and starts and ends at 0.
        leaves: computed right after this node's tokens.
        children: nodes that go on from here.
    """

    ids: tuple[int, ...] = ()
    start: int = 0
    leaves: list[Leaf] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)


def prefix_tree(spans: Sequence[TokenSpan]) -> Node:
    """The tree of all spans that have tokens to score."""
    inputs: dict[tuple[int, ...], list[tuple[int, TokenSpan]]] = {}
    for place, span in enumerate(spans):
        if 0 < span.begin < span.end <= len(span.ids):
            inputs.setdefault(tuple(span.ids[: span.end - 1]), []).append((place, span))
    root = Node()
    if inputs:
        _grow(root, [Leaf(ids, tuple(inputs[ids])) for ids in sorted(inputs)], 0, 0)
    return root


def _grow(node: Node, leaves: list[Leaf], at: int, depth: int) -> None:
    """Hang sorted `leaves`, whose first `at` tokens are equal, below `node`."""
    end = len(node.ids)
    shared = _shared(leaves, at)
    if shared - end >= LEAST and (shared - end) * (len(leaves) - 1) >= SAVED and depth < DEEPEST:
        child = Node(leaves[0].ids[:shared], end)
        node.children.append(child)
        _grow(child, leaves, shared, depth + 1)
    elif len(leaves) < 3 or depth >= DEEPEST:
        node.leaves += leaves
    else:
        for _, group in groupby(leaves, key=lambda leaf: leaf.ids[shared] if shared < leaf.own else -1 - id(leaf)):
            part = list(group)
            if len(part) == 1 or len(part) == len(leaves):
                node.leaves += part
            else:
                _grow(node, part, shared, depth + 1)


def _shared(leaves: list[Leaf], at: int) -> int:
    """How many tokens all of the sorted leaves begin with; at least `at`."""
    first, last = leaves[0].ids, leaves[-1].ids
    most = min(leaf.own for leaf in leaves)
    while at < most and first[at] == last[at]:
        at += 1
    return at
