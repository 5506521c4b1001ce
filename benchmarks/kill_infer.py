"""Kill -9 `cornucopia infer` at random points, resume it, and compare with an uninterrupted run, byte for byte.

    python benchmarks/kill_infer.py --model base_models/nano --data instruction_data/infer.json --kills 20

Each time the command is started anew and killed between the first and the last answer of what is left. After each
kill every answer that was there before must still be there, unchanged and once. `--fork` loads the model once and
kills forked children instead of whole commands: the same files, without paying for a start each time.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from killing import State, Trial, by_key, fork, read_options, read_rows, spawn


class InferTrial(Trial):
    """One model answers the questions."""

    def start(self, out: Path) -> int:
        given = self.options
        if given.fork:
            from cornucopia.inference.batch import AnswerFile, answer_all

            engine, tasks, sampling = self._loaded
            return fork(lambda: answer_all(engine, tasks, AnswerFile(out, engine.describe(sampling))), out)
        words = ["infer", given.data, "--model", given.model, "--device", "cpu", "--out", str(out)]
        for name in ("max_new_tokens", "batch_tokens", "temperature"):
            words += [f"--{name}", str(getattr(given, name))]
        return spawn(words, out)

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any]:
        from cornucopia.inference.batch import make_tasks
        from cornucopia.inference.engine import Sampling
        from cornucopia.inference.open_engine import open_engine
        from cornucopia.inference.spec import EngineSpec
        from cornucopia.records.read import read_records

        given = self.options
        engine = open_engine(EngineSpec(base=given.model, batch_tokens=given.batch_tokens, device="cpu"))
        sampling = Sampling(max_new_tokens=given.max_new_tokens, temperature=given.temperature)
        return engine, make_tasks(read_records(given.data, rejects=False), sampling), sampling

    def state(self, out: Path) -> State:
        return by_key(read_rows(out), lambda row: row["key"])

    def same(self, whole: Path, cut: Path) -> bool:
        return cut.read_bytes() == whole.read_bytes()


if __name__ == "__main__":
    sizes = {"max_new_tokens": 64, "batch_tokens": 1500}  # small batches: many points to die at
    raise SystemExit(InferTrial(read_options(__doc__, ("model", "data"), **sizes, temperature=0.8)).run())
