"""Checkpoints that can be trusted after a kill: only one with its `complete.json`, written last, counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import read_jsonl, write_json, write_jsonl
from cornucopia.training.run.output import IDENTITY

COMPLETE = "complete.json"
RESULT = "train_result.json"


def mark_complete(checkpoint: Path, step: int) -> None:
    """Called after the Trainer has written everything else."""
    files = {file.name: file.stat().st_size for file in checkpoint.iterdir() if file.is_file()}
    write_json(checkpoint / COMPLETE, {"step": step, "files": files})


def step_of(checkpoint: Path) -> int:
    """Updates done when it was written."""
    return int(json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"])


def last_complete(output_dir: Path) -> Path | None:
    """The newest whole checkpoint; those half-written or half-deleted by a kill are removed."""
    newest: tuple[int, Path] | None = None
    for folder in output_dir.glob("checkpoint-*"):
        number = folder.name.removeprefix("checkpoint-")
        if not number.isdigit():
            continue  # not the Trainer's
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
        elif newest is None or int(number) > newest[0]:
            newest = (int(number), folder)
    return newest[1] if newest else None


def _is_whole(folder: Path) -> bool:
    try:
        files = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError):
        return False


def check_identity(output_dir: Path, identity: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse to resume with settings, base or data that differ from the run's.

    Args:
        output_dir: of the run.
        identity: what decides the weights, as it is given.
        defaults: what a setting was before there was one: a run may be older than it.

    Raises:
        ConfigError: naming what differs.
    """
    path = output_dir / IDENTITY
    if not path.is_file():
        return
    before = defaults | json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(identity))
    first = ("objective", "method")  # from which most of the others follow
    order = sorted(now, key=lambda key: (key not in first, key))
    differing = [key for key in order if before.get(key) != now[key]]
    if differing:
        changes = [f"{key}：上次 {before.get(key)}，这次 {now.get(key)}" for key in differing[:3]]
        more = f"；共 {len(differing)} 项" if len(differing) > 3 else ""
        raise ConfigError(
            "续训的设置与上次不同",
            where=str(path),
            found="；".join(changes) + more,
            fix="改回原来的设置再 --resume；或换 --output-dir；或 --overwrite 重来",
        )


def finished(output_dir: Path) -> dict[str, Any] | None:
    """The result of a run that reached its end, or None."""
    path = output_dir / RESULT
    result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return result if result and result.get("finished") else None


def trim_log(path: Path, step: int) -> None:
    """Drop log rows after `step`: a resumed run writes them again."""
    if path.is_file():
        write_jsonl(path, [row for row in read_jsonl(path) if row["step"] <= step])
