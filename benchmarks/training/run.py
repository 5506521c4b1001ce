"""Speed and memory of a training step: ours beside TRL and LLaMA-Factory, alternately, on the same documents.

    sh benchmarks/training/peers/setup.sh            # once: a virtual environment for each peer
    PYTHONPATH=src python benchmarks/training/run.py # model and data, all runs, the table
    PYTHONPATH=src python benchmarks/training/run.py --mode full       # or pretrain: every token
    PYTHONPATH=src python benchmarks/training/run.py --scaling

Every run is a process of its own, with the same threads. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import prepare
import table
from scaling import scale

HERE = Path(__file__).resolve().parent
_PEERS = ("trl:padded", "trl:packing", "llamafactory:padded")
CONTESTANTS = {
    "lora": ("ours", "ours:small_rows", *_PEERS, "trl:packing+layers", "llamafactory:neat_packing"),
    "full": ("ours", "ours:small_rows", *_PEERS, "llamafactory:neat_packing"),
    "pretrain": ("ours", "ours:small_rows", *_PEERS, "llamafactory:packing"),
}
EXTRA = ("ours:int8", "llamafactory:neat_packing+checkpointing")  # by --only; the latter: less memory, slower


def main() -> int:
    """Run what was asked for; 0 when every run gave its line."""
    options = _options()
    folder = options.folder / options.model
    results = folder / f"results{_suffix(options)}.jsonl"
    if options.table:
        print(table.render(table.read(results)))
        return 0
    if options.scaling:
        return scale(options, run_one, base_spec(options, folder, {}))
    spec = prepared(options, folder)
    results.unlink(missing_ok=True)
    names = options.only.split(",") if options.only else list(CONTESTANTS[options.mode])
    failed = 0
    for number in range(options.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            failed += not run_one(name, spec | {"out": str(results)}, options)
        if options.mode == "lora":  # the limit counts that step's products
            failed += not run_one("limit", spec | {"out": str(results)}, options)
    text = table.render(table.read(results))
    results.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if failed else 0


def base_spec(options: argparse.Namespace, folder: Path, data: dict[str, Any]) -> dict[str, Any]:
    """What every side is told; `data` as prepare.make_data returned it."""
    return {
        "model": str(model_folder(options, folder)),
        "mode": options.mode,
        "data": str(data_folder(options, folder).resolve()),
        "work": str((folder / f"work{_suffix(options)}").resolve()),
        "updates": options.updates,
        "lora_r": 8,
        "learning_rate": 2e-5 if options.mode == "full" else 2e-4,
        "seed": 42,
        "dtype": options.dtype,
        "pack_documents": prepare.PACK_DOCUMENTS,
        "update_documents": prepare.UPDATE_DOCUMENTS,
        "padded_batch": prepare.PADDED_BATCH,
        "flags": options.ours_flags.split(),
        "pack_tokens": data.get("pack_tokens", 0),
        "pad_id": data.get("pad_id", 0),
    }


def data_folder(options: argparse.Namespace, folder: Path) -> Path:
    """Where the documents are; those of pretraining are others."""
    return folder / ("data-pretrain" if options.mode == "pretrain" else "data")


def _suffix(options: argparse.Namespace) -> str:
    return "" if options.mode == "lora" else f"-{options.mode}"


def model_folder(options: argparse.Namespace, folder: Path) -> Path:
    """Where the model is, stored in the type everybody trains in."""
    return (folder / ("model" if options.dtype == "bfloat16" else f"model-{options.dtype}")).resolve()


def prepared(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make the model (once) and the data; the spec of the runs."""
    data = prepare.make_data(data_folder(options, folder), pretrain=options.mode == "pretrain")
    model = model_folder(options, folder)
    if not (model / "model.safetensors").is_file():
        prepare.make_model(model, prepare.shape_of(options.model), options.dtype)
    limit = data["documents"] // prepare.UPDATE_DOCUMENTS
    if not 2 <= options.updates <= limit:
        raise SystemExit(f"--updates 应在 2 到 {limit} 之间：第一次更新不计时，数据只用一轮")
    print(f"模型 {options.model}；数据 {data}", file=sys.stderr)
    return base_spec(options, folder, data)


def run_one(name: str, spec: dict[str, Any], options: argparse.Namespace) -> bool:
    """One process to its end; its whole output goes to a log beside the results. True when it gave its line."""
    system, _, setting = name.partition(":")
    script = {"ours": "ours_run.py", "limit": "limit.py"}.get(system, f"peers/{system}_run.py")
    own = system in ("ours", "limit")
    python = sys.executable if own else str((options.venvs / system / "bin/python").absolute())
    work = Path(spec["work"])
    work.mkdir(parents=True, exist_ok=True)
    label = name.replace(":", "-")
    path = work / f"{label}.json"
    path.write_text(json.dumps(spec | {"name": name, "setting": setting}, ensure_ascii=False), encoding="utf-8")
    before, began = _lines(spec["out"]), time.monotonic()
    with (work / f"{label}.log").open("w", encoding="utf-8") as log:
        words = [python, str(HERE / script), str(path)]
        code = subprocess.run(words, stdout=log, stderr=log, env=environment(options, own), check=False).returncode
    done = code == 0 and _lines(spec["out"]) > before
    state = "完成" if done else f"失败，见 {log.name}"
    load = os.getloadavg()[0]
    print(f"{name}：{state}，{time.monotonic() - began:.0f} 秒，负载 {load:.1f}", file=sys.stderr, flush=True)
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


def _lines(path: str) -> int:
    file = Path(path)
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["110m", "nano"], default="110m", help="模型形状，权重随机")
    parser.add_argument("--mode", choices=list(CONTESTANTS), default="lora", help="改什么、学什么；full 是全部权重")
    parser.add_argument("--rounds", type=int, default=3, help="每个系统轮流跑几次")
    parser.add_argument("--updates", type=int, default=7, help="每次跑多少次更新，第一次不计时")
    parser.add_argument("--only", default="", help=f"逗号分隔：{','.join((*CONTESTANTS['lora'], *EXTRA))}")
    parser.add_argument("--ours-flags", default="", help="交给 cornucopia train 的其他参数，写在一对引号里")
    parser.add_argument(
        "--dtype", choices=["bfloat16", "float32"], default=prepare.best_dtype(), help="默认：CPU 有 bf16 指令才用它"
    )
    parser.add_argument("--threads", type=int, default=2, help="OMP_NUM_THREADS")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"), help="模型、数据、结果放哪里")
    parser.add_argument("--venvs", type=Path, default=Path("runs/bench/venvs"), help="同行的虚拟环境")
    parser.add_argument("--table", action="store_true", help="只把已有的结果再打印一遍")
    parser.add_argument("--scaling", action="store_true", help="只跑自己：成本随模型、长度、数据量、LoRA 秩怎样增长")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
