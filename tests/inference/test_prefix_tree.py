"""What spans begin with in common is found, and scoring with it gives what scoring each span alone gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.inference.engine import TokenSpan
from cornucopia.inference.prefix_tree import Node, prefix_tree
from tiny_models import open_engines

few = st.integers(4, 6)


@st.composite
def spans(draw):
    heads = draw(st.lists(st.lists(few, min_size=1, max_size=60), min_size=1, max_size=4))
    made = []
    for _ in range(draw(st.integers(1, 14))):
        ids = [*draw(st.sampled_from(heads)), *draw(st.lists(few, min_size=1, max_size=5))]
        begin = draw(st.integers(0, len(ids)))
        made.append(TokenSpan(ids, begin, draw(st.integers(0, len(ids)))))
    return made


def walk(node: Node, parent=()):
    yield node, parent
    for child in node.children:
        yield from walk(child, node.ids)


@given(spans())
def test_every_span_hangs_once_below_tokens_it_begins_with_and_may_share(asked):
    places = []
    for node, parent in walk(prefix_tree(asked)):
        assert node.ids[: node.start] == parent and len(node.ids) >= node.start
        for leaf in node.leaves:
            assert leaf.ids[: len(node.ids)] == node.ids
            for place, span in leaf.spans:
                places.append(place)
                assert tuple(span.ids[: span.end - 1]) == leaf.ids and span.begin - 1 >= len(node.ids)
    wanted = [i for i, span in enumerate(asked) if 0 < span.begin < span.end <= len(span.ids)]
    assert sorted(places) == wanted


def test_options_of_one_question_share_it_and_questions_share_their_examples():
    head = list(range(4, 44))
    asked = [TokenSpan([*head, q, 7, q, *range(50, 60), option], 53, 54) for q in (61, 62, 63, 64) for option in (8, 9)]
    root = prefix_tree(asked)
    (child,) = root.children
    assert list(child.ids) == head and not root.leaves
    assert sorted(len(leaf.spans) for leaf in child.leaves) == [2, 2, 2, 2]


def test_scores_are_those_of_each_span_alone(tiny, adapter):
    for engine in open_engines(tiny, [None, adapter], template="fin_template", dtype="float32"):
        head = list(range(10, 60))
        tails = [[70, 71, 72], [70, 71, 73, 74], [80], [81, 82, 83, 84, 85], [70, 71, 72]]
        asked = [
            TokenSpan([*head, *tail], len(head) - 2 * (place == 3), len(head) + len(tail))
            for place, tail in enumerate(tails)
        ]
        asked += [TokenSpan([9, *range(20, 90), last], 71, 72) for last in (5, 6, 7)]
        asked += [TokenSpan([5], 1, 1), TokenSpan([5, 6], 1, 2)]
        together = engine.score(asked)
        for span, score in zip(asked, together, strict=True):
            (alone,) = engine.score([span])
            assert (score.tokens, score.greedy) == (alone.tokens, alone.greedy)
            assert score.nats == pytest.approx(alone.nats, rel=1e-4, abs=1e-4)
        assert together[0] == together[4] and together[-2].tokens == 0
