"""The surveys of all shards -> which records go, for which others, and which answer the same question differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cornucopia.core.jsonl import write_json
from cornucopia.records.duplicates.gather import Gathered, Rows, gathered
from cornucopia.records.duplicates.near import near
from cornucopia.records.duplicates.settings import DeduplicateConfig

DECISIONS = "decisions"  # a file a shard: what goes and why, one line a record
CLUSTERS = "clusters.json"
_LARGEST = 20
_RULES = ("exact", "near", "conflict")


def decision_file(folder: Path, shard: int) -> Path:
    """Where the decisions of a shard are written."""
    return folder / DECISIONS / f"{shard:05}.jsonl"


def decide(known: Sequence[Path], surveys: Sequence[Path], folder: Path, config: DeduplicateConfig) -> None:
    """Write a decision file a shard and the sizes of the clusters.

    Args:
        known: survey files of the existing set.
        surveys: a survey file a shard.
        folder: of the stage.
        config: its settings.
    """
    with gathered(known, surveys, folder / "gathered") as all_:
        by_rank = _by_rank(all_)
        rule = np.zeros(len(all_), np.int8)  # 1 + place in _RULES of those that go
        for_ = np.full(len(all_), -1, np.int64)  # the record that each goes for
        similarity = np.ones(len(all_), np.float32)
        rows, heads = _doubled(all_.exact, by_rank, np.ones(len(all_), np.bool_))
        rows, heads = rows[rows >= all_.known], heads[rows >= all_.known]
        rule[rows], for_[rows] = 1, heads
        if all_.bands:
            apart = all_.question if config.scope == "question" else None
            found = near(all_, by_rank, (rule == 0) & (all_.exact > 0), apart, config.threshold)
            rule[found.row], for_[found.row], similarity[found.row] = 2, found.kept, found.similarity
        group = _conflicts(all_, by_rank, rule == 0)
        rows, heads = _settled(all_, group, config.keep)
        rule[rows], for_[rows] = 3, heads
        _write(all_, len(known), rule, for_, similarity, group, folder)
        write_json(folder / CLUSTERS, _clusters(rule, for_, group))


def _by_rank(all_: Gathered) -> Rows:
    """All rows, the one to be kept first: those of the existing set, then by score, then in their order."""
    score = np.where(np.isnan(all_.score), -np.inf, all_.score)
    score[: all_.known] = np.inf
    return np.argsort(-score, kind="stable")


def _doubled(hashes: NDArray[np.uint64], by_rank: Rows, alive: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """(rows, the first of equal hash by rank for each), of rows that are not first; a hash of 0 is equal to none."""
    rows = by_rank[alive[by_rank] & (hashes[by_rank] > 0)]
    rows = rows[np.argsort(hashes[rows], kind="stable")]
    first = np.diff(hashes[rows], prepend=np.uint64(0)) != 0
    heads = rows[first][np.cumsum(first) - 1]
    return rows[~first], heads[~first]


def _conflicts(all_: Gathered, by_rank: Rows, alive: NDArray[np.bool_]) -> Rows:
    """Of each row, the first row of its question if that has several answers; -1 otherwise."""
    group = np.full(len(all_), -1, np.int64)
    rows, heads = _doubled(all_.question, by_rank, alive & (all_.answer > 0))
    unlike = np.isin(heads, heads[all_.answer[rows] != all_.answer[heads]])
    group[rows[unlike]] = group[heads[unlike]] = heads[unlike]
    return group


def _settled(all_: Gathered, group: Rows, keep: str) -> tuple[Rows, Rows]:
    """(rows, the one kept for each), of the conflicting rows that go; those of the existing set never do."""
    rows = np.flatnonzero(group >= 0)
    if keep == "all" or not len(rows):
        return rows[:0], rows[:0]
    worth: dict[str, Any] = {
        "first": np.zeros(len(rows)),
        "longest": all_.length[rows].astype(np.float64),
        "best": np.where(np.isnan(all_.score[rows]), -np.inf, all_.score[rows]),
    }
    rows = rows[np.lexsort((rows, -worth[keep], group[rows]))]
    first = np.diff(group[rows], prepend=-1) != 0
    heads = rows[first][np.cumsum(first) - 1]
    gone = ~first & (rows >= all_.known)
    return rows[gone], heads[gone]


def _write(
    all_: Gathered,
    known_files: int,
    rule: NDArray[np.int8],
    for_: Rows,
    similarity: NDArray[np.float32],
    group: Rows,
    folder: Path,
) -> None:
    decision_file(folder, 0).parent.mkdir(parents=True, exist_ok=True)
    start = all_.known
    for shard, count in enumerate(all_.counts[known_files:]):
        rows = start + np.flatnonzero((rule[start : start + count] > 0) | (group[start : start + count] >= 0))
        kept, first = all_.names(np.maximum(for_[rows], 0)), all_.names(np.maximum(group[rows], 0))
        lines = []
        for place, row in enumerate(rows.tolist()):
            line: dict[str, Any] = {"row": row - start}
            if rule[row]:
                line |= {"rule": _RULES[rule[row] - 1], "kept": kept[place]}
                line |= {"similarity": round(float(similarity[row]), 3)}
            if group[row] >= 0:
                line |= {"question": int(group[row])}
                line |= {"known": first[place]} if group[row] < all_.known else {}
            lines.append(orjson.dumps(line) + b"\n")
        decision_file(folder, shard).write_bytes(b"".join(lines))
        start += count


def _clusters(rule: NDArray[np.int8], for_: Rows, group: Rows) -> dict[str, Any]:
    """How many records went for each rule, and how large the clusters are (the one that stays counted in)."""
    sizes = np.unique(for_[rule > 0], return_counts=True)[1] + 1
    conflicts = np.unique(group[group >= 0], return_counts=True)[1]
    return {
        "dropped": {name: int((rule == place).sum()) for place, name in enumerate(_RULES, 1)},
        "clusters": len(sizes),
        "sizes": {str(size): count for size, count in sorted(Counter(sizes.tolist()).items())},
        "largest": sorted(sizes.tolist(), reverse=True)[:_LARGEST],
        "conflicts": len(conflicts),
        "conflict_sizes": {str(size): count for size, count in sorted(Counter(conflicts.tolist()).items())},
    }
