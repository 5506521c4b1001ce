"""TRL's side: SFTTrainer, padded or packed (best-fit decreasing), LoRA or full, in its own virtual environment.

    runs/bench/venvs/trl/bin/python benchmarks/training/peers/trl_run.py spec.json

It gets token ids and labels. Packing is TRL's own `pack_dataset`, called on each group of documents, so that its packs
hold the same documents as everybody's. Gradient checkpointing, on by default there, is off: it would only cost time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import clock


def main() -> None:
    """Run one spec; the clock writes its line."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    clock.install(spec)
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTTrainer

    rank = spec["lora_r"]
    lora = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(spec["model"], dtype=getattr(torch, spec["dtype"])),
        args=arguments(spec),
        train_dataset=documents(spec),
        processing_class=AutoTokenizer.from_pretrained(spec["model"]),
        peft_config=None if spec["mode"] == "full" else lora,
    )
    if spec["setting"].endswith("+layers"):
        sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "src"))
        from cornucopia.training.run.fast import speed_up_layers

        print(speed_up_layers(trainer.model, packed=True))
    trainer.train()


def documents(spec: dict[str, Any]) -> Any:
    """The documents as a dataset, packed group by group when the setting says so."""
    from datasets import Dataset
    from trl.data_utils import pack_dataset

    lines = (Path(spec["data"]) / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    dataset = Dataset.from_list([json.loads(line) for line in lines])
    if spec["setting"] == "padded":
        return dataset
    return pack_dataset(dataset, spec["pack_tokens"], "bfd", {"batch_size": spec["pack_documents"]})


def arguments(spec: dict[str, Any]) -> Any:
    """SFTConfig of a spec."""
    from trl import SFTConfig

    packing = spec["setting"] != "padded"
    batch = 1 if packing else spec["padded_batch"]
    held = spec["pack_documents"] if packing else spec["padded_batch"]
    return SFTConfig(
        output_dir=str(Path(spec["work"]) / "trl"),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=spec["update_documents"] // held,
        max_steps=spec["updates"],
        max_length=spec["pack_tokens"],
        packing=packing,
        dataset_kwargs={"skip_prepare_dataset": True},
        shuffle_dataset=False,
        train_sampling_strategy="sequential",
        learning_rate=spec["learning_rate"],
        lr_scheduler_type="constant",
        warmup_steps=0,
        optim="adamw_torch",
        bf16=spec["dtype"] == "bfloat16",
        use_cpu=True,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed=spec["seed"],
        disable_tqdm=True,
    )


if __name__ == "__main__":
    main()
