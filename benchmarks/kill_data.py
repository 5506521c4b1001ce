"""Kill -9 `cornucopia data build` at random points, run it again, and compare with an uninterrupted run, byte for byte.

    python benchmarks/kill_data.py --data instruction_data/fin_data.json --kills 20

Points of death: anywhere from the command's start to its end, between and within the passes. After the last run every
output file, what was dropped, the manifest and the report's data must be the same bytes; no kill may lose a shard that
was done before. `--fork` loads the libraries once and kills forked children instead of whole commands.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from killing import State, Trial, fork, read_options, running, sleep_while, spawn

FILES = ("train.jsonl", "valid.jsonl", "test.jsonl", "dropped.jsonl", "manifest.json", "report_data.json")
STEPS = ["clean", "redact", "deduplicate", {"split": {"valid": 0.1}}]


class DataTrial(Trial):
    """One data set is built in shards of 16 KB; the state is the shards that are done."""

    unit = "shards"

    def start(self, out: Path) -> int:
        words = ["data", "build", str(self._recipe(out))]
        if not self.options.fork:
            return spawn(words, out)
        import cornucopia.factory.run  # noqa: F401
        from cornucopia.cli.main import main as command

        return fork(lambda: command(words), out)

    def _recipe(self, out: Path) -> Path:
        """The recipe, beside the output folder."""
        source = {"kind": "records", "path": str(Path(self.options.data).resolve()), "name": "qa"}
        recipe = {"output_dir": str(out), "sources": [source], "steps": STEPS, "workers": 2, "shard_kb": 16}
        path = out.with_suffix(".yaml")
        path.write_text(json.dumps(recipe), encoding="utf-8")
        return path

    def state(self, out: Path) -> State:
        return {path.relative_to(out).as_posix(): "made" for path in out.glob("work/pass-*/0*.json")}

    def finished(self, out: Path) -> bool:
        return (out / "timings.json").is_file()

    def wait_to_die(self, out: Path, pid: int) -> None:
        """Until up to a fifth of the shards more are done, and a moment more; in the end at a random moment."""
        done = len(self.state(out))
        if done == self.total:
            sleep_while(pid, self.chance.random() * self.seconds / 2)
            return
        goal = min(done + self.chance.randrange(self.total // 5), self.total)
        while running(pid) and len(self.state(out)) < goal:
            time.sleep(0.002)
        sleep_while(pid, self.chance.random() * 0.1)

    def same(self, whole: Path, cut: Path) -> bool:
        return all(_bytes(whole / name) == _bytes(cut / name) for name in FILES)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


if __name__ == "__main__":
    raise SystemExit(DataTrial(read_options(__doc__, ("data",))).run())
