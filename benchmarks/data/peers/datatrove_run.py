"""datatrove: FTFY and PII formatters, then its four MinHash steps, on two workers.

Its shingles are words; Chinese words need a segmenter that would be most of the time, so they are made characters here
(5 of them, as ours), and numbers are left as they are. 21 bands of 6 are our bands at a threshold of 0.8.

    python datatrove_run.py PARTS_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
)
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.text import TextNormConfig, simplify_text

CONFIG = MinhashConfig(n_grams=5, num_buckets=21, hashes_per_bucket=6, norm_config=TextNormConfig(norm_numbers=False))
WORKERS = 2


class Characters(MinhashDedupSignature):
    """Signatures over n-grams of characters."""

    def get_shingles(self, text: str) -> np.ndarray:
        text, size = simplify_text(text, self.config.norm_config).replace(" ", ""), self.config.n_grams
        hashes = [self._hash_func(text[at : at + size]) for at in range(max(len(text) - size + 1, 1))]
        return np.fromiter(hashes, dtype=np.uint64).reshape((-1, 1))


def joined(self: object, data: dict, path: str, place: int | str) -> dict:
    """A row as a document."""
    text = f"{data['instruction']}\n{data['output']}"
    return {"text": text, "id": data["id"], "metadata": {"kind": data["kind"]}}


def main() -> None:
    parts, out = Path(sys.argv[1]), Path(sys.argv[2])
    work, count = out / "work", len(list(parts.glob("*.jsonl")))

    def run(steps: list, tasks: int) -> None:
        LocalPipelineExecutor(
            steps, tasks=tasks, workers=min(WORKERS, tasks), logging_dir=str(work / f"log{run.n}")
        ).run()
        run.n += 1

    run.n = 0

    def read() -> list:
        return [JsonlReader(str(parts), adapter=joined), FTFYFormatter(), PIIFormatter()]

    run([*read(), Characters(str(work / "sigs"), CONFIG)], count)
    run([MinhashDedupBuckets(str(work / "sigs"), str(work / "buckets"), config=CONFIG)], CONFIG.num_buckets)
    run([MinhashDedupCluster(str(work / "buckets"), str(work / "remove"), config=CONFIG)], 1)
    run([*read(), MinhashDedupFilter(str(work / "remove")), JsonlWriter(str(out / "kept"), compression=None)], count)


if __name__ == "__main__":
    main()
