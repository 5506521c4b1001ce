"""What a task's YAML calls for its rows (`custom_dataset`), in this program and under plain `lm_eval` alike."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from cornucopia.core.console import warn
from cornucopia.core.errors import UsageError, nearest
from cornucopia.evaluation.benchmarks.benchmark import Benchmark, Row, Splits, rotated, rows_digest
from cornucopia.evaluation.benchmarks.choices import CHOICES
from cornucopia.evaluation.benchmarks.labels import LABELS
from cornucopia.evaluation.benchmarks.own import OWN
from cornucopia.evaluation.benchmarks.texts import TEXTS

BENCHMARKS: dict[str, Benchmark] = {**CHOICES, **LABELS, **TEXTS, **OWN}
VARIABLE = "CORNUCOPIA_EVAL_DATA"
EXAMPLES: dict[str, list[Row]] = {}  # worked examples of the benchmarks loaded, for sampling.py


def load(benchmark: str, data_dir: str = "", rotate: bool = False, **_: Any) -> dict[str, Any]:
    """The splits of a benchmark as Hugging Face datasets.

    Args:
        benchmark: its name in BENCHMARKS.
        data_dir: where the user put its files; by default what CORNUCOPIA_EVAL_DATA says, or the current folder.
        rotate: each choice question once for every cyclic order of its options.
        **_: what else lm_eval passes from a task's metadata.
    """
    from datasets import Dataset

    splits = read_rows(benchmark, data_dir)
    EXAMPLES[benchmark] = splits["dev"]
    if rotate and splits["test"] and "letters" in splits["test"][0]:
        splits = {**splits, "test": [turned for row in splits["test"] for turned in rotated(row)]}
    return {name: Dataset.from_list(_even(rows, benchmark)) for name, rows in splits.items()}


def read_rows(benchmark: str, data_dir: str = "") -> Splits:
    """The rows themselves, checked.

    Raises:
        UsageError: no such benchmark. DataError: its files are absent or not as published.
    """
    if benchmark not in BENCHMARKS:
        close = nearest(benchmark, BENCHMARKS)
        fix = f"最接近的是 {close}" if close else "cornucopia eval --list"
        raise UsageError("没有这个评测集", found=benchmark, fix=fix)
    folder = Path(data_dir or os.environ.get(VARIABLE) or ".")
    return _read(benchmark, folder.resolve())


@lru_cache(maxsize=64)
def _read(benchmark: str, folder: Path) -> Splits:
    one = BENCHMARKS[benchmark]
    splits = one.read(folder)
    whole = all(len(splits[name]) == published for name, published in one.counts.items() if published)
    if whole and one.digest and (found := rows_digest(splits)) != one.digest:
        warn(f"{one.title} 的题目与公布的不完全相同（校验和 {found[:12]}，公布的是 {one.digest[:12]}）")
    for name, published in one.counts.items():
        if published and len(splits[name]) != published:
            warn(f"{one.title} 的 {name} 有 {len(splits[name])} 条，公布的是 {published} 条：成绩与别人的不是同一批题")
    return splits


def _even(rows: list[Row], benchmark: str) -> list[Row]:
    """Rows with the same keys, which Arrow wants, and the name of their benchmark."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{**{key: row.get(key, "") for key in keys}, "benchmark": benchmark} for row in rows]
