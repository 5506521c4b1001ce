"""A data recipe, run: sources to output files, going on where an earlier run of it stopped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.console import Progress
from cornucopia.core.errors import ConfigError, Interrupted
from cornucopia.core.jsonl import Appender, write_json
from cornucopia.factory.engines import Engine, InProcess, open_engine
from cornucopia.factory.inputs import Fingerprints, key_of
from cornucopia.factory.manifest import Totals
from cornucopia.factory.outputs import write_joined, write_outputs
from cornucopia.factory.plan import Planned, plan_passes, plan_steps
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.shards import DROPPED, REJECTS, SURVEY, Shards, read_done
from cornucopia.factory.sourcing import Sourced, prepare
from cornucopia.factory.work import OUTPUT, Job, Pass, do, opened, raised
from cornucopia.records.stage import Context

_MOST_FAILED = 3  # shards that fail before no more are begun


@dataclass(frozen=True)
class Built:
    """What a run made.

    Args:
        folder: the output folder.
        outputs: {path, split, records, bytes, sha256} of each file.
        stages: {label, name, in, out, dropped, changed} of each step.
        rejects: bad rows of the input.
        seconds: of this run.
    """

    folder: Path
    outputs: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    rejects: int
    seconds: float


def build(recipe: DataRecipe) -> Built:
    """Run a recipe.

    Raises:
        ConfigError: no sources, or another run has the folder.
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
        if recipe.overwrite and work.is_dir():
            shutil.rmtree(work)
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
        self.recipe, self.folder, self.work, self.engine = recipe, folder, work, engine
        self.began = time.monotonic()

    def run(self) -> Built:
        fingerprints = Fingerprints(self.work / "inputs.json")
        steps = plan_steps(self.recipe, fingerprints)
        sources = [prepare(self.recipe, part, fingerprints, self.work) for part in self.recipe.sources]
        fingerprints.save()
        passes = plan_passes(self.recipe, steps, key_of([source.key for source in sources]), self.work)
        total = sum(source.count for source in sources)
        done = [read_done(one.folder) is not None for one in passes]
        first = max((number + 1 for number, whole in enumerate(done) if whole), default=0)
        for number in range(first, len(passes)):
            self._pass(number, passes, sources, total)
        return self._finish(steps, sources, passes, total)

    def _pass(self, number: int, passes: list[Pass], sources: list[Sourced], total: int) -> None:
        work = passes[number]
        shards = Shards(work.folder)
        shards.folder.mkdir(parents=True, exist_ok=True)
        shards.sweep()
        for step in [*work.steps, *([work.survey] if work.survey else [])]:
            step.folder.mkdir(parents=True, exist_ok=True)
        earlier = passes[number - 1].folder if number else None
        jobs = (Job(work, n, earlier, n) for n in range(total)) if earlier else _source_jobs(work, sources)
        names = "、".join(step.label.partition("-")[2] for step in work.steps) or "读入"
        label = f"第 {number + 1}/{len(passes)} 遍 {names}"
        self._do(label, shards, [job for job in jobs if not shards.has(job.number)], total, work.local)
        if work.survey:
            stage = opened(work.survey.target, work.survey.settings)
            surveys = [shards.path(n, SURVEY) for n in range(total)]
            stage.decide(surveys, Context(work.survey.folder, 0, self.recipe.seed))
        write_json(work.folder / "done.json", {"shards": total})
        if earlier and not self.recipe.keep_steps and not passes[number - 1].local:
            self._thin(Shards(earlier), total)

    def _do(self, label: str, shards: Shards, jobs: list[Job], total: int, local: bool) -> None:
        failed: list[dict[str, Any]] = []
        engine = InProcess() if local or len(jobs) == 1 else self.engine
        wanted = iter(jobs)
        began, records = time.monotonic(), 0
        with Progress(label, total, total - len(jobs)) as bar:
            taken = (job for job in wanted if len(failed) < _MOST_FAILED)
            for told in engine.run(do, taken):
                if told.get("what"):
                    failed.append(told)
                    continue
                records += told["records"]
                bar.advance(1, f"{records / max(time.monotonic() - began, 1e-9):,.0f} 条/秒")
        if failed:
            raise raised(failed[0])

    def _thin(self, shards: Shards, total: int) -> None:
        """Keep of a pass what the report needs."""
        for number in range(total):
            for kind in ("jsonl", SURVEY):
                shards.path(number, kind).unlink(missing_ok=True)

    def _finish(self, steps: list[Planned], sources: list[Sourced], passes: list[Pass], total: int) -> Built:
        labels = [step.label for step in steps] + [OUTPUT]
        totals = Totals(labels)
        for one in passes:
            shards = Shards(one.folder)
            totals.add(shards.summary(number) or {} for number in range(total))
        outputs = write_outputs(Shards(passes[-1].folder), total, self.recipe.output, self.folder)
        write_joined([(Shards(one.folder), total) for one in passes], DROPPED, self.folder / "dropped.jsonl")
        taken = [(Shards(s.folder), s.count) for s in sources if s.folder] + [(Shards(passes[0].folder), total)]
        write_joined(taken, REJECTS, self.folder / "rejects.jsonl")
        rejects = sum((shards.summary(n) or {}).get("rejects", 0) for shards, count in taken for n in range(count))
        stages = [
            {"label": label, "name": label.partition("-")[2], **totals.stages[label].counts()} for label in labels
        ]
        return Built(self.folder, outputs, stages, rejects, time.monotonic() - self.began)


def _source_jobs(work: Pass, sources: list[Sourced]) -> Iterator[Job]:
    first = 0
    for source in sources:
        yield from source.jobs(work, first)
        first += source.count
