"""A data recipe, run: sources to output files, going on where an earlier run of it stopped."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.console import Progress
from cornucopia.core.errors import ConfigError, CornucopiaError, Interrupted, first_line
from cornucopia.core.jsonl import Appender, write_json
from cornucopia.factory.engines import Engine, InProcess
from cornucopia.factory.inputs import Fingerprints, key_of
from cornucopia.factory.manifest import write_manifest, write_report_data
from cornucopia.factory.open_engine import open_engine
from cornucopia.factory.outputs import (
    refuse_other_data,
    refuse_own_outputs,
    write_joined,
    write_outputs,
    write_reports,
)
from cornucopia.factory.plan import plan_passes, plan_steps
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.report.page import write_report
from cornucopia.factory.shards import DROPPED, RECORDS, REJECTS, SURVEY, Shards, read_done
from cornucopia.factory.sourcing import Sourced, prepare
from cornucopia.factory.totals import Totals
from cornucopia.factory.work import OUTPUT, Job, Pass, Step, do, opened, raised
from cornucopia.records.stage import Context

_MOST_FAILED = 3  # shards that fail before no more are begun
_WORTH_PROCESSES = 2  # shards from which on it pays to start processes
_MADE = re.compile(r"(pass|step|source)-.*-[0-9a-f]{16}")


@dataclass(frozen=True)
class Built:
    """What a run made.

    Args:
        folder: the output folder.
        outputs: {path, split, records, bytes, sha256} of each file.
        stages: {label, name, in, out, dropped, changed} of each step.
        reports: label -> files that the step wrote for the user.
        rejects: bad rows of the input.
        seconds: of this run.
    """

    folder: Path
    outputs: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    reports: dict[str, list[Path]]
    rejects: int
    seconds: float


def build(recipe: DataRecipe) -> Built:
    """Run a recipe.

    Raises:
        ConfigError: no sources, another run has the folder, or data that it would write over.
        Interrupted: Ctrl-C; what was done is kept.
        CornucopiaError: a source or a stage could not go on; what was done is kept.
    """
    if not recipe.sources:
        raise ConfigError("没有来源", fix="在配方里写 sources: [{kind: records, path: 文件}]")
    folder = Path(recipe.output_dir)
    work = folder / "work"
    with Appender(folder / ".lock") as lock:
        if not lock.lock():
            raise ConfigError("另一个运行正在写这个文件夹", where=str(folder), fix="等它结束，或换 output_dir")
        refuse_other_data(folder)
        if recipe.overwrite:
            _clear(work, set())
        engine = open_engine(recipe.engine, recipe.workers)
        try:
            built = _Run(recipe, folder, work, engine).run()
        except KeyboardInterrupt:
            engine.close(now=True)
            fix = "再运行同一条命令就接着做"
            raise Interrupted("已中断；做完的都已存好", where=str(folder), fix=fix) from None
        except BaseException:
            engine.close(now=True)
            raise
        engine.close()
        return built


class _Run:
    """One run, step by step."""

    def __init__(self, recipe: DataRecipe, folder: Path, work: Path, engine: Engine) -> None:
        self.recipe, self.folder, self.engine = recipe, folder, engine
        opened.cache_clear()  # stages may hold what they read for an earlier run
        self.began, self.times = time.monotonic(), list[dict[str, Any]]()
        fingerprints = Fingerprints(work / "inputs.json")
        self.steps = plan_steps(recipe, fingerprints)
        self.sources = [prepare(recipe, part, fingerprints, work) for part in recipe.sources]
        read = [*(step.inputs for step in self.steps), *(source.inputs for source in self.sources)]
        refuse_own_outputs(folder, [row for rows in read for row in rows])
        fingerprints.save()
        self.passes = plan_passes(recipe, self.steps, key_of([source.key for source in self.sources]), work)
        self.total = sum(source.count for source in self.sources)
        self.work = work

    def run(self) -> Built:
        """All passes that are not done, then the files."""
        last = len(self.passes) - 1
        done = [read_done(one.folder) or {} for one in self.passes]
        usable = [number for number, told in enumerate(done) if told and (number == last or not told.get("thin"))]
        first = max(usable, default=-1) + 1
        for number in range(first, len(self.passes)):
            if done[number]:  # its records were given up to save disk
                shutil.rmtree(self.passes[number].folder)
            self._pass(number)
            if number and not self.recipe.keep_steps:
                self._thin(self.passes[number - 1])
        return self._finish()

    def _pass(self, number: int) -> None:
        work, total = self.passes[number], self.total
        shards = Shards(work.folder)
        for folder in (
            work.folder,
            *(step.folder for step in work.steps),
            *([work.survey.folder] if work.survey else []),
        ):
            folder.mkdir(parents=True, exist_ok=True)
        shards.sweep()
        earlier = self.passes[number - 1].folder if number else None
        jobs = (Job(work, n, earlier, n) for n in range(total)) if earlier else _source_jobs(work, self.sources)
        names = "、".join(step.label.partition("-")[2] for step in work.steps) or "读入"
        began = time.monotonic()
        label = f"第 {number + 1}/{len(self.passes)} 遍 {names}"
        records = self._do(label, [job for job in jobs if not shards.has(job.number)], work.local)
        for step in work.steps:
            step.open().finish(Context(step.folder, 0, self.recipe.seed))
        surveyed = time.monotonic()
        if work.survey:
            _decide(work.survey, [shards.path(n, SURVEY) for n in range(total)], self.recipe.seed)
        ended = time.monotonic()
        write_json(work.folder / "done.json", {"shards": total})
        times = {"seconds": round(ended - began, 3), "decide_seconds": round(ended - surveyed, 3)}
        self.times.append({"steps": names, "records": records} | times)

    def _do(self, label: str, jobs: list[Job], local: bool) -> int:
        """Do the jobs; how many records came in.

        Raises:
            CornucopiaError: the first of those that shards failed with, once the others under way were done.
        """
        failed: list[dict[str, Any]] = []
        engine = InProcess() if local or len(jobs) < _WORTH_PROCESSES else self.engine
        wanted = (job for job in jobs if len(failed) < _MOST_FAILED)
        began, records = time.monotonic(), 0
        with Progress(label, self.total, self.total - len(jobs)) as bar:
            for told in engine.run(do, wanted):
                if "what" in told:
                    failed.append(told)
                    continue
                records += told["records"]
                bar.advance(1, f"{records / max(time.monotonic() - began, 1e-9):,.0f} 条/秒")
        if failed:
            raise raised(min(failed, key=lambda told: told["number"]))
        return records

    def _thin(self, work: Pass) -> None:
        """Keep of a pass what the report needs; what a model was asked for stays."""
        if work.local:
            return
        write_json(work.folder / "done.json", {"shards": self.total, "thin": True})
        for number in range(self.total):
            for kind in (RECORDS, SURVEY):
                Shards(work.folder).path(number, kind).unlink(missing_ok=True)

    def _finish(self) -> Built:
        labels = [*(step.label for step in self.steps), OUTPUT]
        totals = Totals(labels)
        held = [(Shards(one.folder), self.total) for one in self.passes]
        for shards, count in held:
            totals.add(shards.summary(number) or {} for number in range(count))
        outputs = write_outputs(*held[-1], self.recipe.output, self.folder)
        write_joined(held, DROPPED, self.folder / "dropped.jsonl")
        bad = [*((Shards(one.folder), one.count) for one in self.sources if one.pieces is None), held[0]]
        write_joined(bad, REJECTS, self.folder / "rejects.jsonl")
        sources = list(zip(self.sources, self._source_counts(), strict=True))
        reports = write_reports(
            ((s.label, Context(s.folder).report) for one in self.passes for s in one.steps), self.folder
        )
        write_report_data(self.folder, self.steps, self.passes, sources, totals, outputs, bad)
        write_manifest(self.folder, self.recipe, self.steps, sources, totals, outputs)
        seconds = time.monotonic() - self.began
        self._write_timings(seconds, totals)
        write_report(self.folder)
        used = {path for one in self.passes for path in _folders(one)}
        _clear(self.work, used | {source.folder for source in self.sources})
        stages = [{"label": label, **totals.stages[label].counts()} for label in labels]
        rejects = sum(counts["rejects"] for _, counts in sources)
        return Built(self.folder, outputs, stages, reports, rejects, seconds)

    def _source_counts(self) -> Iterator[dict[str, int]]:
        first = 0
        for source in self.sources:
            taken = [Shards(self.passes[0].folder).summary(n) or {} for n in range(first, first + source.count)]
            read = [Shards(source.folder).summary(n) or {} for n in range(source.count)]
            read = taken if source.pieces is not None else read
            rejects = sum(one["rejects"] for one in read)
            yield {"records": sum(one["in"] for one in taken), "rejects": rejects}
            first += source.count

    def _write_timings(self, seconds: float, totals: Totals) -> None:
        work = {label: round(spent, 3) for label, spent in totals.seconds.items()}
        times = {"seconds": round(seconds, 3), "passes": self.times, "work_seconds": work}
        write_json(self.folder / "timings.json", times | {"engine": self.recipe.engine, "workers": self.recipe.workers})


def _source_jobs(work: Pass, sources: list[Sourced]) -> Iterator[Job]:
    first = 0
    for source in sources:
        yield from source.jobs(work, first)
        first += source.count


def _decide(step: Step, surveys: list[Path], seed: int) -> None:
    """
    Raises:
        ConfigError: the stage raised.
    """
    try:
        step.open().decide(surveys, Context(step.folder, 0, seed))
    except (CornucopiaError, OSError):
        raise
    except Exception as error:
        found = f"{type(error).__name__}：{first_line(error)}"
        raise ConfigError("一步在汇总时出错", where=f"步骤 {step.label}", found=found) from error


def _folders(work: Pass) -> Iterator[Path]:
    yield work.folder
    yield from (step.folder for step in work.steps)


def _clear(work: Path, used: set[Path]) -> None:
    """Remove what other settings made; pages that were fetched and answers that were paid for stay."""
    for path in work.iterdir() if work.is_dir() else ():
        if path not in used and _MADE.fullmatch(path.name):
            shutil.rmtree(path)
