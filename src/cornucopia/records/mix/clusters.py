"""Vectors that come a block at a time -> clusters of alike ones, in memory that their number does not change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 512  # vectors compared at a time
_LOOSER = 0.9  # factor on the similarity that is asked for, once there are too many centres


class Clusters:
    """Centres found greedily: a vector that is like none of them becomes the next (the streaming form of the k-center
    problem: Charikar et al., "Incremental clustering and dynamic information retrieval", STOC 1997). When there are
    too many, less similarity is asked for and centres that are then alike become one.

    Args:
        most: centres kept.
        similarity: cosine from which a vector belongs to a centre, to begin with.
    """

    def __init__(self, most: int, similarity: float) -> None:
        self.most, self.similarity = most, similarity
        self._centres = np.zeros((0, 0), np.float32)
        self._number = np.zeros(0, np.int64)  # of the cluster of each centre
        self._joined: list[int] = []  # of each cluster, the one it went into

    def add(self, vectors: NDArray[np.int8]) -> NDArray[np.int64]:
        """The cluster of each vector; one of an earlier answer may since have become part of another: see `final`."""
        found = np.empty(len(vectors), np.int64)
        for start in range(0, len(vectors), _BLOCK):
            block = _unit(vectors[start : start + _BLOCK])
            found[start : start + len(block)] = self._add(block)
            while len(self._centres) > self.most:
                self._loosen()
        return found

    def final(self, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Clusters as they are in the end, of numbers that `add` gave."""
        root = np.arange(len(self._joined))
        for number in range(len(self._joined) - 1, -1, -1):  # a cluster goes into an earlier one
            root[number] = self._joined[number]
        while len(root) and not np.array_equal(root, root[root]):
            root = root[root]
        return root[found] if len(root) else found

    def _add(self, block: NDArray[np.float32]) -> NDArray[np.int64]:
        number = np.full(len(block), -1, np.int64)
        if len(self._centres):
            likeness = block @ self._centres.T
            best = likeness.argmax(1)
            near = likeness[np.arange(len(block)), best] >= self.similarity
            number[near] = self._number[best[near]]
        left = np.flatnonzero(number < 0)
        among = block[left] @ block[left].T
        fresh: list[int] = []
        for place, index in enumerate(left):
            likeness_to_fresh = among[place, fresh] if fresh else np.zeros(0, np.float32)
            if len(fresh) and likeness_to_fresh.max() >= self.similarity:
                number[index] = number[left[fresh[int(likeness_to_fresh.argmax())]]]
            else:
                number[index] = len(self._joined)
                self._joined.append(len(self._joined))
                fresh.append(place)
        if fresh:
            made = block[left[fresh]]
            self._centres = np.concatenate([self._centres, made]) if len(self._centres) else made
            self._number = np.concatenate([self._number, number[left[fresh]]])
        return number

    def _loosen(self) -> None:
        """Ask for less similarity, and join centres that are then alike to the earliest of them."""
        self.similarity *= _LOOSER
        kept: list[int] = []
        for index in range(len(self._centres)):
            likeness = self._centres[kept] @ self._centres[index] if kept else np.zeros(0, np.float32)
            if len(kept) and likeness.max() >= self.similarity:
                self._joined[self._number[index]] = int(self._number[kept[int(likeness.argmax())]])
            else:
                kept.append(index)
        self._centres, self._number = self._centres[kept], self._number[kept]


def _unit(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    whole = vectors.astype(np.float32)
    return whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-9)
