"""LLaMA-Factory's side: its own sft workflow, padded or neat_packing, in its own virtual environment.

    runs/bench/venvs/llamafactory/bin/python benchmarks/training/peers/llamafactory_run.py spec.json

It gets the rendered text with special tokens written out and its `empty` template, and arrives at the same token ids.
In pretraining its documents end by themselves, and its packing joins them into blocks that see each other.
`preprocessing_batch_size` is the size of a group, so that its packs hold the same documents as everybody's;
`cutoff_len` is just above the longest group, so that the padding it adds to each pack is as small as can be.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import clock

os.environ.setdefault("DISABLE_VERSION_CHECK", "1")  # its pins want torchvision and torchaudio, which no text needs


def main() -> None:
    """Run one spec; the clock writes its line."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(spec["work"]) / "llamafactory"
    shutil.rmtree(folder, ignore_errors=True)  # it refuses an output folder that is not empty
    folder.mkdir(parents=True)
    entry = {"bench": {"file_name": str(Path(spec["data"]).resolve() / "rendered.json"), "formatting": "alpaca"}}
    (folder / "dataset_info.json").write_text(json.dumps(entry), encoding="utf-8")
    clock.install(spec)
    from llamafactory.train.tuner import run_exp

    run_exp(arguments(spec, folder))


def arguments(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe of a spec, as in LLaMA-Factory's YAML."""
    packing = "packing" in spec["setting"]
    held = spec["pack_documents"] if packing else spec["padded_batch"]
    return {
        "stage": "pt" if spec["mode"] == "pretrain" else "sft",
        "do_train": True,
        "model_name_or_path": spec["model"],
        "finetuning_type": "full" if spec["mode"] == "full" else "lora",
        "lora_rank": spec["lora_r"],
        "lora_alpha": 2 * spec["lora_r"],
        "lora_dropout": 0.0,
        "lora_target": "q_proj,v_proj",
        "dataset": "bench",
        "dataset_dir": str(folder),
        "template": "empty",
        "cutoff_len": cutoff(spec["pack_tokens"]),
        "packing": packing,
        "neat_packing": spec["setting"].startswith("neat_packing"),
        # in pretraining it cuts each batch of documents into whole blocks and leaves out the rest
        "preprocessing_batch_size": 1000 if spec["mode"] == "pretrain" else spec["pack_documents"],
        "overwrite_cache": True,
        "disable_shuffling": True,
        "disable_gradient_checkpointing": not spec["setting"].endswith("checkpointing"),
        "flash_attn": "sdpa",
        "per_device_train_batch_size": 1 if packing else spec["padded_batch"],
        "gradient_accumulation_steps": spec["update_documents"] // held,
        "max_steps": spec["updates"],
        "learning_rate": spec["learning_rate"],
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "optim": "adamw_torch",
        "bf16": spec["dtype"] == "bfloat16",
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "output_dir": str(folder / "out"),
        "seed": spec["seed"],
        "disable_tqdm": True,
    }


def cutoff(tokens: int) -> int:
    """The least cutoff_len that holds `tokens` and works: a pack holds cutoff_len - 1 tokens and one of padding; its
    collator pads rows to a multiple of 8 but not their position_ids, so that any other length is a size mismatch."""
    return -(-(tokens + 1) // 8) * 8


if __name__ == "__main__":
    main()
