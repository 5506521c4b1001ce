"""What every side of the benchmark does alike: the same prompts, the same clock. Standard library alone, for a peer's
own environment imports it too.

A cell is so many rows that ask at once, each a prompt of so many tokens, each answered with `new` tokens exactly.
"""

from __future__ import annotations

import importlib.metadata
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ALONE = 3  # a single row is over soon: so often, and the median
VOCABULARY = range(5, 16000)  # ids of prompts

# Prompts, new tokens -> of each row the moment of its first token (time.perf_counter), and how many it got.
Answer = Callable[[Sequence[list[int]], int], tuple[list[float], list[int]]]


def read_spec() -> dict[str, Any]:
    """What run.py asks of this process."""
    return dict(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def prompts_of(rows: int, length: int, seed: int) -> list[list[int]]:
    """Token ids of each row; no two begin alike, so that nobody's cache of prefixes helps."""
    numbers = random.Random(f"{rows} {length} {seed}")
    return [[numbers.choice(VOCABULARY) for _ in range(length)] for _ in range(rows)]


def measure(spec: dict[str, Any], answer: Answer, libraries: Sequence[str]) -> None:
    """Time every cell and add a line for each to the results.

    Raises:
        RuntimeError: a row got too few or too many tokens, so the time would compare nothing.
    """
    answer(prompts_of(4, 32, -1), 8)  # threads, kernels and buffers of the first time
    for rows, length in spec["cells"]:
        times = [_once(spec, answer, rows, length, number) for number in range(ALONE if rows == 1 else 1)]
        seconds, first = (sorted(column)[len(times) // 2] for column in zip(*times, strict=True))
        found = {"name": spec["name"], "model": spec["model_name"], "rows": rows, "prompt": length, "new": spec["new"]}
        found |= {"seconds": seconds, "first": first, "peak": peak_bytes(), "threads": spec["threads"]}
        found["versions"] = {name: importlib.metadata.version(name) for name in libraries}
        with Path(spec["out"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


def _once(spec: dict[str, Any], answer: Answer, rows: int, length: int, number: int) -> tuple[float, float]:
    """Seconds until all rows are answered, and until a row's first token on average."""
    prompts = prompts_of(rows, length, number)
    begun = time.perf_counter()
    firsts, counts = answer(prompts, spec["new"])
    seconds = time.perf_counter() - begun
    if list(counts) != [spec["new"]] * rows or len(firsts) != rows:
        raise RuntimeError(f"{rows} x {length}: {counts} tokens, {len(firsts)} first ones")
    return seconds, sum(firsts) / rows - begun


def peak_bytes() -> int:
    """The process's largest resident size so far."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")
