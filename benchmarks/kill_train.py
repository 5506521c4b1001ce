"""Kill -9 `cornucopia train` at random points, resume it, and compare with an uninterrupted run, byte for byte.

    python benchmarks/kill_train.py --model base_models/nano --data instruction_data/fin_data.json --kills 20

Points of death: anywhere from the command's start to its end, moments while a checkpoint or the result is being
written included. After the last resumption the adapter must be the same file, and log.jsonl must have each row once.
No kill may lose a checkpoint that was there before. `--fork` loads the libraries once and kills forked children
instead of whole commands: the same files, without paying for a start each time.
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
from functools import cache
from pathlib import Path

WEIGHTS = "adapter_model.safetensors"


def main() -> int:
    """Run the trial; 0 when nothing was lost, doubled or changed."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder) / "whole", Path(folder) / "broken"
        began = time.monotonic()
        if _start(options, whole).wait() != 0:
            return _fail("the uninterrupted run failed")
        seconds = time.monotonic() - began
        log = _rows(whole)
        hits = _kill_often(options, broken, seconds)
        if hits is None:
            return 1
        if _start(options, broken).wait() != 0:
            return _fail("the last run failed")
        if (broken / WEIGHTS).read_bytes() != (whole / WEIGHTS).read_bytes():
            return _fail("the resumed adapter differs from the uninterrupted one")
        if _rows(broken) != log:
            return _fail("log.jsonl differs from the uninterrupted one")
    print(f"ok: {hits} kills, {len(log)} log rows, identical")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--fork", action="store_true")
    return parser.parse_args()


def _words(options: argparse.Namespace, output: Path) -> list[str]:
    """The command, which resumes what it finds."""
    words = ["train", "--base_model", options.model, "--data", options.data, "--output-dir", str(output), "--resume"]
    words += ["--max-steps", str(options.steps), "--device", "cpu", "--batch-size", str(options.batch_size)]
    words += ["--micro-batch-size", str(max(options.batch_size // 2, 1)), "--save-steps", "2", "--eval-steps", "2"]
    words += ["--logging-steps", "1", "--val-set-size", "0.2", "--group-by-length", "--lora-dropout", "0.1"]
    return [*words, "--report-to", "none"]


class _Forked:
    """A forked child that runs the command in this process's copy; as much of Popen as is needed."""

    def __init__(self, words: list[str]) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            from cornucopia.cli.main import main as command

            os._exit(command(words))

    def poll(self) -> int | None:
        return self._collect(os.WNOHANG)

    def wait(self) -> int:
        return self._collect(0) or 0

    def _collect(self, flag: int) -> int | None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, flag)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@cache
def _load_libraries(model: str) -> None:
    """Everything a run imports, before the fork."""
    import matplotlib.pyplot  # noqa: F401
    import peft.tuners.lora  # noqa: F401
    import rich.table  # noqa: F401

    import cornucopia.training.callbacks
    import cornucopia.training.fast
    import cornucopia.training.run  # noqa: F401
    from cornucopia.models.load import load_base

    load_base(model, device="cpu")


def _start(options: argparse.Namespace, output: Path) -> subprocess.Popen[bytes] | _Forked:
    words = _words(options, output)
    if options.fork:
        _load_libraries(options.model)
        return _Forked(words)
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "cornucopia", *words], stdout=quiet, stderr=quiet)


def _kill_often(options: argparse.Namespace, output: Path, seconds: float) -> int | None:
    """Kill and resume; the number of kills that hit a running process, or None when progress was lost."""
    generator = random.Random(options.seed)
    hits, before = 0, 0
    for _ in range(options.kills * 4):
        if hits == options.kills:
            break
        child = _start(options, output)
        _wait_to_die(child, output, generator, seconds)
        child.send_signal(signal.SIGKILL)
        hits += child.wait() == -signal.SIGKILL
        done = _step(output)
        if done < before:
            _fail(f"kill {hits} lost checkpoint {before}")
            return None
        before = done
        print(f"kill {hits}: checkpoint {done}/{options.steps}", flush=True)
        if (output / "train_result.json").is_file():  # it reached its end: begin anew, to be killed again
            shutil.rmtree(output)
            before = 0
    return hits


def _wait_to_die(
    child: subprocess.Popen[bytes] | _Forked, output: Path, generator: random.Random, seconds: float
) -> None:
    """Often a random moment; else some rows further in the log and a moment more, while a checkpoint is written."""
    if generator.random() < 0.4:
        _sleep(child, generator.random() * seconds)
        return
    goal = len(_lines(output)) + generator.randrange(1, 9)
    while child.poll() is None and len(_lines(output)) < goal:
        time.sleep(0.002)
    _sleep(child, generator.random() * 0.1)


def _sleep(child: subprocess.Popen[bytes] | _Forked, seconds: float) -> None:
    until = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def _step(output: Path) -> int:
    """Step of the newest whole checkpoint."""
    return max((json.loads(p.read_text())["step"] for p in output.glob("checkpoint-*/complete.json")), default=0)


def _lines(output: Path) -> list[bytes]:
    path = output / "log.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


def _rows(output: Path) -> list[dict[str, object]]:
    """Rows of the log without their clock times."""
    rows = [json.loads(line) for line in _lines(output)]
    return [{key: value for key, value in row.items() if key != "tokens_per_second"} for row in rows]


def _fail(message: str) -> int:
    print(f"FAILED: {message}", flush=True)
    return 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
