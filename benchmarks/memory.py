"""The memory estimate beside the memory that training really takes.

    python benchmarks/memory.py                    # the device that training would choose
    python benchmarks/memory.py --only full        # cases whose name has this word

Each case trains a few updates in a process of its own. On CPU the measure is the process's peak resident memory less
`planner.PROGRAM_CPU`, what the program itself takes (the first row shows it with a model of almost nothing, for which
oneDNN compiles hardly anything); on a GPU it is what PyTorch allocated at most.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cornucopia.cli.main import set_defaults

ROOT = Path(__file__).resolve().parents[1]
TINY = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 64, "vocab": 16000}
SMALL = {"hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8, "intermediate_size": 1408}  # 42 M
LARGE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 2048}  # 134 M
CASES: list[tuple[str, dict[str, int] | None, dict[str, Any]]] = [
    ("program itself", TINY, {"batch_size": 1, "cutoff_len": 64}),
    ("nano lora", None, {"batch_size": 8, "cutoff_len": 256}),
    ("nano lora, two passes", None, {"batch_size": 16, "micro_batch_size": 8, "cutoff_len": 256}),
    ("nano full", None, {"method": "full", "batch_size": 8, "cutoff_len": 256}),
    ("small lora", SMALL, {"batch_size": 4, "cutoff_len": 512}),
    ("small lora, all maps, rank 64", SMALL, {"batch_size": 4, "lora_target_modules": ["all-linear"], "lora_r": 64}),
    ("small lora, recomputed", SMALL, {"batch_size": 8, "gradient_checkpointing": True}),
    ("small full, two passes", SMALL, {"method": "full", "batch_size": 4, "micro_batch_size": 2, "cutoff_len": 256}),
    ("large lora", LARGE, {"batch_size": 4, "cutoff_len": 512}),
    ("large lora, float32", LARGE, {"batch_size": 2, "cutoff_len": 512, "dtype": "float32"}),
]


def main() -> int:
    """Run the cases and print a table; 1 if an estimate is off by more than a tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_measure(json.loads(options.child))))
        return 0
    worst = 0.0
    print(f"{'case':<32}{'estimate MiB':>14}{'measured MiB':>14}{'ratio':>8}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, sizes, settings in CASES:
            if sizes is not TINY and options.only not in name:
                continue
            row = _run(Path(folder), name, sizes, settings | {"max_steps": options.steps})
            if sizes is TINY:
                print(f"{name:<32}{'':>14}{row['peak']:>14.0f}", flush=True)
                continue
            measured = row["peak"] - row["program"]
            print(f"{name:<32}{row['estimate']:>14.0f}{measured:>14.0f}{row['estimate'] / measured:>8.2f}", flush=True)
            worst = max(worst, abs(row["estimate"] / measured - 1))
    print(f"largest deviation {worst:.0%}")
    return int(worst > 0.1)


def _run(folder: Path, name: str, sizes: dict[str, int] | None, settings: dict[str, Any]) -> dict[str, Any]:
    data = folder / "data.jsonl"
    if not data.exists():  # every record is longer than the cutoff, half of it answer: all passes are alike
        row = {"instruction": "基金净值怎么看" * 60, "input": "", "output": "看净值也看回撤" * 40}
        data.write_text((json.dumps(row, ensure_ascii=False) + "\n") * 64, encoding="utf-8")
    model = ROOT / "base_models" / "nano" if sizes is None else folder / str(sizes["hidden_size"])
    if sizes and not model.exists():
        _make(model, dict(sizes))
    settings = {"base_model": str(model), "data_path": [str(data)], "output_dir": str(folder / name)} | settings
    words = [sys.executable, __file__, "--child", json.dumps(settings | {"report_to": [], "save_steps": 1000})]
    child = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    if child.returncode:
        raise SystemExit(f"{name}: {child.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return result


def _make(folder: Path, sizes: dict[str, int]) -> None:
    """A model of random bfloat16 weights with the bundled model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    vocabulary = sizes.pop("vocab", 32000)
    config = LlamaConfig(vocab_size=vocabulary, max_position_embeddings=1024, bos_token_id=1, eos_token_id=2, **sizes)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(ROOT / "base_models" / "nano").save_pretrained(folder)


def _measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Train in this process; estimate and peak in MiB."""
    from cornucopia.training.recipe import TrainRecipe
    from cornucopia.training.run import loop as module
    from cornucopia.training.run import planner

    estimates: list[int] = []
    plain = planner.memory_of

    def memory_of(*arguments: Any) -> Any:
        estimate = plain(*arguments)
        print(estimate, file=sys.stderr)
        estimates.append(estimate.peak)
        return estimate

    planner.memory_of = memory_of
    module.train(TrainRecipe.build(settings))
    import torch

    if torch.cuda.is_available():
        return {"estimate": estimates[0] / 2**20, "peak": torch.cuda.max_memory_allocated() / 2**20, "program": 0}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"estimate": estimates[0] / 2**20, "peak": peak, "program": planner.PROGRAM_CPU / 2**20}


if __name__ == "__main__":
    set_defaults()
    raise SystemExit(main())
