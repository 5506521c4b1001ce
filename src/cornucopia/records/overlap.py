"""Texts that are nearly the same, within a data set or between it and a held-out one. numpy only, no model.

Two texts are compared by the Jaccard similarity of the character 5-grams of what `sameness` compares: exactly, where
`duplicates/` estimates it for sets too large for that. Candidates come
from prefix filtering (Bayardo et al., "Scaling Up All Pairs Similarity Search", WWW 2007): texts at least `threshold`
alike share one of their rarest n-grams, so phrases that every row has cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.fold import Hashes, fold, gram_hashes, keys
from cornucopia.records.sameness import said
from cornucopia.records.schema import Record

GRAM = 5
SKETCH = 1024  # a text with more distinct n-grams is compared by its 1,024 smallest hashes
WINDOW = 32  # within one rare n-gram's list each text meets the next 32 of similar length
_BATCH = 4_000_000  # candidate pairs kept before doubles are dropped: bounds memory


@dataclass(frozen=True)
class Pair:
    """Two alike texts: positions (left in the first set, right in the second or the same), similarity 0 to 1."""

    left: int
    right: int
    similarity: float


@dataclass(frozen=True)
class Grams:
    """What is compared of some records.

    Args:
        keys: of each, a hash of its text.
        hashes: of each, the sorted distinct hashes of its n-grams, at most SKETCH of them.
    """

    keys: list[int]
    hashes: list[Hashes]


def grams_of(records: Sequence[Record]) -> Grams:
    """What `comparable` gives of each record, as n-grams."""
    parts = [[text for text in said(record) if text] for record in records]
    folded = fold(list(chain.from_iterable(parts))).joined(np.array([len(texts) for texts in parts], np.int64))
    hashes, bounds = gram_hashes(folded, GRAM)
    sets = [np.unique(hashes[a:b])[:SKETCH] for a, b in pairwise(bounds)]
    nothing = np.zeros(1, dtype=np.uint64)
    return Grams(keys(folded).tolist(), [found if len(found) else nothing for found in sets])


def near_duplicates(records: Sequence[Record], threshold: float = 0.6) -> list[Pair]:
    """Pairs within one set, most alike first. Of several equal texts each is paired with the first only."""
    return _pairs(grams_of(records), [0] * len(records), threshold)


def overlap(records: Sequence[Record], held_out: Sequence[Record] | Grams, threshold: float = 0.6) -> list[Pair]:
    """Pairs of a record and a held-out one, most alike first: what a test set has leaked into training."""
    own, other = grams_of(records), held_out if isinstance(held_out, Grams) else grams_of(held_out)
    both = Grams(own.keys + other.keys, own.hashes + other.hashes)
    pairs = _pairs(both, [0] * len(own.keys) + [1] * len(other.keys), threshold)
    return [Pair(pair.left, pair.right - len(records), pair.similarity) for pair in pairs]


def _pairs(grams: Grams, sides: list[int], threshold: float) -> list[Pair]:
    """Pairs within side 0, or, when there is a side 1, between the sides."""
    across, texts = any(sides), grams.keys
    first: dict[tuple[int, int], int] = {}
    for index, (text, side) in enumerate(zip(texts, sides, strict=True)):
        first.setdefault((text, side), index)
    equal = [
        Pair(first[text, 0], index, 1.0)
        for index, (text, side) in enumerate(zip(texts, sides, strict=True))
        if side == across and first.get((text, 0), index) != index
    ]
    rows = list(first.values())
    chosen = np.array([sides[row] for row in rows], dtype=np.int8)
    found = []
    for left, right, similarity in _similar([grams.hashes[row] for row in rows], chosen, across, threshold):
        low, high = sorted((rows[left], rows[right]))
        if texts[low] != texts[high]:
            found.append(Pair(low, high, min(round(similarity, 4), 0.9999)))  # 1 is for equal texts
    return sorted(equal + found, key=lambda pair: (-pair.similarity, pair.left, pair.right))


def _similar(
    grams: list[Hashes], sides: NDArray[np.int8], across: bool, threshold: float
) -> Iterator[tuple[int, int, float]]:
    """(left, right, similarity) of positions in `grams` at least `threshold` alike."""
    if len(grams) < 2:
        return
    sizes = np.array([len(gram) for gram in grams])
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    _, inverse, counts = np.unique(np.concatenate(grams), return_inverse=True, return_counts=True)
    by_rarity = np.empty(len(counts), dtype=np.int64)
    by_rarity[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    rank = by_rarity[inverse.ravel()]
    codes = _candidates(rank, sizes, sides, across, threshold)
    if not len(codes):
        return
    left, right = codes // len(sizes), codes % len(sizes)
    present = np.zeros(len(counts), dtype=bool)
    starts = np.flatnonzero(np.diff(left, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(left)], strict=True):
        one, others = left[start], right[start:stop]
        mine = rank[bounds[one] : bounds[one + 1]]
        present[mine] = True
        theirs = np.concatenate([rank[bounds[other] : bounds[other + 1]] for other in others])
        edges = np.concatenate([[0], np.cumsum(sizes[others])[:-1]])
        shared = np.add.reduceat(present[theirs].astype(np.int64), edges)
        present[mine] = False
        similarity = shared / (sizes[one] + sizes[others] - shared)
        for place in np.flatnonzero(similarity >= threshold):
            yield int(one), int(others[place]), float(similarity[place])


def _candidates(
    rank: NDArray[np.int64], sizes: NDArray[np.int64], sides: NDArray[np.int8], across: bool, threshold: float
) -> NDArray[np.int64]:
    """Sorted codes (left * number of texts + right) of pairs that share a rare n-gram and have fitting sizes.

    Args:
        rank: the n-grams of all texts, one text after another, numbered from the rarest.
        sizes: n-grams of each text.
        sides: 0 or 1 of each text.
        across: only pairs of different sides.
        threshold: Jaccard similarity aimed at.
    """
    owner = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((rank, owner))
    rank, owner = rank[order], owner[order]
    place = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    prefix = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    kept = place < prefix[owner]
    rank, owner = rank[kept], owner[kept]
    order = np.lexsort((sizes[owner], rank))
    rank, owner = rank[order], owner[order]
    codes, fresh = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    for distance in range(1, WINDOW + 1):
        same = np.flatnonzero(rank[:-distance] == rank[distance:])
        if not len(same):
            break
        left, right = owner[same], owner[same + distance]
        fits = sizes[left] >= threshold * sizes[right]  # within one list sizes ascend
        if across:
            fits &= sides[left] != sides[right]
        pairs = np.minimum(left, right)[fits] * len(sizes) + np.maximum(left, right)[fits]
        fresh = np.concatenate([fresh, pairs])
        if len(fresh) > _BATCH:
            codes, fresh = np.union1d(codes, fresh), fresh[:0]
    return np.union1d(codes, fresh)
