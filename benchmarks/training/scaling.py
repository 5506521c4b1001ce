"""How our cost grows with model size, document length, amount of data and LoRA rank: one thing changed at a time."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import prepare
import table

Runner = Callable[[str, dict[str, Any], argparse.Namespace], bool]
SIZES = {
    "nano": {},
    "26m": {"hidden_size": 384, "num_hidden_layers": 8, "num_attention_heads": 6, "intermediate_size": 1024},
    "110m": {},
    "340m": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 2816},
}
LENGTHS = (128, 256, 512, 1024, 2048)
DOCUMENTS = (156, 624, 2496)
RANKS = (4, 8, 32, 128)
UPDATE_TOKENS = 4096
UPDATES = 4


def scale(options: argparse.Namespace, run: Runner, spec: dict[str, Any]) -> int:
    """Run all series and print them; 0 when every run gave its line."""
    folder = options.folder / "scaling"
    results = folder / "results.jsonl"
    results.unlink(missing_ok=True)
    labels, failed = [], 0
    for label, changed in cases(folder, spec):
        if run("ours", changed | {"out": str(results.resolve())}, options):
            labels.append(label)
        else:
            failed += 1
    text = render(labels, table.read(results)) if labels else "没有一次跑完"
    (folder / "results.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if failed else 0


def cases(folder: Path, spec: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """((what is changed, its value), spec); models and data are made when their turn comes."""
    folder.mkdir(parents=True, exist_ok=True)
    common = spec | {"work": str((folder / "work").resolve()), "updates": UPDATES}
    data = _data(folder / "mixture")
    base = common | data | {"model": _model(folder, "110m")}
    for size in SIZES:
        yield ("模型", size), base | {"model": _model(folder, size)}
    for length in LENGTHS:
        count = UPDATE_TOKENS // length
        chosen = _data(folder / f"length-{length}", [length] * (count * UPDATES))
        yield (
            ("每条词元", str(length)),
            base | chosen | {"update_documents": count, "pack_documents": max(count // 2, 1)},
        )
    for documents in DOCUMENTS:
        yield ("条数", str(documents)), base | _data(folder / f"documents-{documents}", documents=documents)
    for rank in RANKS:
        yield ("LoRA 秩", str(rank)), base | {"lora_r": rank}


def render(labels: list[tuple[str, str]], rows: list[dict[str, Any]]) -> str:
    """The series as one Markdown table."""
    lines = [
        "| 改变 | 值 | 词元/秒 | 每次更新秒 | 训练中内存峰值 GiB | 开始训练前秒 |",
        "|---|---|---|---|---|---|",
    ]
    for (what, value), row in zip(labels, rows, strict=True):
        update = sum(row["seconds"]) / len(row["seconds"])
        peak = row["peak_training"] / table.GIB
        lines.append(
            f"| {what} | {value} | {table.speed(row):.0f} | {update:.2f} | {peak:.2f} | {row['start_seconds']:.1f} |"
        )
    return "\n".join(lines)


def _model(folder: Path, size: str) -> str:
    target = folder / f"model-{size}"
    if not (target / "model.safetensors").is_file():
        shape = prepare.shape_of(size if size == "nano" else "110m") | SIZES[size]
        prepare.make_model(target, shape | {"num_key_value_heads": shape["num_attention_heads"]})
    return str(target.resolve())


def _data(folder: Path, lengths: list[int] | None = None, documents: int = prepare.DOCUMENTS) -> dict[str, Any]:
    made = prepare.make_data(folder, lengths, documents=documents)
    return {"data": str(folder.resolve()), "pack_tokens": made["pack_tokens"], "pad_id": made["pad_id"]}
