"""Speed and memory of DPO: ours (packed pairs) beside TRL's DPOTrainer, alternately, on the same pairs.

    PYTHONPATH=src python benchmarks/training/preference.py            # nano, the bundled pairs, three rounds
    PYTHONPATH=src python benchmarks/training/preference.py --base DIR --steps 20

Every run is a process of its own: LoRA of rank 8 on all linear layers, float32, the same pairs in every update, seconds
of the training loop alone. Nothing else should run on the machine; the load before each run is told.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONTESTANTS = ("ours", "trl", "trl:padding_free")


def main() -> int:
    """Run all, print the table."""
    options = _options()
    if options.worker:
        _worker(options)
        return 0
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTESTANTS}
    for number in range(options.rounds):
        for name in CONTESTANTS if number % 2 == 0 else reversed(CONTESTANTS):
            command = [
                sys.executable,
                __file__,
                "--worker",
                name,
                "--base",
                options.base,
                "--steps",
                str(options.steps),
            ]
            done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT)
            if done.returncode:
                print(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}")
                continue
            row = json.loads(done.stdout.strip().splitlines()[-1]) | {"load": os.getloadavg()[0]}
            rows[name].append(row)
            print(name, row, flush=True)
    _table(rows)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="nano")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", default="")
    return parser.parse_args()


def _table(rows: dict[str, list[dict[str, Any]]]) -> None:
    medians = {name: statistics.median(r["seconds"] for r in runs) for name, runs in rows.items() if runs}
    best = medians.get("ours", 0.0)
    print("| | 秒（中位） | 我们快几倍 | 内存峰值 GiB | 首末损失 |\n| --- | ---: | ---: | ---: | --- |")
    for name, runs in rows.items():
        if runs:
            memory = statistics.median(r["memory"] for r in runs)
            losses = f"{runs[-1]['first']:.3f} → {runs[-1]['last']:.3f}"
            print(f"| {name} | {medians[name]:.1f} | {medians[name] / best:.2f} | {memory:.2f} | {losses} |")


def _worker(options: argparse.Namespace) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as folder:
        made = _ours(options, folder) if options.worker == "ours" else _trl(options, folder)
    made["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(made))


def _ours(options: argparse.Namespace, folder: str) -> dict[str, float]:
    from cornucopia.training.recipe import TrainRecipe
    from cornucopia.training.run.loop import train

    recipe = TrainRecipe.build({
        "base": options.base, "objective": "dpo", "data_path": ["instruction_data/preference.json"], "beta": 0.1,
        "output_dir": folder, "template": "fin_template", "cutoff_len": 512, "batch_size": 8, "lora_r": 8,
        "lora_alpha": 16, "lora_dropout": 0, "lora_target_modules": ["all-linear"], "learning_rate": 5e-5,
        "max_steps": options.steps, "report_to": [], "dtype": "float32", "device": "cpu", "save_steps": 10_000,
        "logging_steps": 1, "overwrite": True,
    })  # fmt: skip
    result = train(recipe)
    return {"seconds": result["seconds"], "first": result["loss_first"], "last": result["loss_last"]}


def _trl(options: argparse.Namespace, folder: str) -> dict[str, float]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    from cornucopia.models.find import find_model
    from cornucopia.models.tokenizer import load_tokenizer
    from cornucopia.records.read import read_records
    from cornucopia.tokens.template import resolve_template

    base = str(find_model(options.base))
    tokenizer = load_tokenizer(base)
    template = resolve_template("fin_template", tokenizer)
    rows = []
    for record in read_records("instruction_data/preference.json", rejects=False).records:
        parts = template.segments(record, eos=tokenizer.eos_token)
        prompt = "".join(part.text for part in parts if not part.answer)
        rows.append({"prompt": prompt, "chosen": record.golden, "rejected": record.rejected[0][0].content})
    settings = DPOConfig(
        output_dir=folder, per_device_train_batch_size=8, max_steps=options.steps, learning_rate=5e-5, beta=0.1,
        logging_steps=1, report_to=[], use_cpu=True, bf16=False, max_length=512, gradient_checkpointing=False,
        save_strategy="no", disable_tqdm=True, padding_free=options.worker.endswith("padding_free"), warmup_steps=3,
    )  # fmt: skip
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), args=settings,
        train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
        peft_config=LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear"),
    )  # fmt: skip
    trainer.train()
    log = trainer.state.log_history
    losses = [float(row["loss"]) for row in log if "loss" in row]
    seconds = next(float(row["train_runtime"]) for row in log if "train_runtime" in row)
    return {"seconds": seconds, "first": losses[0], "last": losses[-1]}


if __name__ == "__main__":
    sys.exit(main())
