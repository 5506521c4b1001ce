"""Which records are near duplicates of one that is kept: banded LSH over MinHash signatures, each pair verified.

Greedy in the order of rank: a record goes exactly when one that is kept and ranks before it is alike, so alike records
do not chain unlike ones together, and whoever is kept depends on the records and not on the order of work. Within a
bucket of the LSH a record meets the first and the WINDOW before it: a bucket of m records costs m x WINDOW, not m
squared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.duplicates.gather import Gathered, Rows
from cornucopia.records.duplicates.settings import CHANCE, accepted
from cornucopia.records.fold import Hashes

WINDOW = 8
_CHUNK = 100_000  # pairs whose signatures are held at a time
_REPAIRS = 3
_LOW = np.uint64(0xFFFFFFFF)
_WIDE = np.uint64(32)


@dataclass(frozen=True)
class Near:
    """Near duplicates: `row` goes, `kept` of the same place stays, `similarity` (estimated Jaccard) 0 to 1."""

    row: Rows
    kept: Rows
    similarity: NDArray[np.float64]


def near(all_: Gathered, by_rank: Rows, alive: NDArray[np.bool_], apart: Hashes | None, threshold: float) -> Near:
    """Find them.

    Args:
        all_: the records.
        by_rank: all rows, the one to be kept first; those of the existing set come before all others.
        alive: of each row, whether it takes part.
        apart: rows for which this is equal are no near duplicates of each other; None for no such rule.
        threshold: Jaccard similarity.
    """
    seen = np.empty(0, np.uint64)  # pairs as rank of the first << 32 | rank of the second
    pairs, alike = [np.empty(0, np.uint64)], [np.empty(0)]

    def look(codes: Hashes) -> Hashes:
        """Verify pairs not seen before; returns all seen."""
        fresh = _without(codes, seen)
        fresh = fresh[(fresh & _LOW) >= np.uint64(all_.known)]  # what is known stays whatever it is like
        first, second = by_rank[(fresh >> _WIDE).astype(np.int64)], by_rank[(fresh & _LOW).astype(np.int64)]
        if apart is not None:
            other = apart[first] != apart[second]
            fresh, first, second = fresh[other], first[other], second[other]
        similarity = _similarity(all_.signatures(), first, second) if len(fresh) else np.empty(0)
        good = similarity >= accepted(threshold)
        pairs.append(fresh[good])
        alike.append(similarity[good])
        return np.union1d(seen, fresh)

    for band in range(all_.bands):
        seen = look(_candidates(all_.band(band)[by_rank], alive[by_rank]))
    for _ in range(_REPAIRS):
        codes, similarity = np.concatenate(pairs), np.concatenate(alike)
        first, second = (codes >> _WIDE).astype(np.int64), (codes & _LOW).astype(np.int64)
        gone, kept, place = _settled(first, second, all_.known)
        # one that stays although it is like one that goes: it may be like the one for which that goes
        left = np.isin(first, gone) & ~np.isin(second, gone)
        to = kept[np.searchsorted(gone, first[left])].astype(np.uint64)
        before = len(pairs)
        seen = look(np.unique(to << _WIDE | codes[left] & _LOW))
        if not len(pairs[before]):
            break
    return Near(by_rank[gone], by_rank[kept], similarity[place])


def _candidates(values: NDArray[np.uint32], alive: NDArray[np.bool_]) -> Hashes:
    """Sorted pairs of ranks that share a bucket."""
    ranks = np.flatnonzero(alive).astype(np.uint64)
    if not len(ranks):
        return ranks
    packed = values[alive].astype(np.uint64) << _WIDE | ranks
    packed.sort()
    bucket = packed >> _WIDE
    same = bucket[1:] == bucket[:-1]
    shared = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    packed, bucket = packed[shared], bucket[shared]
    place = np.arange(len(packed))
    start = np.flatnonzero(np.diff(bucket, prepend=bucket[:1] + np.uint64(1)) != 0)
    leader = np.repeat(start, np.diff(np.append(start, len(packed))))
    rank = packed & _LOW
    found = [rank[leader[place > leader]] << _WIDE | rank[place > leader]]
    for distance in range(1, WINDOW + 1):
        later = np.flatnonzero(place - distance > leader)
        if not len(later):
            break
        found.append(rank[later - distance] << _WIDE | rank[later])
    return np.unique(np.concatenate(found))


def _without(codes: Hashes, seen: Hashes) -> Hashes:
    """Sorted codes that are not among the sorted seen ones."""
    if not len(seen):
        return codes
    place = np.minimum(np.searchsorted(seen, codes), len(seen) - 1)
    return codes[seen[place] != codes]


def _similarity(signatures: NDArray[np.uint8], first: Rows, second: Rows) -> NDArray[np.float64]:
    """Estimated Jaccard similarity of pairs of rows: the share of equal slots, less those equal by chance."""
    found = np.empty(len(first))
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        unlike = signatures[first[part]] ^ signatures[second[part]]
        equal = ((unlike & 15) == 0).sum(axis=1) + ((unlike >> 4) == 0).sum(axis=1)
        found[part] = equal / (2 * unlike.shape[1])
    return np.maximum((found - CHANCE) / (1 - CHANCE), 0)


def _settled(first: Rows, second: Rows, known: int) -> tuple[Rows, Rows, Rows]:
    """(ranks that go, the rank each goes for, place of that pair), by rank: the lexicographically first maximal
    independent set (Blelloch, Fineman and Shun, SPAA 2012), in rounds."""
    nodes, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, two = places.ravel()[: len(first)], places.ravel()[len(first) :]
    open_, kept, gone = 0, 1, 2
    state = np.where(nodes < known, kept, open_).astype(np.int8)
    left = np.arange(len(first))
    while len(left):
        state[two[left[state[one[left]] == kept]]] = gone
        left = left[(state[one[left]] == open_) & (state[two[left]] == open_)]
        waiting = np.zeros(len(nodes), np.bool_)
        waiting[two[left]] = True
        state[(state == open_) & ~waiting] = kept
    state[state == open_] = kept
    for_ = np.flatnonzero((state[one] == kept) & (state[two] == gone))
    for_ = for_[np.lexsort((one[for_], two[for_]))]
    for_ = for_[np.diff(two[for_], prepend=-1) != 0]
    return nodes[two[for_]], nodes[one[for_]], for_
