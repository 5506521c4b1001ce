"""Kill -9 `cornucopia compare` at random points, resume it, and compare with an uninterrupted run.

    python benchmarks/kill_compare.py --base nano --adapter runs/quickstart/adapter --data instruction_data/infer.json

Base and base with adapter answer the questions. After each kill every cell that was there before must still be there,
unchanged and once; in the end all cells must equal the uninterrupted run's (the measured seconds aside). `--fork` loads
the models once and kills forked children instead of whole commands.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from killing import State, Trial, by_key, fork, read_options, read_rows, spawn


class CompareTrial(Trial):
    """A base and the base with an adapter answer the questions."""

    unit = "cells"

    def start(self, out: Path) -> int:
        given = self.options
        contestants = [f"base={given.base}", f"tuned={given.base}+{given.adapter}"]
        if given.fork:
            self._loaded  # noqa: B018 - before the fork
            return fork(lambda: self._compare_in_child(out, contestants), out)
        words = ["compare", "--questions", given.data, "--device", "cpu", "--output-dir", str(out)]
        words += [word for contestant in contestants for word in ("--contestant", contestant)]
        for name in ("max_new_tokens", "batch_tokens", "temperature"):
            words += [f"--{name}", str(getattr(given, name))]
        return spawn(words, out)

    @cached_property
    def _loaded(self) -> tuple[dict[str, Any], Any]:
        from cornucopia.inference.local_engines import open_local
        from cornucopia.inference.spec import EngineSpec
        from cornucopia.records.read import read_records

        given = self.options
        spec = EngineSpec(base=given.base, batch_tokens=given.batch_tokens, device="cpu")
        engines = open_local([spec, spec.engine_spec(adapter=given.adapter)])
        return dict(zip(("base", "tuned"), engines, strict=True)), read_records(given.data, rejects=False).records

    def _compare_in_child(self, out: Path, contestants: list[str]) -> None:
        from cornucopia.comparison.recipe import CompareRecipe
        from cornucopia.comparison.run import compare

        engines, records = self._loaded
        values = {name: getattr(self.options, name) for name in ("max_new_tokens", "temperature")}
        values |= {"questions": self.options.data, "contestants": contestants, "output_dir": str(out)}
        compare(CompareRecipe.build(values), records, lambda group, _: [engines[one.name] for one in group])

    def rows_file(self, out: Path) -> Path:
        return out / "answers.jsonl"

    def state(self, out: Path) -> State:
        rows = [{**row, "seconds": None} for row in read_rows(self.rows_file(out))]
        return by_key(rows, lambda row: (row["contestant"], row["id"]))

    def same(self, whole: Path, cut: Path) -> bool:
        return list(self.state(cut).items()) == list(self.state(whole).items())


if __name__ == "__main__":
    sizes = {"max_new_tokens": 48, "batch_tokens": 1500}  # small batches: many points to die at
    raise SystemExit(CompareTrial(read_options(__doc__, ("base", "adapter", "data"), **sizes, temperature=0.8)).run())
