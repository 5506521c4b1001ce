"""Runs tasks through lm-evaluation-harness: its task format, few-shot and evaluator, with our engines as its models."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from cornucopia.core.errors import CornucopiaError, DataError, UsageError, nearest
from cornucopia.evaluation.peak_memory import PeakMemory
from cornucopia.evaluation.results import TaskResult, task_result
from cornucopia.evaluation.settings import EvalSettings
from cornucopia.inference.engine import Engine, Sampling
from cornucopia.inference.store import AnswerStore

TASKS = Path(__file__).parent / "tasks"
INSTALL = 'pip install "cornucopia-fin[eval]"（从源码：pip install -e ".[eval]"）'


def need_harness() -> None:
    """
    Raises:
        UsageError: lm-evaluation-harness is not installed.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        import lm_eval.evaluator  # noqa: F401
    except ImportError as error:
        raise UsageError("评测要用 lm-evaluation-harness", found=str(error), fix=INSTALL) from None
    for name in ("lm_eval", "datasets", "evaluate"):
        logging.getLogger(name).setLevel(logging.ERROR)


def task_names() -> list[str]:
    """Names of the bundled tasks."""
    return sorted(path.stem for path in TASKS.glob("*.yaml"))


def chosen_tasks(wanted: Sequence[str], ask: Sequence[str], own: Sequence[str] = ()) -> list[str]:
    """The harness's task names for what a user names and how it is to be asked.

    Args:
        wanted: names of benchmarks or of tasks.
        ask: likelihood, generate, think; a benchmark that cannot be asked so is asked in the one way it has.
        own: names of the user's own tasks.

    Raises:
        UsageError: no such task.
    """
    known = task_names()
    suffixes = {"likelihood": "", "generate": "_gen", "think": "_cot"}
    chosen = []
    for name in wanted:
        if name in own:
            chosen.append(name)
            continue
        ways = [name + suffixes[way] for way in ask if name + suffixes[way] in known]
        only = [one for one in (name, f"{name}_gen") if one in known][:1]
        if not ways and not only:
            close = nearest(name, [*known, *own])
            fix = f"最接近的是 {close}" if close else "cornucopia eval --list"
            raise UsageError("没有这个任务", where="--tasks", found=name, fix=fix)
        chosen += ways or only
    return list(dict.fromkeys(chosen))


def load_tasks(names: Sequence[str], settings: EvalSettings) -> dict[str, Any]:
    """The tasks as the harness holds them, their files read and checked.

    Raises:
        CornucopiaError: files are absent or not as published.
    """
    need_harness()
    paths = (str(TASKS), *map(str, settings.include_path))
    manager = _manager(paths, settings.data_dir or "", settings.rotate)
    try:
        loaded: dict[str, Any] = dict(manager.load(list(names)))
    except CornucopiaError:
        raise
    except (KeyError, ValueError, TypeError, OSError, AttributeError, ImportError) as error:
        found = f"{type(error).__name__}: {error}"[:200]
        raise DataError("任务打不开", where="、".join(names), found=found, fix="检查 YAML 和数据文件") from None
    for task in loaded["tasks"].values():
        if settings.num_fewshot is not None and "consistency" not in str(task.config.task):
            task.set_config(key="num_fewshot", value=settings.num_fewshot)
        elif task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=settings.seed)
    return loaded


@lru_cache
def _manager(paths: tuple[str, ...], data_dir: str, rotate: bool) -> Any:
    from lm_eval.tasks import TaskManager

    metadata = {"data_dir": data_dir, "rotate": rotate}
    return TaskManager(include_path=list(paths), include_defaults=False, metadata=metadata)


def benchmark_of(task: Any) -> str:
    """The benchmark that a task asks, '' for one of the user's own."""
    return str((task.config.dataset_kwargs or {}).get("benchmark", ""))


def run_tasks(
    engine: Engine, names: Sequence[str], settings: EvalSettings, store: AnswerStore | None = None
) -> list[TaskResult]:
    """Every task on one model; a task that the model cannot do has a problem instead of a result.

    Args:
        engine: the model.
        names: tasks of the harness.
        settings: how they are asked.
        store: keeps results at once.
    """
    return [_run_task(engine, name, settings, store) for name in names]


def _run_task(engine: Engine, name: str, settings: EvalSettings, store: AnswerStore | None) -> TaskResult:
    loaded = load_tasks([name], settings)
    task = loaded["tasks"][name]
    benchmark = benchmark_of(task)
    from lm_eval.evaluator import evaluate

    from cornucopia.evaluation.harness_model import EngineLM

    sampling = Sampling(
        max_new_tokens=settings.max_new_tokens, temperature=settings.temperature, seed=settings.seed,
        do_sample=bool(settings.temperature),
    )  # fmt: skip
    memory = PeakMemory()
    model = EngineLM(engine, sampling, store, _print_of(engine, sampling))
    try:
        found = evaluate(
            lm=model, task_dict=loaded, limit=settings.limit, bootstrap_iters=0, log_samples=True,
            apply_chat_template=not settings.plain, fewshot_as_multiturn=not settings.plain,
            system_instruction=settings.system or None,
        )  # fmt: skip
    except UsageError as error:
        return TaskResult(name, benchmark, problem=error.what)
    samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    result = task_result(name, benchmark, samples, model.replies, model.cut)
    result.fewshot, result.seed = int(task.config.num_fewshot or 0), settings.seed
    result.tokens, result.seconds = model.tokens, model.seconds
    result.memory, result.card_memory = model.peaks(memory, name)
    return result


def _print_of(engine: Engine, sampling: Sampling) -> str:
    text = json.dumps(engine.describe(sampling), ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
