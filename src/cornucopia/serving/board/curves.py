"""A run's log.jsonl as curves, its pace and the time left. Reads whatever the file holds and never raises."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

Row = dict[str, float]
MOST_BYTES = 64 * 2**20  # of a log that are read, from its end
MOST_POINTS = 600  # of a curve; more cannot be told apart on a screen
_ROWS = 8  # logged rows by which the pace is told


def read_log(path: Path) -> list[Row]:
    """The rows with a step, each number by its name; what is not finite, no number or no row is left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_BYTES))
            lines = file.read(MOST_BYTES).split(b"\n")
    except OSError:
        return []
    return [row for row in map(_row, lines) if row]


def _row(line: bytes) -> Row | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    row = {str(name): number for name, number in value.items() if _is_number(number)}
    return row if "step" in row else None


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def curves(rows: Sequence[Row], most: int = MOST_POINTS) -> dict[str, list[list[float]]]:
    """
    Args:
        rows: of `read_log`.
        most: points of one curve; where there are more, each is the mean of as many neighbours.

    Returns:
        Name -> [steps, values].
    """
    names = dict.fromkeys(name for row in rows for name in row if name not in ("step", "epoch", "tokens"))
    found = {}
    for name in names:
        points = [(row["step"], row[name]) for row in rows if name in row]
        width = math.ceil(len(points) / most)
        groups = [points[at : at + width] for at in range(0, len(points), width)]
        found[name] = [[group[-1][0] for group in groups], [_mean([y for _, y in group]) for group in groups]]
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(value / len(values) for value in values)  # each divided first: a sum may be beyond all floats


def seconds_a_step(rows: Sequence[Row]) -> float:
    """By the last rows, from their tokens and tokens a second (validation included); 0 where it cannot be told."""
    told = [row for row in rows if row.get("tokens_per_second", 0) > 0 and "tokens" in row][-_ROWS:]
    pairs = [(a, b) for a, b in pairwise(told) if b["step"] > a["step"]]
    steps = sum(b["step"] - a["step"] for a, b in pairs)
    seconds = sum(max(b["tokens"] - a["tokens"], 0) / b["tokens_per_second"] for a, b in pairs)
    return seconds / steps if steps and math.isfinite(seconds) else 0.0


def total_steps(rows: Sequence[Row], recipe: dict[str, Any]) -> int:
    """Updates of the whole run, as the recipe's steps or epochs and the log's epochs say; 0 where they do not."""
    given = recipe.get("max_steps")
    if isinstance(given, int) and given > 0:
        return given
    epochs = recipe.get("num_epochs")
    last = next((row for row in reversed(rows) if row.get("epoch", 0) > 0), None)
    if last is None or not _is_number(epochs):
        return 0
    whole = last["step"] / last["epoch"] * float(epochs)  # type: ignore[arg-type]
    return round(whole) if whole < 2**53 else 0
