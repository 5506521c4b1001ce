"""The runs of this machine, read from what training leaves in their folders. Writes nothing; a broken folder is told.

A run is called by its folder's path below the folder of all runs; that name is only ever looked up among those found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cornucopia.models.local import DEPTH, read_json
from cornucopia.serving.board.curves import Row, read_log, seconds_a_step, total_steps
from cornucopia.training.run.checkpoint import RESULT
from cornucopia.training.run.output import in_use, is_run

LOG = "log.jsonl"
RECIPE = "recipe.yaml"
MOST_RUNS = 1000
_MOST_RECIPE = 2**20  # bytes
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the quick one where it was built
ENDED = {"done": "已完成", "diverged": "发散（NaN）", "stopped": "已停下", "died": "中断了"}
ALIVE = {"preparing": "准备中", "running": "训练中", "stopping": "正在停"}
STATES = ENDED | ALIVE


@dataclass(frozen=True)
class Run:
    """What is known of a run.

    Args:
        name: below the folder of all runs, with slashes.
        folder: which need not be there yet.
        state: of STATES.
        recipe: its settings, as far as they could be read.
        rows: of its log.
        result: of train_result.json, or {}.
        steps: of the whole run; 0 where unknown.
        resumable: whether --resume would go on with it.
        changed: when it last logged, seconds since 1970; 0 for never.
    """

    name: str
    folder: Path
    state: str
    recipe: dict[str, Any]
    rows: list[Row]
    result: dict[str, Any]
    steps: int
    resumable: bool
    changed: float

    def told(self) -> dict[str, Any]:
        """For the page's list: numbers that are not known are None."""
        last = self.rows[-1] if self.rows else {}
        step = int(max(last.get("step", 0), _number(self.result.get("steps")) or 0))
        pace = seconds_a_step(self.rows)
        left = (self.steps - step) * pace - (time.time() - self.changed) if self.steps and pace else None
        evals = [row["eval_loss"] for row in self.rows if "eval_loss" in row]
        return {
            "name": self.name, "state": self.state, "status": STATES[self.state], "alive": self.state in ALIVE,
            "step": step, "steps": self.steps or None, "epoch": last.get("epoch"),
            "seconds_a_step": pace or None, "tokens_per_second": _last(self.rows, "tokens_per_second"),
            "seconds_left": max(left, 0) if left is not None and self.state in ALIVE else None,
            "seconds": _number(self.result.get("seconds")) if self.state in ENDED else None,
            "loss": _last(self.rows, "loss"), "eval_loss": evals[-1] if evals else None,
            "eval_best": min(evals, default=None), "changed": self.changed or None, "resumable": self.resumable,
            **{key: _text(self.recipe.get(key)) for key in ("base", "adapter", "method", "objective", "template")},
            "data": [_text(path) for path in _list(self.recipe.get("data_path"))],
            "validates": bool(self.recipe.get("val_data") or self.recipe.get("val_set_size")),
            "rejects": _number(self.result.get("rejects")),
        }  # fmt: skip


class Runs:
    """The folder of all runs.

    Args:
        home: that folder; it need not be there.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._read: dict[Any, tuple[tuple[int, int], Any]] = {}  # file, reader -> (its size and time, what was read)

    def folders(self) -> dict[str, Path]:
        """Name -> folder of every run, links not followed."""
        return {path.relative_to(self.home).as_posix(): path for path in _walk(self.home, is_run, MOST_RUNS)}

    def reports(self) -> dict[str, Path]:
        """Name -> file of every report that `compare` or `eval` has written among the runs."""
        found = {}
        for folder in _walk(self.home, lambda place: (place / "report.html").is_file(), MOST_RUNS):
            found[folder.relative_to(self.home).as_posix()] = folder / "report.html"
        return found

    def read(
        self, name: str, folder: Path, *, alive: bool = False, stopping: bool = False, recipe: Path | None = None
    ) -> Run:
        """
        Args:
            name, folder: of `folders`, or of a run that has just been started.
            alive: whether its process is known to run; one that was started elsewhere is asked of the folder itself.
            stopping: whether it was asked to stop.
            recipe: a file with its settings where the folder holds none yet.
        """
        rows, result = self._kept(folder / LOG, read_log) or [], self._kept(folder / RESULT, read_json) or {}
        settings = self._kept(folder / RECIPE, _read_recipe) or (recipe and self._kept(recipe, _read_recipe)) or {}
        alive = alive or in_use(folder)
        state = ("stopping" if stopping else "running" if rows else "preparing") if alive else _ended(folder, result)
        return Run(
            name, folder, state, settings, rows, result, self._steps(folder, rows, settings),
            state in ("stopped", "died") and bool(settings), _time(folder / LOG),
        )  # fmt: skip

    def recipe_text(self, path: Path) -> str:
        """A recipe as it was written, or ''."""
        return self._kept(path, _read_text) or ""

    def _steps(self, folder: Path, rows: list[Row], recipe: dict[str, Any]) -> int:
        """As the Trainer has counted them, once there is a checkpoint that says so."""
        for checkpoint in _checkpoints(folder):
            counted = self._kept(checkpoint / "trainer_state.json", _most_steps)
            if isinstance(counted, int) and counted > 0:
                return counted
        return total_steps(rows, recipe)

    def _kept(self, path: Path, read: Callable[[Path], Any]) -> Any:
        """What is read of the file, again only when it has changed; None where there is none."""
        try:
            stat = path.stat()
        except (OSError, ValueError):
            return None
        mark, kept = (stat.st_size, stat.st_mtime_ns), self._read.get((path, read))
        if kept is None or kept[0] != mark:
            if len(self._read) > 4 * MOST_RUNS:
                self._read.clear()
            kept = self._read[path, read] = (mark, read(path))
        return kept[1]


def _walk(home: Path, wanted: Callable[[Path], bool], most: int) -> Iterator[Path]:
    """Folders below `home` that are wanted; those of a Trainer's checkpoints and hidden ones are not entered."""
    for place, folders, _ in os.walk(home):
        deep = len(Path(place).relative_to(home).parts) >= DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith(("checkpoint-", ".")))
        if place != str(home) and _is(wanted, Path(place)):
            yield Path(place)
            most -= 1
        if not most:
            return


def _is(wanted: Callable[[Path], bool], place: Path) -> bool:
    try:
        return wanted(place)
    except OSError:  # a folder that may be listed but not entered
        return False


def _ended(folder: Path, result: dict[str, Any]) -> str:
    if result.get("finished") is True:
        return "done"
    if not result or _time(folder / LOG) > _time(folder / RESULT) + 1:  # it went on after that result, and was killed
        return "died"
    return "diverged" if "diverged_at" in result else "stopped"


def _checkpoints(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.name.removeprefix("checkpoint-").isdecimal()]
    except OSError:
        return []
    return sorted((path for path in found if path.name.startswith("checkpoint-")), reverse=True)


def _most_steps(path: Path) -> Any:
    return read_json(path).get("max_steps")


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        value = yaml.load(_read_text(path), _Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_RECIPE).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except (OSError, ValueError):
        return 0.0


def _last(rows: list[Row], name: str) -> float | None:
    return next((row[name] for row in reversed(rows) if name in row), None)


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)[:200]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []
