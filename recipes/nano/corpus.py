"""Gather the openly licensed Chinese text that the bundled model is trained on, as {"text", "source", "licence"} lines.

Usage: python recipes/nano/corpus.py PUBLIC_DATA_FOLDER OUTPUT.jsonl
PUBLIC_DATA_FOLDER holds clones (or the same files) of the public repositories named in SOURCES, one folder each.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def alpaca(path: Path) -> Iterator[str]:
    """Instruction, input and output of each row, as one text."""
    raw = path.read_text(encoding="utf-8")
    rows = (
        json.loads(raw)
        if raw.lstrip().startswith("[")
        else [json.loads(line) for line in raw.splitlines() if line.strip()]
    )
    for row in rows:
        answer = row.get("output") or row.get("chosen")
        parts = [row.get("instruction"), row.get("input"), answer]
        if isinstance(row.get("conversations"), list):
            parts = [turn["value"] for turn in row["conversations"]] + [chosen(answer)]
        elif isinstance(answer, list):
            parts[2] = answer[0]
        yield "\n".join(str(part) for part in parts if part)


def chosen(answer: Any) -> str:
    """The text of a preferred answer (a string or {"value"})."""
    return answer["value"] if isinstance(answer, dict) else str(answer or "")


def relation(path: Path) -> Iterator[str]:
    """Sentences of FinRE, 8 to a document; masked numbers are put back as random ones."""
    rng = random.Random(42)
    lines = list(dict.fromkeys(line.split("\t")[-1].strip() for line in path.read_text(encoding="utf-8").splitlines()))
    for start in range(0, len(lines), 8):
        text = "\n".join(lines[start : start + 8])
        while "<N>" in text:
            text = text.replace(
                "<N>", str(rng.choice([rng.randint(1, 9), rng.randint(10, 99), rng.randint(100, 2023)])), 1
            )
        yield text


def exam(path: Path) -> Iterator[str]:
    """Labelled multiple-choice rows: question with its right answer, and the explanation."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            key = (row.get("answer") or "").strip()
            right = row.get(key, "") if key in ("A", "B", "C", "D", "E") else key
            parts = [row.get("context"), row.get("question"), f"答案：{right}" if right else "", row.get("explanation")]
            yield "\n".join(part for part in parts if part)


def announcements(path: Path) -> Iterator[str]:
    """Every string value of each JSON line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        yield "\n".join(str(value) for value in row.values() if isinstance(value, str))


SOURCES: list[tuple[str, str, str, Callable[[Path], Iterator[str]]]] = [
    ("thunlp/Chinese_NRE", "MIT", "Chinese_NRE/data/FinRE/*.txt", relation),
    ("alipay/financial_evaluation_dataset", "CC BY 4.0", "financial_evaluation_dataset/data/**/*.csv", exam),
    ("FudanDISC/DISC-FinLLM", "Apache-2.0", "DISC-FinLLM/data/*.json", alpaca),
    ("haidizym/ssc-FinLLM", "Apache-2.0", "ssc-FinLLM/generate-data/out/*.jsonl", announcements),
    ("TongjiFinLab/CFGPT", "Apache-2.0", "CFGPT/data/*/data.jsonl", alpaca),
    ("hiyouga/LLaMA-Factory", "Apache-2.0", "LLaMA-Factory/data/*zh_demo.json", alpaca),
    (
        "hiyouga/ChatGLM-Efficient-Tuning (oasst1)",
        "Apache-2.0",
        "ChatGLM-Efficient-Tuning/data/oaast_sft_zh.json",
        alpaca,
    ),
]


def main(root: Path, output: Path) -> None:
    """Write the corpus and print what each source gave."""
    seen: set[str] = set()
    with output.open("w", encoding="utf-8") as file:
        for source, licence, pattern, read in SOURCES:
            count = characters = 0
            for path in sorted(root.glob(pattern)):
                for text in read(path):
                    key = text[:200]
                    if len(text) < 40 or key in seen:
                        continue
                    seen.add(key)
                    text = text[:4000]
                    file.write(
                        json.dumps({"text": text, "source": source, "licence": licence}, ensure_ascii=False) + "\n"
                    )
                    count, characters = count + 1, characters + len(text)
            print(f"{source}（{licence}）：{count} 篇，{characters} 字", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
