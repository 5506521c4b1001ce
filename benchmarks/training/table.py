"""From the runs' lines to the table: medians, ratios, share of the limit, memory, whether all did the same work."""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

OURS, LIMIT = "ours", "limit"
WITH_OURS = "+layers"  # a peer with parts of ours is no peer
GIB = 2**30


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a results file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def speed(row: Mapping[str, Any]) -> float:
    """Real tokens per second of the training loop, without its first update."""
    return sum(row["tokens"][1:]) / sum(row["seconds"])


def render(rows: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown, with the machine, the versions and what was checked below it."""
    runs, limits = [r for r in rows if r["name"] != LIMIT], [r for r in rows if r["name"] == LIMIT]
    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in runs:
        by_name[row["name"]].append(row)
    speeds = {name: median(map(speed, group)) for name, group in by_name.items()}
    peers = [name for name in speeds if name.partition(":")[0] != OURS and not name.endswith(WITH_OURS)]
    best = max((speeds[name] for name in peers), default=None)
    least = min((_memory(by_name[name]) for name in peers), default=None)
    limit = median(row["limit"] for row in limits) if limits else None
    lines = [
        "| 系统 | 词元/秒（中位） | 各次 | 与最快同行比 | 占矩阵乘上限 | 训练中 GiB | 与最省同行比 | 每次更新秒 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted(speeds, key=lambda key: speeds[key]):
        lines.append(_line(name, by_name[name], (best, least, limit)))
    if limits:
        whole = median(row["with_attention"] for row in limits)
        each = _spread(row["limit"] for row in limits)
        lines.append(f"| 矩阵乘上限（含注意力 {whole:.0f}） | {limit:.0f} | {each} | | 100% | | | |")
    return "\n".join([*lines, "", *checks(runs), *_machine(runs)])


def _memory(group: Sequence[Mapping[str, Any]]) -> float:
    return median(row["peak_training"] for row in group) / GIB


def _line(name: str, group: Sequence[dict[str, Any]], beside: tuple[float | None, float | None, float | None]) -> str:
    """One system; `beside`: the fastest peer, the most frugal peer, the limit."""
    best, least, limit = beside
    value, memory = median(map(speed, group)), _memory(group)
    update = median(second for row in group for second in row["seconds"])
    ratio = f"{value / best:.2f}" if best else ""
    part = f"{memory / least:.2f}" if least else ""
    share = f"{value / limit:.0%}" if limit else ""
    spread = _spread(map(speed, group))
    return f"| {name} | {value:.0f} | {spread} | {ratio} | {share} | {memory:.2f} | {part} | {update:.2f} |"


def _spread(values: Any) -> str:
    return " ".join(f"{value:.0f}" for value in values)


def checks(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whether every run had the same tokens in each update, and how far their losses are apart."""
    if not runs:
        return []
    work = {(tuple(r["tokens"]), tuple(r["supervised"])) for r in runs}
    odd = sorted(
        {r["name"] for r in runs if r["tokens"] != runs[0]["tokens"] or r["supervised"] != runs[0]["supervised"]}
    )
    same = (
        "每次更新的词元和计入损失的词元：各系统一致"
        if len(work) == 1
        else f"注意：{'、'.join(odd)} 的词元与 {runs[0]['name']} 不同"
    )
    apart = max(max(column) - min(column) for column in zip(*(r["losses"] for r in runs), strict=False))
    first, last = runs[0]["losses"][0], runs[0]["losses"][-1]
    return [f"- {same}", f"- 同一次更新的损失最多相差 {apart:.4f}（{runs[0]['name']}：{first:.4f} → {last:.4f}）"]


def _machine(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    features = [name for name in ("amx_bf16", "amx_int8", "avx512_bf16") if name in info]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    threads = "、".join(sorted({row["threads"] for row in runs}))
    lines = [
        f"- 机器：{model or platform.processor()}，{os.cpu_count()} 核，{'、'.join(features) or '没有 bf16 指令'}，"
        f"内存 {memory:.0f} GiB，OMP_NUM_THREADS={threads}，Python {platform.python_version()}"
    ]
    for name in dict.fromkeys(row["name"].partition(":")[0] for row in runs):
        row = next(r for r in runs if r["name"].partition(":")[0] == name)
        lines.append(f"- {name}：" + "，".join(f"{key} {value}" for key, value in row["versions"].items()))
    return lines
