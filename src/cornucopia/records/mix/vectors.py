"""Texts as short vectors by which alike ones are told: hashed character trigrams, numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.fold import fold, gram_hashes
from cornucopia.records.schema import Record

WIDTH = 128  # numbers of a vector, one byte each
_GRAM = 3
_MOST = 1_000  # characters of a text that are looked at
_AT_ONCE = 1_000  # texts worked on at a time
_SCALE = 127


def text_of(record: Record) -> str:
    """What is compared: the question with its material, then the answer; or the document."""
    if record.text:
        return record.text[:_MOST]
    half = _MOST // 2
    return record.question[:half] + record.material[: half // 2] + record.golden[:half]


def vectors(records: Sequence[Record]) -> NDArray[np.int8]:
    """(records, WIDTH): the signed hashing trick (Weinberger et al., ICML 2009) on character trigrams, each
    counted once, scaled to length 127; the cosine of two is near that of their sets. An empty text is all zeros.
    """
    texts = [text_of(record) for record in records]
    parts = [_vectors(texts[start : start + _AT_ONCE]) for start in range(0, len(texts), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros((0, WIDTH), np.int8)


def _vectors(texts: list[str]) -> NDArray[np.int8]:
    hashes, bounds = gram_hashes(fold(texts), _GRAM)
    owner = np.repeat(np.arange(len(texts)), np.diff(bounds))
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    fresh = np.ones(len(hashes), bool)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    hashes, owner = hashes[fresh], owner[fresh]
    place = owner * WIDTH + (hashes % np.uint64(WIDTH)).astype(np.int64)
    sign = np.where((hashes >> np.uint64(32)) & np.uint64(1), 1.0, -1.0)
    sums = np.bincount(place, sign, len(texts) * WIDTH).reshape(len(texts), WIDTH)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.round(sums / np.maximum(length, 1e-9) * _SCALE).clip(-_SCALE, _SCALE).astype(np.int8)
