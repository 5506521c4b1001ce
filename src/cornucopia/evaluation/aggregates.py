"""Figures over all questions of a task: F1 over labels and names, calibration, from what a scorer gave for each.

A pair is [wanted, found], each a list of labels or names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Pair = Sequence[Sequence[str]]
BINS = 10


def mean(values: Sequence[float]) -> float:
    """The plain mean."""
    return sum(values) / len(values)


def _by_label(pairs: Sequence[Pair]) -> dict[str, tuple[float, int]]:
    """Label -> (its F1, how often it is wanted), of the labels that are wanted."""
    wanted = Counter(label for pair in pairs for label in set(pair[0]))
    found = Counter(label for pair in pairs for label in set(pair[1]))
    both = Counter(label for pair in pairs for label in set(pair[0]) & set(pair[1]))
    return {label: (2 * both[label] / (count + found[label]), count) for label, count in wanted.items()}


def macro_f1(pairs: Sequence[Pair]) -> float:
    """The mean of the F1 of every label that is wanted anywhere."""
    scores = _by_label(pairs)
    return sum(score for score, _ in scores.values()) / len(scores) if scores else 0.0


def weighted_f1(pairs: Sequence[Pair]) -> float:
    """The F1 of every label, weighted by how often it is wanted."""
    scores = _by_label(pairs)
    total = sum(count for _, count in scores.values())
    return sum(score * count for score, count in scores.values()) / total if total else 0.0


def entity_f1(pairs: Sequence[Pair]) -> float:
    """Micro F1 over names (or triples, each as one text): those said that are wanted, of all said and all wanted."""
    said = sum(len(set(pair[1])) for pair in pairs)
    wanted = sum(len(set(pair[0])) for pair in pairs)
    both = sum(len(set(pair[0]) & set(pair[1])) for pair in pairs)
    return 2 * both / (said + wanted) if said + wanted else 1.0


def expected_calibration_error(pairs: Sequence[Sequence[float]]) -> float:
    """How far confidence is from being right, over ten equal bins of confidence (Guo et al. 2017, arXiv:1706.04599).

    Args:
        pairs: [confidence 0 to 1, 1 or 0 for right or wrong] of each question.
    """
    bins: dict[int, list[Sequence[float]]] = {}
    for pair in pairs:
        bins.setdefault(min(int(pair[0] * BINS), BINS - 1), []).append(pair)
    gaps = (abs(sum(pair[0] for pair in part) - sum(pair[1] for pair in part)) for part in bins.values())
    return sum(gaps) / len(pairs)
