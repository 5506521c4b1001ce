"""Speed of answering: our engine beside Transformers' generate, llama.cpp and vLLM, on models of random weights.

    PYTHONPATH=src python benchmarks/inference/run.py            # nano and 110 M, all systems, two rounds
    PYTHONPATH=src python benchmarks/inference/run.py --quick    # nano, 1 and 64 rows, prompts of 32 tokens
    PYTHONPATH=src python benchmarks/inference/run.py --table    # the last results once more

Every system and model is a process of its own, with the same threads, in alternating order. What is not installed is
skipped, and that is told. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import shapes
import table

HERE = Path(__file__).resolve().parent
NEW = 64  # tokens of each answer
SYSTEMS = ("transformers", "llama_cpp:f16", "llama_cpp:q8_0", "vllm", "ours", "ours:int8")
ADAPTERS = ("ours:1", f"ours:{shapes.ADAPTERS}")  # rows of one adapter, and of all of them
CELLS = {  # rows x tokens of a prompt; 64 x 512 of the larger model takes a minute a system
    "nano": ((1, 32), (16, 32), (64, 32), (1, 512), (16, 512), (64, 512)),
    "110m": ((1, 32), (16, 32), (64, 32), (1, 512), (16, 512)),
}
QUICK = ((1, 32), (64, 32))
WITH_ADAPTERS = ((16, 32), (64, 32))
LIMIT = 600  # seconds of one process


def main() -> int:
    """Run what was asked for and print the table; 1 when a process failed."""
    options = _options()
    results = options.folder / "results.jsonl"
    if options.table:
        print(table.render(table.read(results)))
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    results.unlink(missing_ok=True)
    names, failed = present(options), 0
    wanted = options.models.split(",")
    made = {name: shapes.make(name, options.folder / name) for name in wanted}
    for number in range(options.rounds):
        for shape in wanted:
            for name in names if number % 2 == 0 else reversed(names):
                cells = cells_of(name, shape, options)
                spec = {**made[shape], "model_name": shape, "cells": cells, "out": str(results.resolve())}
                failed += not run_one(name, spec, options)
    text = table.render(table.read(results))
    results.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if failed else 0


def cells_of(name: str, shape: str, options: argparse.Namespace) -> list[list[int]]:
    """What a system is timed at."""
    if options.cells:
        wanted = [tuple(map(int, cell.split("x"))) for cell in options.cells.split(",")]
    else:
        wanted = list(QUICK if options.quick else CELLS[shape])
    if name in ADAPTERS:
        wanted = [cell for cell in wanted if cell in WITH_ADAPTERS]
    return [list(cell) for cell in wanted]


def present(options: argparse.Namespace) -> list[str]:
    """The systems asked for that are installed; the others are told."""
    names = options.only.split(",") if options.only else [*SYSTEMS, *ADAPTERS]
    missing = {}
    if not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("gguf")):
        missing["llama_cpp"] = '没有 xllamacpp 或 gguf：pip install -e ".[gguf]"'
    if not vllm_python().is_file():
        missing["vllm"] = "没有设 CORNUCOPIA_VLLM（vLLM 自己的环境里的命令 vllm，见 docs/infer.md）"
    if not importlib.util.find_spec("bitsandbytes"):
        missing["ours:int8"] = "没有 bitsandbytes"
    kept = [name for name in names if name not in missing and name.partition(":")[0] not in missing]
    for name, reason in missing.items():
        if any(one == name or one.partition(":")[0] == name for one in names):
            print(f"不跑 {name}：{reason}", file=sys.stderr)
    return kept


def vllm_python() -> Path:
    """Python of the environment in which the vLLM command lies."""
    return Path(os.environ.get("CORNUCOPIA_VLLM") or "vllm").expanduser().parent.absolute() / "python"


def run_one(name: str, spec: dict[str, Any], options: argparse.Namespace) -> bool:
    """One process to its end, its whole output in a log beside the results. True when every cell gave its line."""
    if not spec["cells"]:
        return True
    system, _, setting = name.partition(":")
    own = system == "ours"
    script = HERE / "ours_run.py" if own else HERE / "peers" / f"{system}_run.py"
    python = str(vllm_python()) if system == "vllm" else sys.executable
    label = f"{spec['model_name']}-{name.replace(':', '-')}"
    path = options.folder / f"{label}.json"
    spec = {**spec, "name": name, "setting": setting, "new": NEW, "threads": options.threads}
    path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    out = Path(spec["out"])
    before, load, began = table.lines(out), os.getloadavg()[0], time.monotonic()
    with path.with_suffix(".log").open("w", encoding="utf-8") as log:
        words, variables = [python, str(script), str(path)], environment(options, own)
        try:
            code = subprocess.run(words, stdout=log, stderr=log, env=variables, check=False, timeout=LIMIT).returncode
        except subprocess.TimeoutExpired:
            code = -1
    done = code == 0 and table.lines(out) == before + len(spec["cells"])
    state = "完成" if done else f"失败（{code}），见 {log.name}"
    took = time.monotonic() - began
    print(f"{spec['model_name']} {name}：{state}，{took:.0f} 秒，开始时负载 {load:.1f}", file=sys.stderr, flush=True)
    return done


def environment(options: argparse.Namespace, own: bool) -> dict[str, str]:
    """The same threads for everybody; a peer does not see our packages."""
    left_out = set() if own else {"PYTHONPATH", "VIRTUAL_ENV"}
    variables = {key: value for key, value in os.environ.items() if key not in left_out}
    return variables | {
        "OMP_NUM_THREADS": str(options.threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="只跑 nano，1 条和 64 条，提示 32 个词元，两遍；不跑 vLLM")
    parser.add_argument("--models", default="", help="逗号分隔：nano,110m")
    parser.add_argument("--cells", default="", help="条数x提示的词元，逗号分隔，如 1x32,64x512")
    parser.add_argument("--rounds", type=int, default=2, help="每个系统轮流跑几遍")
    parser.add_argument("--only", default="", help=f"逗号分隔：{','.join((*SYSTEMS, *ADAPTERS))},transformers:16")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="各系统的线程数")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench/inference"), help="模型和结果放哪里")
    parser.add_argument("--table", action="store_true", help="只把已有的结果再打印一遍")
    options = parser.parse_args()
    options.models = options.models or ("nano" if options.quick else "nano,110m")
    if options.quick and not options.only:  # vLLM compiles when it starts: most of the time would be that
        options.only = ",".join(name for name in (*SYSTEMS, *ADAPTERS) if name != "vllm")
    return options


if __name__ == "__main__":
    sys.exit(main())
