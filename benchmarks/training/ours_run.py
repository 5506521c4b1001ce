"""Our side: `cornucopia train`, in this process, with the clock in its Trainer.

    python benchmarks/training/ours_run.py spec.json

The command shuffles its documents by its seed; the file it gets is in the order that undoes this, so that its updates
hold the same documents as everybody's.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import clock

SMALL_ROW = 2  # documents of a packed row when memory counts more than speed


def main() -> int:
    """Run one spec; the clock writes its line."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    from cornucopia.cli.main import main as command
    from cornucopia.cli.main import set_defaults

    set_defaults()  # before the clock, which loads PyTorch
    clock.install(spec)

    folder = Path(spec["work"]) / "ours"
    shutil.rmtree(folder, ignore_errors=True)
    records = unshuffled(Path(spec["data"]), folder, spec["seed"], spec["update_documents"])
    words = ["train", "--base_model", spec["model"], "--data_path", str(records), "--output-dir", str(folder / "out")]
    words += ["--prompt_template_name", "fin_template", "--cutoff_len", "4096", "--seed", str(spec["seed"])]
    row = SMALL_ROW if spec.get("setting") == "small_rows" else spec["pack_documents"]
    words += ["--batch-size", str(spec["update_documents"]), "--micro-batch-size", str(row)]
    words += ["--max-steps", str(spec["updates"]), "--dtype", spec["dtype"], "--device", "cpu", "--report-to", "none"]
    lora = ["--lora-r", str(spec["lora_r"]), "--lora-alpha", str(2 * spec["lora_r"]), "--lora-dropout", "0"]
    words += ["--method", "full"] if spec["mode"] == "full" else lora
    words += ["--objective", "pretrain"] if spec["mode"] == "pretrain" else []
    words += ["--learning-rate", str(spec["learning_rate"]), "--lr-scheduler-type", "constant", "--warmup-ratio", "0"]
    words += ["--logging-steps", "1", "--save-steps", "100000"]
    words += ["--bits", "8"] if spec.get("setting") == "int8" else []
    return command(words + spec.get("flags", []))


def unshuffled(data: Path, folder: Path, seed: int, batch: int) -> Path:
    """The records in the order in which the command's first epoch gives back the benchmark's own order."""
    from cornucopia.training.data.batches import EpochSampler

    lines = (data / "records.jsonl").read_text(encoding="utf-8").splitlines()
    sampler = EpochSampler([1] * len(lines), seed, batch)
    sampler.set_epoch(0)
    placed = [""] * len(lines)
    for line, place in zip(lines, sampler, strict=True):
        placed[place] = line
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "records.jsonl"
    path.write_text("\n".join(placed) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    raise SystemExit(main())
