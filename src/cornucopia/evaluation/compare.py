"""Several models on the same tasks: opens them, runs them, writes the report, says whether they reach what is asked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cornucopia.core.console import say, show_table, warn
from cornucopia.core.errors import CornucopiaError, Interrupted, UsageError
from cornucopia.core.jsonl import write_jsonl
from cornucopia.evaluation.contamination import contaminated_questions
from cornucopia.evaluation.dataset import BENCHMARKS, VARIABLE, read_rows
from cornucopia.evaluation.download import download
from cornucopia.evaluation.gate import read_limits, shortfalls
from cornucopia.evaluation.report import write_reports
from cornucopia.evaluation.results import NAMES, TaskResult
from cornucopia.evaluation.run import benchmark_of, chosen_tasks, load_tasks, need_harness, run_tasks
from cornucopia.evaluation.settings import EvalSettings
from cornucopia.evaluation.table import show_score
from cornucopia.inference.data_parallel import DataParallel, open_parallel
from cornucopia.inference.store import AnswerStore

Table = dict[str, dict[str, TaskResult]]  # model -> task -> result


def evaluate_models(settings: EvalSettings, contestants: Sequence[tuple[str, Any]], folder: Path) -> int:
    """Evaluate, write and show.

    Args:
        settings: what is asked, and how.
        contestants: (name, what opens its engine by `.open()` and is told in words by `.shown`), the reference first.
        folder: for the report and every question's result.

    Returns:
        1 where a task could be done on no model or a score is below `fail_below`, else 0.

    Raises:
        CornucopiaError: a task, its files or `fail_below` are wrong, before any model is loaded.
    """
    need_harness()
    names = chosen_tasks(settings.tasks, settings.ask, _own_tasks(settings))
    limits = read_limits(settings.fail_below, names, [name for name, _ in contestants])
    if settings.download:
        _download(names, settings)
    loaded = load_tasks(names, settings)
    benchmarks = {name: benchmark_of(task) for name, task in loaded["tasks"].items()}
    for benchmark in dict.fromkeys(benchmarks.values()):
        if benchmark and BENCHMARKS[benchmark].restricted:
            say(f"{BENCHMARKS[benchmark].title} 的许可证：{BENCHMARKS[benchmark].licence}")
    known = _contaminated(settings, benchmarks)
    table: Table = {}
    for name, model in contestants:
        table[name] = _evaluate(name, model, names, settings, folder)
        for task, result in table[name].items():
            result.contaminated = known.get(benchmarks[task], frozenset())
    _write(table, settings, contestants, folder)
    _show(table)
    say(f"报告（用浏览器打开）：{folder / 'report.html'}；数据：{folder / 'results.json'}")
    short = shortfalls(limits, table)
    for sentence in short:
        say(f"没有达到要求：{sentence}")
    undone = [task for task in names if all(results[task].problem for results in table.values())]
    return 1 if short or undone else 0


def _download(names: Sequence[str], settings: EvalSettings) -> None:
    """Files of those benchmarks among the tasks that need some."""
    folder = Path(settings.data_dir or os.environ.get(VARIABLE) or ".")
    asked = dict.fromkeys(name.removesuffix("_gen").removesuffix("_cot") for name in names)
    wanted = [BENCHMARKS[name] for name in asked if name in BENCHMARKS and BENCHMARKS[name].hub]
    if not wanted:
        found = "、".join(name for name, one in BENCHMARKS.items() if one.hub)
        raise UsageError(
            "这些任务没有能从模型站下载的", where="--download", found="、".join(names), fix=f"能下载的：{found}"
        )
    for benchmark in wanted:
        download(benchmark, folder, settings.hub or "")


def _own_tasks(settings: EvalSettings) -> list[str]:
    if not settings.include_path:
        return []
    from lm_eval.tasks import TaskManager

    paths = [str(path) for path in settings.include_path]
    return list(TaskManager(include_path=paths, include_defaults=False).all_tasks)


def _contaminated(settings: EvalSettings, benchmarks: dict[str, str]) -> dict[str, frozenset[str]]:
    if not settings.trained_on:
        return {}
    found = {}
    for benchmark in dict.fromkeys(benchmarks.values()):
        if benchmark:
            rows = read_rows(benchmark, settings.data_dir or "")["test"]
            found[benchmark] = contaminated_questions(rows, settings.trained_on)
            title = BENCHMARKS[benchmark].title
            say(f"{title}：{len(rows)} 道题里有 {len(found[benchmark])} 道在训练数据里")
    return found


def _evaluate(
    name: str, model: Any, tasks: Sequence[str], settings: EvalSettings, folder: Path
) -> dict[str, TaskResult]:
    """Every task on one model; where it cannot be opened, every task has that problem."""
    say(f"{name}：{model.shown}")
    try:
        engine = open_parallel(model.open, settings.processes)
    except CornucopiaError as error:
        warn(f"{name} 打不开：{' '.join(str(error).split())}")
        return {task: TaskResult(task, "", problem=error.what) for task in tasks}
    place = folder / "answers" / hashlib.sha256(model.shown.encode()).hexdigest()[:8]
    with AnswerStore(
        place.with_suffix(".jsonl"), place.with_suffix(".settings.json"),
        key_of=lambda row: row["key"], failed=lambda row: bool(row.get("error")),
    ) as store:  # fmt: skip
        try:
            return {result.task: result for result in run_tasks(engine, tasks, settings, store)}
        except KeyboardInterrupt:
            raise Interrupted("已中断，答过的都存下了", where=str(store.path), fix="再运行同一命令就接着做") from None
        finally:
            if isinstance(engine, DataParallel):
                engine.close()


def _write(table: Table, settings: EvalSettings, contestants: Sequence[tuple[str, Any]], folder: Path) -> None:
    for name, results in table.items():
        for task, result in results.items():
            write_jsonl(folder / "samples" / name / f"{task}.jsonl", (asdict(item) for item in result.items))
    shown = {name: model.shown for name, model in contestants}
    write_reports(folder, table, settings, shown)


def _show(table: Table) -> None:
    tasks = list(next(iter(table.values())))
    rows = []
    for task in tasks:
        lead = next((results[task].lead for results in table.values() if results[task].lead), "")
        rows.append([task, NAMES.get(lead, lead), *(show_score(results[task]) for results in table.values())])
    show_table("评测结果（方括号里是 95% 区间）", ["任务", "指标", *table], rows)
