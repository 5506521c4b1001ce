"""From the runs' lines to the tables: medians, ratios, memory, how far the rounds are apart, the machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

OURS, PLAIN = "ours", "transformers"  # the systems that ratios are to
Groups = dict[tuple[str, int, int], list[dict[str, Any]]]  # by system and cell


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a results file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def lines(path: Path) -> int:
    """How many there are."""
    return len(read(path))


def speed(row: Mapping[str, Any]) -> float:
    """New tokens a second of all rows together, the reading of the prompts included."""
    return float(row["rows"] * row["new"] / row["seconds"])


def render(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: for each model the rates and the times to the first token, then the adapters, then the machine."""
    parts = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        parts.append(_rates(model, [row for row in own if not _dealt(row)]))
        parts.append(_adapters(model, [row for row in own if _dealt(row)]))
    return "\n\n".join([*filter(None, parts), _machine(rows)])


def _dealt(row: Mapping[str, Any]) -> bool:
    return str(row["name"]).partition(":")[2].isdigit() and row["name"].startswith(OURS)


def _grouped(rows: Sequence[dict[str, Any]]) -> Groups:
    groups: Groups = {}
    for row in rows:
        groups.setdefault((row["name"], row["rows"], row["prompt"]), []).append(row)
    return groups


def _rates(model: str, rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    groups = _grouped(rows)
    cells = sorted({(prompt, count) for _, count, prompt in groups})
    heads = " | ".join(f"{count} 条 × {prompt}" for prompt, count in cells)
    out = [f"| {model} | {heads} | 起伏 | 内存峰值 MB |", "| --- |" + " ---: |" * (len(cells) + 2)]
    for name in dict.fromkeys(row["name"] for row in rows):
        shown, spreads = [], []
        for prompt, count in cells:
            some, plain = groups.get((name, count, prompt)), groups.get((PLAIN, count, prompt))
            if some is None:
                shown.append("—")
                continue
            speeds = [speed(row) for row in some]
            spreads.append((max(speeds) - min(speeds)) / median(speeds))
            ratio = f"（{median(speeds) / median(map(speed, plain)):.2f}）" if plain and name != PLAIN else ""
            first = median(row["first"] for row in some) * 1000
            shown.append(f"{median(speeds):,.0f}{ratio} {first:,.0f} ms")
        peak = median(_peaks(rows, name)) / 2**20
        out.append(f"| {name} | {' | '.join(shown)} | {max(spreads):.0%} | {peak:,.0f} |")
    return "\n".join(out)


def _peaks(rows: Sequence[dict[str, Any]], name: str) -> list[int]:
    """The peak of each process: that of its last cells, for it only grows."""
    own = [row for row in rows if row["name"] == name]
    times = max(len(group) for group in _grouped(own).values())
    return sorted(int(row["peak"]) for row in own)[-times:]


def _adapters(model: str, rows: Sequence[dict[str, Any]]) -> str:
    """Rows of many adapters in one batch beside as many rows of one; '' without either."""
    groups = _grouped(rows)
    numbers = sorted({int(row["name"].partition(":")[2]) for row in rows})
    if len(numbers) < 2:
        return ""
    few, many = numbers[0], numbers[-1]
    out = [f"| {model} | {few} 个适配器 | {many} 个适配器 | 之比 |", "| --- | ---: | ---: | ---: |"]
    for prompt, count in sorted({(prompt, count) for _, count, prompt in groups}):
        both = [groups.get((f"{OURS}:{number}", count, prompt)) for number in (few, many)]
        if both[0] and both[1]:
            one, all_ = (median(map(speed, some)) for some in both if some)
            out.append(f"| {count} 条 × {prompt} | {one:,.0f} | {all_:,.0f} | {all_ / one:.2f} |")
    return "\n".join(out)


def _machine(rows: Sequence[Mapping[str, Any]]) -> str:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    processor = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    known = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in info]
    threads = "、".join(sorted({str(row["threads"]) for row in rows}))
    versions = {name: version for row in rows for name, version in row["versions"].items()}
    told = "，".join(f"{name} {version}" for name, version in versions.items())
    rounds = max((len(group) for group in _grouped([dict(row) for row in rows]).values()), default=0)
    return (
        "每格：新词元/秒，所有条合计，读提示在内，各遍的中位数（与 transformers generate 之比）；"
        "到第一个词元的平均时间。\n"
        f"「起伏」是各遍最快与最慢之差占中位数的最大值。共 {rounds} 遍。\n"
        f"机器：{processor}，{os.cpu_count()} 核，{'、'.join(known)}，{threads} 个线程；{told}"
    )
