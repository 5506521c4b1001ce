"""Kill -9 `cornucopia compare` at random points, resume it, and compare with an uninterrupted run.

    python benchmarks/kill_compare.py --base nano --adapter runs/quickstart/adapter --data instruction_data/infer.json

Base and base with adapter answer the questions. After each kill every cell that was there before must still be there,
unchanged and once; in the end all cells must equal the uninterrupted run's (the measured seconds aside). `--fork` loads
the models once and kills forked children instead of whole commands.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kill_infer import _fail, _until_more_than, _wait

Cells = dict[tuple[str, str], dict[str, object]]


def main() -> int:
    """Run the trial; 0 when nothing was lost, doubled or changed."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        reference, out = Path(folder) / "whole", Path(folder) / "cut"
        start = _forked(options) if options.fork else _command(options)
        if _wait(start(reference)) != 0:
            return _fail("the uninterrupted run failed")
        whole = _cells(reference)
        kills = _kill_often(start, out, len(whole), options)
        if kills is None:
            return 1
        if _wait(start(out)) != 0:
            return _fail("the last run failed")
        if _cells(out) != whole or list(_cells(out)) != list(whole):
            return _fail("the resumed result differs from the uninterrupted one")
    print(f"ok: {kills} kills, {len(whole)} cells, identical")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--batch-tokens", type=int, default=1500, help="small: many batches, many points to die at")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--fork", action="store_true")
    return parser.parse_args()


def _kill_often(start: Callable[[Path], int], out: Path, total: int, options: argparse.Namespace) -> int | None:
    """Kill and resume; the number of kills that hit a running process, or None when a cell was lost."""
    generator, hits, tries, before = random.Random(options.seed), 0, 0, Cells()
    while hits < options.kills and tries < options.kills * 3:
        tries += 1
        if len(before) >= total:  # all answered: begin anew, to be killed again
            shutil.rmtree(out)
            before = {}
        pid = start(out)
        _until_more_than(out / "answers.jsonl", generator.randrange(len(before), total), pid)
        time.sleep(generator.random() * 0.01)
        os.kill(pid, signal.SIGKILL)
        hits += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        after = _cells(out)
        if any(after.get(key) != cell for key, cell in before.items()):
            _fail(f"a cell was lost or changed by kill {hits}")
            return None
        before = after
        print(f"kill {hits}: {len(after)}/{total} cells", flush=True)
    return hits


def _cells(folder: Path) -> Cells:
    """Whole lines by contestant and question, without the measured seconds; a doubled cell ends the trial."""
    path = folder / "answers.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []
    cells = {(row["contestant"], row["id"]): {**row, "seconds": None} for row in rows}
    if len(cells) != len(rows):
        raise SystemExit(_fail(f"{len(rows) - len(cells)} doubled cells"))
    return cells


def _contestants(options: argparse.Namespace) -> list[str]:
    return [f"base={options.base}", f"tuned={options.base}+{options.adapter}"]


def _command(options: argparse.Namespace) -> Callable[[Path], int]:
    words = [sys.executable, "-m", "cornucopia", "compare", "--questions", options.data, "--device", "cpu"]
    words += [word for contestant in _contestants(options) for word in ("--contestant", contestant)]
    for name in ("max_new_tokens", "batch_tokens", "temperature"):
        words += [f"--{name}", str(getattr(options, name))]

    def start(out: Path) -> int:
        return subprocess.Popen([*words, "--output-dir", str(out)], stdout=subprocess.DEVNULL).pid

    return start


def _forked(options: argparse.Namespace) -> Callable[[Path], int]:
    from cornucopia.comparison.recipe import CompareRecipe
    from cornucopia.comparison.run import compare
    from cornucopia.inference.transformers_engine import open_engines
    from cornucopia.records.read import read_records

    engines = open_engines(options.base, [None, options.adapter], batch_tokens=options.batch_tokens, device="cpu")
    by_name = dict(zip(("base", "tuned"), engines, strict=True))
    values = {"questions": options.data, "contestants": _contestants(options)}
    values |= {"max_new_tokens": options.max_new_tokens, "temperature": options.temperature}
    records = read_records(options.data, rejects=False).records

    def start(out: Path) -> int:
        pid = os.fork()
        if pid == 0:
            recipe = CompareRecipe.build({**values, "output_dir": str(out)})
            compare(recipe, records, lambda group, _: [by_name[contestant.name] for contestant in group])
            os._exit(0)
        return pid

    return start


if __name__ == "__main__":
    raise SystemExit(main())
