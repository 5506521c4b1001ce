"""Kill -9 `cornucopia train` at random points, resume it, and compare with an uninterrupted run, byte for byte.

    python benchmarks/kill_train.py --model base_models/nano --data instruction_data/fin_data.json --kills 20

Points of death: anywhere from the command's start to its end, moments while a checkpoint or the result is being
written included. After the last resumption the adapter must be the same file, and log.jsonl must have each row once.
No kill may lose a checkpoint that was there before. `--fork` loads the libraries once and kills forked children
instead of whole commands: the same files, without paying for a start each time.
"""

from __future__ import annotations

import json
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

from killing import State, Trial, count_lines, fork, read_options, read_rows, running, sleep_while, spawn

WEIGHTS = "adapter_model.safetensors"


class TrainTrial(Trial):
    """One adapter is trained, with a checkpoint every two steps; the state is the steps that need not be made again."""

    unit = "steps"

    def start(self, out: Path) -> int:
        if not self.options.fork:
            return spawn(self._words(out), out)
        _load_libraries(self.options.model)
        from cornucopia.cli.main import main as command

        return fork(lambda: command(self._words(out)), out)

    def _words(self, out: Path) -> list[str]:
        """The command, which resumes what it finds."""
        given = self.options
        words = ["train", "--base_model", given.model, "--data", given.data, "--output-dir", str(out), "--resume"]
        words += ["--max-steps", str(given.steps), "--device", "cpu", "--batch-size", str(given.batch_size)]
        words += ["--micro-batch-size", str(max(given.batch_size // 2, 1)), "--save-steps", "2", "--eval-steps", "2"]
        words += ["--logging-steps", "1", "--val-set-size", "0.2", "--group-by-length", "--lora-dropout", "0.1"]
        return [*words, "--report-to", "none"]

    def rows_file(self, out: Path) -> Path:
        return out / "log.jsonl"

    def state(self, out: Path) -> State:
        """Steps up to the newest whole checkpoint (older ones are thrown away as the run goes on)."""
        whole = [json.loads(path.read_text())["step"] for path in out.glob("checkpoint-*/complete.json")]
        return dict.fromkeys(range(1, max(whole, default=0) + 1), "made")

    def finished(self, out: Path) -> bool:
        return (out / "train_result.json").is_file()

    def wait_to_die(self, out: Path, pid: int) -> None:
        """Often a random moment; else some rows further in the log and a moment more, while a checkpoint is written."""
        if self.chance.random() < 0.4:
            sleep_while(pid, self.chance.random() * self.seconds)
            return
        goal = count_lines(self.rows_file(out)) + self.chance.randrange(1, 9)
        while running(pid) and count_lines(self.rows_file(out)) < goal:
            time.sleep(0.002)
        sleep_while(pid, self.chance.random() * 0.1)

    def same(self, whole: Path, cut: Path) -> bool:
        return (cut / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes() and self._log(cut) == self._log(whole)

    def _log(self, out: Path) -> list[dict[str, Any]]:
        """Rows of the log without their clock times."""
        return [{**row, "tokens_per_second": None} for row in read_rows(self.rows_file(out))]


@cache
def _load_libraries(model: str) -> None:
    """Everything a run imports, before the fork."""
    import matplotlib.pyplot  # noqa: F401
    import peft.tuners.lora  # noqa: F401
    import rich.table  # noqa: F401

    import cornucopia.training.run.callbacks
    import cornucopia.training.run.fast
    import cornucopia.training.run.loop  # noqa: F401
    from cornucopia.models.load import load_base
    from cornucopia.models.spec import ModelSpec, resolve

    load_base(resolve(ModelSpec(base=str(model), device="cpu")))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(TrainTrial(read_options(__doc__, ("model", "data"), steps=40, batch_size=8)).run())
