"""Kill -9 `cornucopia infer` at random points, resume it, and compare with an uninterrupted run, byte for byte.

    python benchmarks/kill_infer.py --model base_models/nano --data instruction_data/infer.json --kills 20

Each time the command is started anew and killed between the first and the last answer of what is left. After each
kill every answer that was there before must still be there, unchanged and once. `--fork` loads the model once and
kills forked children instead of whole commands: the same files, without paying for a start each time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    """Run the trial; 0 when nothing was lost, doubled or changed."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        reference, out = Path(folder) / "a.jsonl", Path(folder) / "b.jsonl"
        start = _forked(options) if options.fork else _command(options)
        if _wait(start(reference)) != 0:
            return _fail("the uninterrupted run failed")
        kills = _kill_often(start, out, reference, options)
        if kills is None:
            return 1
        if _wait(start(out)) != 0:
            return _fail("the last run failed")
        if out.read_bytes() != reference.read_bytes():
            return _fail("the resumed result differs from the uninterrupted one")
    print(f"ok: {kills} kills, {options.total} rows, identical")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--batch-tokens", type=int, default=1500, help="small: many batches, many points to die at")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--fork", action="store_true")
    options = parser.parse_args()
    options.total = 0
    return options


def _kill_often(start: Callable[[Path], int], out: Path, reference: Path, options: argparse.Namespace) -> int | None:
    """Kill and resume; the number of kills that hit a running process, or None when an answer was lost."""
    generator = random.Random(options.seed)
    options.total = len(_rows(reference, options))
    hits, tries, before = 0, 0, {}
    while hits < options.kills and tries < options.kills * 3:
        tries += 1
        if len(before) >= options.total:  # all answered: begin anew, to be killed again
            out.unlink()
            before = {}
        pid = start(out)
        _until_more_than(out, generator.randrange(len(before), options.total), pid)
        time.sleep(generator.random() * 0.01)
        os.kill(pid, signal.SIGKILL)
        hits += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        after = _rows(out, options)
        if any(after.get(key) != row for key, row in before.items()):
            _fail(f"an answer was lost or changed by kill {hits}")
            return None
        before = after
        print(f"kill {hits}: {len(after)}/{options.total} rows", flush=True)
    return hits


def _rows(path: Path, options: argparse.Namespace) -> dict[str, str]:
    """Whole lines by key; a doubled key ends the trial."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    rows = {json.loads(line)["key"]: line.decode() for line in lines}
    if len(rows) != len(lines):
        raise SystemExit(_fail(f"{len(lines) - len(rows)} doubled rows"))
    return rows


def _until_more_than(out: Path, count: int, pid: int) -> None:
    """Wait until the file has more than `count` lines, or the process has ended."""
    while (out.read_bytes().count(b"\n") if out.exists() else 0) <= count:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.002)


def _command(options: argparse.Namespace) -> Callable[[Path], int]:
    words = [sys.executable, "-m", "cornucopia", "infer", options.data, "--model", options.model, "--device", "cpu"]
    for name in ("max_new_tokens", "batch_tokens", "temperature"):
        words += [f"--{name}", str(getattr(options, name))]

    def start(out: Path) -> int:
        return subprocess.Popen([*words, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid

    return start


def _forked(options: argparse.Namespace) -> Callable[[Path], int]:
    from cornucopia.inference.batch import AnswerFile, answer_all, make_tasks
    from cornucopia.inference.engine import Sampling
    from cornucopia.inference.transformers_engine import open_engines
    from cornucopia.records.read import read_records

    (engine,) = open_engines(options.model, [None], batch_tokens=options.batch_tokens, device="cpu")
    sampling = Sampling(max_new_tokens=options.max_new_tokens, temperature=options.temperature)
    tasks = make_tasks(read_records(options.data, rejects=False), sampling)

    def start(out: Path) -> int:
        pid = os.fork()
        if pid == 0:
            answer_all(engine, tasks, AnswerFile(out, engine.describe(sampling)))
            os._exit(0)
        return pid

    return start


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _fail(message: str) -> int:
    print(f"FAILED: {message}", flush=True)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
