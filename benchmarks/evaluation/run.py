"""Multiple choice by likelihood: our engine beside lm-evaluation-harness's own Hugging Face backend, in one run.

Both answer the same YAML tasks with the same weights in float32 on the same cores, taking turns; what is compared item
by item is the option chosen. Usage:

    OMP_NUM_THREADS=2 python benchmarks/evaluation/run.py --data-dir DATA [--model DIR] [--limit 60] [--fewshot 5]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from cornucopia.core.paths import bundled_model
from cornucopia.evaluation.run import load_tasks, need_harness, run_tasks
from cornucopia.evaluation.settings import EvalSettings
from cornucopia.inference.open_engine import open_engine
from cornucopia.inference.spec import EngineSpec

RAW = {"prompt_input": "{instruction}{input}", "prompt_no_input": "{instruction}", "response_split": ""}


def main() -> None:
    """Measure and print one row of JSON a task, then the totals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--model", default=str(bundled_model()))
    parser.add_argument("--tasks", default="fineval,fineva,finre")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--fewshot", type=int, default=5)
    parser.add_argument("--batch-size", default="8", help="of the harness's backend; the best of several is fair")
    options = parser.parse_args()
    need_harness()
    settings = EvalSettings(data_dir=options.data_dir, limit=options.limit, num_fewshot=options.fewshot, plain=True)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.json"
        raw.write_text(json.dumps(RAW), encoding="utf-8")
        engine = open_engine(EngineSpec(base=options.model, template=str(raw), dtype="float32", device="cpu"))
    from lm_eval.models.huggingface import HFLM

    theirs = HFLM(pretrained=options.model, dtype="float32", device="cpu", batch_size=options.batch_size)
    totals = [0.0, 0.0]
    for task in options.tasks.split(","):
        row = _measure(task, settings, engine, theirs)
        totals = [totals[0] + row["ours_s"], totals[1] + row["theirs_s"]]
        print(json.dumps(row, ensure_ascii=False), flush=True)
    print(f"ours {totals[0]:.1f} s, lm_eval hf {totals[1]:.1f} s: {totals[1] / totals[0]:.2f} times")


def _measure(task: str, settings: EvalSettings, engine: Any, theirs: Any) -> dict[str, Any]:
    from lm_eval.evaluator import evaluate

    loaded = load_tasks([task], settings)
    start = time.perf_counter()
    found = evaluate(lm=theirs, task_dict=loaded, limit=settings.limit, bootstrap_iters=0, log_samples=True)
    middle = time.perf_counter()
    (ours,) = run_tasks(engine, [task], settings)
    end = time.perf_counter()
    samples = sorted(found["samples"][task], key=lambda sample: sample["doc_id"])
    same = sum(item.scores["acc"] == sample["acc"] for item, sample in zip(ours.items, samples, strict=True))
    return {
        "task": task, "questions": len(samples), "fewshot": settings.num_fewshot, "same": same,
        "ours_s": round(end - middle, 2), "theirs_s": round(middle - start, 2),
    }  # fmt: skip


if __name__ == "__main__":
    main()
