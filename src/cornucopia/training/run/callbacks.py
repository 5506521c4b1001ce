"""What happens beside the training loop: progress, log.jsonl, complete checkpoints, a clean Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback

from cornucopia.core.console import Progress, say
from cornucopia.core.jsonl import Appender
from cornucopia.models.meta import ModelMeta, write_meta
from cornucopia.training.run.checkpoint import mark_complete
from cornucopia.training.run.divergence import Diverged
from cornucopia.training.run.ranks import any_of, is_first, wait
from cornucopia.training.run.save import copy_companions

_COSTS = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")  # what the Trainer adds of its own


class LogCallback(TrainerCallback):
    """Progress with loss, speed and time left; every logged row in log.jsonl."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log: Appender | None = None
        self._bar: Progress | None = None
        self._clock, self._tokens, self._loss, self._eval = 0.0, 0, "", ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._log = Appender(self._path) if is_first() else None
        self._bar = Progress("训练", state.max_steps, state.global_step).__enter__()
        self._clock, self._tokens = time.monotonic(), state.num_input_tokens_seen

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._bar:
            self._bar.update(state.global_step, f"{self._loss} {self._eval}".strip())

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not self._log or not logs or "train_loss" in logs:  # the last is the run's summary
            return
        row: dict[str, Any] = {"step": state.global_step, "epoch": round(state.epoch or 0, 4)}
        measured = [key for key in logs if key.startswith("eval_") and key not in _COSTS]
        measured += [key for key in logs if key.startswith("rollout_")]
        row |= {key: logs[key] for key in ("loss", *measured, "learning_rate", "grad_norm") if key in logs}
        if "loss" in logs:
            seconds, tokens = time.monotonic() - self._clock, state.num_input_tokens_seen - self._tokens
            row |= {"tokens": state.num_input_tokens_seen, "tokens_per_second": round(tokens / max(seconds, 1e-9), 1)}
            self._clock, self._tokens = time.monotonic(), state.num_input_tokens_seen
            reward = f" 奖励 {logs['rollout_reward']:.3f}" if "rollout_reward" in logs else ""
            self._loss = f"损失 {logs['loss']:.3f}{reward} {row['tokens_per_second']:.0f} 词元/秒"
        if "eval_loss" in logs:
            right = f" 判对 {logs['eval_accuracy']:.0%}" if "eval_accuracy" in logs else ""
            self._eval = f"验证 {logs['eval_loss']:.3f}{right}"
        self._log.write(row)

    def diverged(self, error: Diverged) -> None:
        """The row of a step whose numbers are not finite: they are null in it."""
        if self._log:
            self._log.write({"step": error.step, "diverged": error.values})

    def close(self) -> None:
        """Take the progress bar off the screen and close the log, also after an error."""
        if self._bar:
            self._bar.__exit__(None, None, None)
        if self._log:
            self._log.close()


class CheckpointCallback(TrainerCallback):
    """Marks a checkpoint complete after everything else in it is written, and makes it usable as what the run leaves.

    Args:
        meta: what it says of itself.
        base: the base's folder where checkpoints are whole models, which need its tokenizer.
    """

    def __init__(self, meta: ModelMeta, base: Path | None) -> None:
        self._meta, self._base = meta, base

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        wait()  # for what each process keeps of its random numbers
        if folder.is_dir() and state.is_world_process_zero:
            write_meta(folder, self._meta)
            if self._base:
                copy_companions(self._base, folder)
            mark_complete(folder, state.global_step)


class EarlyStop(TrainerCallback):
    """Ends the run when the last validations brought nothing better; the log tells, so that a resumed run does alike.

    Args:
        patience: so many of them.
        metric: which of the logged numbers, larger ones being better where `larger`.
    """

    def __init__(self, patience: int, metric: str, larger: bool) -> None:
        self._patience, self._metric, self._sign = patience, metric, 1 if larger else -1

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        values = [self._sign * row[self._metric] for row in state.log_history if self._metric in row]
        since = len(values) - 1 - values.index(max(values)) if values else 0
        if since >= self._patience:
            say(f"验证连续 {since} 次没有更好（{self._metric}），停下")
            control.should_training_stop = True


class InterruptCallback(TrainerCallback):
    """Ctrl-C or SIGTERM: finish the step, save, stop. A second one stops at once."""

    def __init__(self) -> None:
        self.stopped = False
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Take over SIGINT and SIGTERM; only a program's main thread can, and only there they arrive."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)

    def remove(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        say("\n收到中断：做完这一步就保存退出（再按一次 Ctrl-C 立即退出）")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.stopped = any_of(self.stopped)
        if self.stopped:
            control.should_training_stop = control.should_save = True
