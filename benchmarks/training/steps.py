"""What each part of our step gains: parts switched on one after another, all in one process, taken in turns.

Usage: PYTHONPATH=src python benchmarks/training/steps.py [--folder runs/bench/110m] [--rounds 2] [--profile]
The folder is one that run.py has prepared. The first row is the plain padded step of Transformers and PEFT with the
loss computed by this project; the output layer's trick cannot be taken apart from packed rows, so they come together.
With --profile: where the time of one update of the whole step goes, operator by operator.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from prepare import PACK_DOCUMENTS, PADDED_BATCH, UPDATE_DOCUMENTS, best_dtype
from transformers import AutoModelForCausalLM

from cornucopia.core.jsonl import read_jsonl
from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import Example
from cornucopia.training.data.batches import pack_row
from cornucopia.training.objectives.next_token import answer_loss
from cornucopia.training.run.fast import slow_down, speed_up

STEPS = (
    ("普通填充，每批 4 条", None),
    ("拼行、按文档的注意力、合并的输出层与损失", {"packed"}),
    ("LoRA 与冻结权重合并", {"packed", "lora"}),
    ("归一化不留中间值", {"packed", "lora", "norm"}),
    ("前馈层少留一份中间值", {"packed", "lora", "norm", "mlp"}),
    ("末层只算要学的位置", {"packed", "lora", "norm", "mlp", "rows"}),
    ("逐元素的运算编译成一遍", {"packed", "lora", "norm", "mlp", "rows", "compiled"}),
)


def load(folder: Path, dropout: float, dtype: torch.dtype) -> Any:
    """The prepared model with LoRA r 8 on q and v."""
    model = AutoModelForCausalLM.from_pretrained(
        folder / ("model" if dtype == torch.bfloat16 else "model-float32"), dtype=dtype
    )
    model.config.use_cache = False
    settings = LoraConfig(r=8, lora_alpha=16, lora_dropout=dropout, target_modules=["q_proj", "v_proj"])
    return get_peft_model(model, settings).train()


def switch(model: Any, parts: set[str] | None) -> None:
    """Only these parts of the fast step on."""
    slow_down(model)
    if parts is None:
        return
    speed_up(model, compiled="compiled" in parts)
    on = model.get_base_model()._fast_undo
    for name in [name for name in reversed(on) if name not in parts]:
        on.pop(name)()


def update(model: Any, optimizer: Any, rows: list[Example], packed: bool) -> None:
    """One update of the documents, as the trainer makes it."""
    items = sum(row.supervised for row in rows)
    size = PACK_DOCUMENTS if packed else PADDED_BATCH
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        half = next(model.parameters()).dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = answer_loss(model, pack_row(part) if packed else collate(part, 0), items)
        loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()


def profile(model: Any, optimizer: Any, rows: list[Example]) -> None:
    """Print the operators in which an update of the whole step spends its time itself, as shares."""
    switch(model, STEPS[-2][1])
    update(model, optimizer, rows, True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        update(model, optimizer, rows, True)
    events = sorted(found.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    print("| 算子 | 次 | 占 |\n| --- | ---: | ---: |")
    for event in events[:16]:
        print(f"| `{event.key}` | {event.count} | {event.self_cpu_time_total / whole:.1%} |")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench/110m"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument(
        "--dtype", choices=["bfloat16", "float32"], default=best_dtype(), help="默认：CPU 有 bf16 指令才用它"
    )
    parser.add_argument("--profile", action="store_true", help="只看一次更新的时间花在哪些算子里")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = load(options.folder, options.dropout, getattr(torch, options.dtype))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4, fused=True)
    documents = [Example(r["input_ids"], r["labels"]) for r in read_jsonl(options.folder / "data" / "documents.jsonl")]
    rows = documents[:UPDATE_DOCUMENTS]
    if options.profile:
        return profile(model, optimizer, rows)
    tokens = sum(len(row.input_ids) for row in rows)
    seconds: dict[str, list[float]] = {name: [] for name, _ in STEPS}
    for _ in range(options.rounds):
        for name, parts in STEPS:
            switch(model, parts)
            for number in range(3):
                began = time.perf_counter()
                update(model, optimizer, rows, parts is not None)
                if number:  # the first one compiles the products of its shapes
                    seconds[name].append(time.perf_counter() - began)
    print("| 做法 | 词元/秒（中位） | 相对上一行 |\n| --- | ---: | ---: |")
    before = None
    for name, _ in STEPS:
        speed = tokens / statistics.median(seconds[name])
        print(f"| {name} | {speed:.0f} | {'' if before is None else f'{speed / before:.2f} 倍'} |")
        before = speed


if __name__ == "__main__":
    main()
