"""Clean, redact, exact and near duplicates end to end: `cornucopia data build` beside datatrove and datasketch.

    python3 -m venv runs/bench/peers && runs/bench/peers/bin/pip install "datatrove[processing]" datasketch   # once
    PYTHONPATH=src python benchmarks/data/run.py                       # 10,000 and 100,000 records, three rounds
    PYTHONPATH=src python benchmarks/data/run.py --sizes 1000000 --only ours --rounds 1

The same file for everybody, in turn, each in processes of its own; two workers. Wall time from start to finished
files, imports included; memory is the largest sum of the resident sizes of a run's processes (shared pages count
once a process). Nothing else should run on the machine; the load before each run is told. Of ours, `stages` is the
rate of the steps alone, as if nothing were read and written: the work of clean, redact and deduplicate shared by two
workers, and what is decided over all in one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import make
import psutil

HERE = Path(__file__).resolve().parent
_PARTS = 8  # files that datatrove is given, so that its tasks are even
_RECIPE = """output_dir: {out}
workers: 2
sources: [{{kind: records, path: {data}}}]
steps: [clean, redact, {{deduplicate: {{scope: question+answer, threshold: 0.8}}}}]
output: {{format: openai}}
"""


def main() -> int:
    """Run what was asked for and print the table; 1 when a run failed."""
    options = _options()
    names = options.only.split(",") if options.only else ["ours", "datatrove", "datasketch"]
    peers = options.peers / "bin" / "python"
    if not peers.is_file() and names != ["ours"]:
        print(f'没有 {peers}：同行不跑。安装：python3 -m venv {options.peers} && {options.peers}/bin/pip install '
              '"datatrove[processing]" datasketch')  # fmt: skip
        names = ["ours"]
    results: list[dict[str, Any]] = []
    for size in options.sizes:
        data = options.folder / f"{size}.jsonl"
        if not data.is_file():
            make.write(size, data)
        for number in range(options.rounds):
            for name in names if number % 2 == 0 else reversed(names):
                if name != "datasketch" or size <= options.datasketch_most:
                    results.append(one(name, size, data, options.folder, peers))
                    print(json.dumps(results[-1], ensure_ascii=False), flush=True)
    (options.folder / "results.json").write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
    print(table(results))
    return int(any(result["code"] for result in results))


def one(name: str, size: int, data: Path, folder: Path, peers: Path) -> dict[str, Any]:
    """One run: seconds, memory, and what became of the planted duplicates."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = prepared(name, data, work, peers)
    load = os.getloadavg()[0]
    began = time.perf_counter()
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        peak = watched(process)
    seconds = time.perf_counter() - began
    row = {"name": name, "records": size, "code": process.returncode, "seconds": round(seconds, 2)}
    row |= {"per_second": round(size / seconds), "peak_mb": round(peak / 2**20), "load": round(load, 1)}
    if not process.returncode:
        row |= found(name, data, work)
    if not process.returncode and name == "ours":
        row["stages"] = round(size / stage_seconds(work / "out" / "timings.json"))
    shutil.rmtree(work, ignore_errors=True)
    return row


def prepared(name: str, data: Path, work: Path, peers: Path) -> list[str]:
    """The command, with the files it needs in place; that is not timed."""
    if name == "ours":
        (work / "recipe.yaml").write_text(_RECIPE.format(out=work / "out", data=data.resolve()), encoding="utf-8")
        return [sys.executable, "-m", "cornucopia", "data", "build", str(work / "recipe.yaml")]
    if name == "datasketch":
        return [str(peers), str(HERE / "peers" / "datasketch_run.py"), str(data), str(work / "kept.jsonl")]
    parts = work / "parts"
    parts.mkdir()
    files = [(parts / f"{number}.jsonl").open("w", encoding="utf-8") for number in range(_PARTS)]
    with data.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            files[number % _PARTS].write(line)
    for file in files:
        file.close()
    return [str(peers), str(HERE / "peers" / "datatrove_run.py"), str(parts), str(work)]


def stage_seconds(timings: Path) -> float:
    """Seconds that the steps take with two workers, without reading and writing."""
    told = json.loads(timings.read_text(encoding="utf-8"))
    work = sum(spent for label, spent in told["work_seconds"].items() if label[0].isdigit())
    return work / told["workers"] + sum(one.get("decide_seconds", 0) for one in told["passes"])


def watched(process: psutil.Popen) -> int:
    """Wait for the end; the largest sum of resident sizes of the process and its children, in bytes."""
    peak = 0
    while process.poll() is None:
        total = 0
        for one_ in [process, *process.children(recursive=True)]:
            try:
                total += one_.memory_info().rss
            except psutil.Error:
                continue
        peak = max(peak, total)
        time.sleep(0.1)
    return peak


def found(name: str, data: Path, work: Path) -> dict[str, Any]:
    """Of the planted duplicates, the share that went; of the others, how many went for a duplicate."""
    if name == "ours":
        rows = _rows(work / "out" / "dropped.jsonl")
        gone = {row["record"]["extra"]["source_id"] for row in rows if row["stage"].endswith("deduplicate")}
    else:
        files = (work / "kept").glob("*.jsonl") if name == "datatrove" else [work / "kept.jsonl"]
        kept = {row["id"] for file in files for row in _rows(file)}
        gone = {row["id"] for row in _rows(data) if row["id"] not in kept}
    count, went = Counter[str](), Counter[str]()
    clusters: dict[str, list[str]] = {}
    for row in _rows(data):
        count[row["kind"]] += 1
        clusters.setdefault(row["of"] or row["id"], []).append(row["id"])
    for members in clusters.values():  # one of each cluster stays: which one is the system's choice
        missing = sum(member in gone for member in members)
        went["duplicate"] += min(missing, len(members) - 1)
        went["alone"] += max(missing - (len(members) - 1), 0)
    planted = count["exact"] + count["near"]
    return {"found": round(went["duplicate"] / max(planted, 1), 4), "wrong": went["alone"]}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def table(results: list[dict[str, Any]]) -> str:
    """Medians by size and system, with ratios to ours."""
    lines = ["| 条数 | 系统 | 秒（中位） | 最快–最慢 | 条/秒 | 只算三步 | 倍数 | 内存峰值 MB | 找到的重复 | 误删 |"]
    lines.append("| ---: | --- " + "| ---: " * 8 + "|")
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for result in results:
        if not result["code"]:
            groups.setdefault((result["records"], result["name"]), []).append(result)
    for (size, name), some in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] != "ours", item[0][1])):
        seconds = [result["seconds"] for result in some]
        middle = statistics.median(seconds)
        ours = [result["seconds"] for result in groups.get((size, "ours"), [])]
        ratio = f"{middle / statistics.median(ours):.1f}" if ours else ""
        span = f"{min(seconds):.1f}–{max(seconds):.1f}"
        peak = statistics.median(result["peak_mb"] for result in some)
        share = statistics.median(result["found"] for result in some)
        wrong = some[0]["wrong"]
        rate = f"{size / middle:,.0f} | "
        rate += f"{statistics.median(result['stages'] for result in some):,.0f}" if name == "ours" else ""
        lines.append(
            f"| {size:,} | {name} | {middle:.1f} | {span} | {rate} | {ratio} | {peak:,.0f} | {share:.1%} | {wrong} |"
        )
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="ours,datatrove,datasketch")
    parser.add_argument("--peers", type=Path, default=Path("runs/bench/peers"), help="virtual environment of the peers")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench/data"))
    parser.add_argument("--datasketch-most", type=int, default=100_000, help="records it is run for at most")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
