"""vLLM's engine in its own environment, without a server: all rows are put in at once and its steps are taken."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}

import cells

CACHE_GIB = "2"  # of keys and values: what ours has at most by default


def main() -> None:
    """Time the cells."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", CACHE_GIB)
    from vllm import LLM, SamplingParams

    spec = cells.read_spec()
    longest = max(length for _, length in spec["cells"]) + spec["new"]
    most = max(rows for rows, _ in spec["cells"])
    model = LLM(
        spec["model"],
        dtype="float32",
        max_model_len=longest,
        max_num_seqs=max(4, most),
        enable_prefix_caching=False,
        disable_log_stats=True,
    )
    engine, asked = model.llm_engine, 0

    def answer(prompts: Sequence[list[int]], new: int) -> tuple[list[float], list[int]]:
        nonlocal asked
        firsts: dict[str, float] = {}
        counts: dict[str, int] = {}
        wanted = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True)
        for prompt in prompts:
            asked += 1
            engine.add_request(str(asked), {"prompt_token_ids": prompt}, wanted)
        while engine.has_unfinished_requests():
            for output in engine.step():
                firsts.setdefault(output.request_id, time.perf_counter())
                counts[output.request_id] = len(output.outputs[0].token_ids)
        return list(firsts.values()), list(counts.values())

    cells.measure(spec, answer, ("torch",))


if __name__ == "__main__":
    main()
