"""What guessing from the prompt gains: the same answers written with it and without, by processor time.

A small model writes its own answers badly, so the answers are those of the training data: every step is computed
whole, and the token taken is the reference's. Tasks with material (summary, extraction, rewriting) beside questions.

    PYTHONPATH=src python benchmarks/inference/speculation.py [MODEL] [ROWS ...]
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from cornucopia.inference import choosing, slot_batch
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.local_engines import open_local
from cornucopia.inference.spec import EngineSpec
from cornucopia.records.read import read_records

DATA, EACH, TURNS = Path("instruction_data/fin_data.json"), 16, 3
QUOTED = "摘要"  # whose material is also taken for an answer that quotes it word by word


def main() -> None:
    """Print a line for each kind of task and number of rows."""
    torch.set_num_threads(1)
    model, counts = (sys.argv[1] if len(sys.argv) > 1 else "nano"), [int(word) for word in sys.argv[2:]] or [1, 8, 64]
    spec = {"base": model, "dtype": "float32", "device": "cpu", "template": "nano"}
    engine = open_local([EngineSpec.build(spec)])[0]
    print("| 任务 | 条数 | 不猜，毫秒/词元 | 猜 | 快多少 | 猜了 | 猜中 |")
    print("| --- |" + " ---: |" * 6)
    for name, requests in kinds().items():
        for rows in counts:
            asked = (requests * (1 + rows // len(requests)))[: max(rows, EACH)]
            times: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(TURNS):
                for speculate in times:
                    engine.speculate = speculate
                    seconds, tokens, guessed, kept = replay(engine, asked, rows)
                    times[speculate].append(seconds / tokens * 1000)
            plain, faster = (min(times[speculate]) for speculate in (False, True))
            told = f"{plain:.2f} | {faster:.2f} | {plain / faster:.2f} × | {guessed / tokens:.0%} | {kept / tokens:.0%}"
            print(f"| {name} | {rows} | {told} |", flush=True)


def kinds() -> dict[str, list[tuple[Request, str]]]:
    """Questions with their reference answers."""
    names = {}
    for line in DATA.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        names[item["id"]] = item.get("task") or {"qa": "问答", "calc": "计算"}.get(item["kind"], "")
    found: dict[str, list[tuple[Request, str]]] = defaultdict(list)
    for record in read_records(DATA).records:
        name = names.get(record.id, "")
        if name and record.golden and len(found[name]) < EACH:
            found[name].append((Request(record.id, record), record.golden))
            if name == QUOTED:
                found["逐字摘录"].append((Request(record.id, record), record.material))
    return {name: items for name, items in found.items() if len(items) >= EACH // 2}


def replay(engine: Any, asked: list[tuple[Request, str]], rows: int) -> tuple[float, int, int, int]:
    """Processor seconds of decoding, new tokens, guessed ones and those that were right; `rows` at a time."""
    answers: dict[Any, list[int]] = {}

    def reference(served: list[Any], logits: torch.Tensor) -> list[int]:
        choosing.choose(served, logits)  # the work of choosing, too
        return [answers[row][len(row.tokens)] for row in served]

    slot_batch.choose = reference  # type: ignore[attr-defined]
    seconds, all_rows, total = 0.0, [], 0
    for begin in range(0, len(asked), rows):
        batch = engine.open_batch(("slots", None))
        line = slot_batch.deque()
        for request, golden in asked[begin : begin + rows]:
            ids = engine.tokenizer(golden, add_special_tokens=False).input_ids
            row = engine.row(request, Sampling(max_new_tokens=len(ids), do_sample=False))
            answers[row] = ids
            line.append(row)
            all_rows.append(row)
        while line or batch.rows:
            batch.take(line)
            reading = any(not row.tokens for row in batch.rows)
            begun = time.process_time()
            served = batch.step()
            seconds += 0 if reading else time.process_time() - begun
            total += 0 if reading else len(served)
    slot_batch.choose = choosing.choose  # type: ignore[attr-defined]
    lookups = [row.lookup for row in all_rows if row.lookup]
    tokens = sum(len(row.tokens) - 1 for row in all_rows)
    return seconds, tokens, sum(one.guessed for one in lookups), sum(one.kept for one in lookups)


if __name__ == "__main__":
    main()
