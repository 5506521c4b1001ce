"""llama.cpp's server within this process, by xllamacpp: all rows at once in slots of their own, continuous batching."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cells
import xllamacpp

SPARE = 16  # tokens of context beyond prompt and answer


def main() -> None:
    """Time the cells, each with as many slots as it has rows; the setting is the type of the weights."""
    spec = cells.read_spec()
    for rows, length in spec["cells"]:  # one server at a time, for each holds the model
        server = _server(spec, rows, rows * (length + spec["new"] + SPARE))
        cells.measure({**spec, "cells": [[rows, length]]}, answer_by(server), ("xllamacpp",))
        del server


def answer_by(server: Any) -> cells.Answer:
    """See cells.Answer; a thread for each row, as clients would be."""

    def ask(prompt: list[int], new: int) -> tuple[float, int]:
        moments: list[float] = []
        counts: list[int] = []

        def take(piece: dict[str, Any]) -> bool:
            moments.append(time.perf_counter())
            counts.append(piece.get("usage", {}).get("completion_tokens", 0))
            return False

        server.handle_completions(_body(prompt, new), take)
        return moments[0], max(counts)

    def answer(prompts: Sequence[list[int]], new: int) -> tuple[list[float], list[int]]:
        with ThreadPoolExecutor(len(prompts)) as threads:
            answers = list(threads.map(ask, prompts, [new] * len(prompts)))
        return [first for first, _ in answers], [count for _, count in answers]

    return answer


def _server(spec: dict[str, Any], rows: int, context: int) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = spec["gguf"][spec["setting"]]
    params.n_parallel, params.n_ctx, params.n_gpu_layers = rows, context, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = spec["threads"]
    params.verbosity = 0
    return xllamacpp.Server(params)


def _body(prompt: list[int], new: int) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "n_predict": new,
        "temperature": 0,
        "ignore_eos": True,
        "cache_prompt": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


if __name__ == "__main__":
    main()
