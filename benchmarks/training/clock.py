"""Measures any Hugging Face Trainer from inside its process, the same way for ours and for every peer.

Each update: real (non-padding) tokens, trained tokens, loss, and seconds from the end of the update before to its own
end, data loading included. The first update (warming up) therefore has tokens but no seconds. Knows only transformers.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import time
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "trl", "llamafactory", "cornucopia-fin")
IGNORE = -100


def install(spec: dict[str, Any]) -> None:
    """Put the clock into every Trainer made from now on.

    Args:
        spec: `out` (file for the one JSON line), `pad_id`, and what else identifies the run.
    """
    import transformers.trainer as module

    module.DEFAULT_CALLBACKS.append(_callback_class(spec))
    plain = module.Trainer.training_step

    def training_step(self: Any, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        _Counts.tokens += int((inputs["input_ids"] != spec["pad_id"]).sum())
        _Counts.supervised += int((inputs["labels"][:, 1:] != IGNORE).sum())
        return plain(self, model, inputs, *rest, **named)

    module.Trainer.training_step = training_step


class _Counts:
    """Tokens of the update under way."""

    tokens = 0
    supervised = 0


def _callback_class(spec: dict[str, Any]) -> type:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """Writes the run's line when training ends."""

        def __init__(self) -> None:
            self.tokens: list[int] = []
            self.supervised: list[int] = []
            self.ends: list[float] = []
            self.losses: list[float] = []
            self.before: dict[str, float] = {}

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.before = {"start_seconds": process_seconds(), "rss_before": memory("VmRSS"), "peak": memory("VmHWM")}
            reset_peak()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.ends.append(time.perf_counter())
            self.tokens.append(_Counts.tokens)
            self.supervised.append(_Counts.supervised)
            _Counts.tokens = _Counts.supervised = 0

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                self.losses.append(round(float(logs["loss"]), 4))

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            peak = memory("VmHWM")
            seconds = [round(b - a, 4) for a, b in zip(self.ends, self.ends[1:], strict=False)]
            row = self.before | {
                "name": spec["name"],
                "tokens": self.tokens,
                "supervised": self.supervised,
                "seconds": seconds,
                "losses": self.losses,
                "peak_training": peak,
                "peak": max(peak, self.before["peak"]),
                "versions": versions(),
                "threads": os.environ.get("OMP_NUM_THREADS", ""),
            }
            with Path(spec["out"]).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    return Clock


def memory(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at the highest since start or since `reset_peak`."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def reset_peak() -> None:
    """Let VmHWM begin anew, so that the training loop's own peak is seen beside that of loading."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def process_seconds() -> float:
    """Seconds since this process began: importing, reading, loading."""
    started = int(Path("/proc/self/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    return round(uptime - started / os.sysconf("SC_CLK_TCK"), 2)


def versions() -> dict[str, str]:
    """Installed versions of what decides the result."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
