"""One shard through one pass, in whatever process or machine: read, apply the steps, survey or format, write.

A job names everything by path and class, so it can be done anywhere that sees the same folders, and done twice: the
same bytes come out. Knows nothing of engines and recipes.
"""

from __future__ import annotations

import errno
import gc
import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orjson

from cornucopia.core.errors import ConfigError, CornucopiaError, DataError, first_line, reason
from cornucopia.factory import tables
from cornucopia.factory.formatting import format_parts
from cornucopia.factory.samples import Samples
from cornucopia.factory.shards import DROPPED, RECORDS, REJECTS, SURVEY, Shards
from cornucopia.records.lines import Lines, lines_of
from cornucopia.records.native import pack
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage

OUTPUT = "output"  # label under which records are dropped that the output format cannot hold


@dataclass(frozen=True)
class Step:
    """A stage with its settings.

    Args:
        label: unique in the recipe, such as `2-deduplicate`.
        target: "module:class".
        settings: JSON text of its Config.
        folder: the stage's own.
    """

    label: str
    target: str
    settings: str
    folder: Path

    def open(self) -> Stage:
        """The stage, made once in a process."""
        return opened(self.target, self.settings, str(self.folder))


@dataclass(frozen=True)
class Pass:
    """What is done to every shard before the next thing that must know all of them.

    Args:
        folder: where the shards go.
        steps: applied in this order.
        survey: the step that surveys what they leave.
        output: settings of the output files, in the last pass: formatted parts are written instead of records.
        local: whether it must run in the main process.
        seed: of the run.
    """

    folder: Path
    steps: tuple[Step, ...] = ()
    survey: Step | None = None
    output: str = ""
    local: bool = False
    seed: int = 42


@dataclass(frozen=True)
class Job:
    """One shard of a pass.

    Args:
        work: the pass.
        number: of the shard.
        shard: folder of the shards that the records come from, '' where they come from an intake.
        piece: (target, settings, piece) of an intake that is read in parts.
        source_number: number of the shard in its folder.
    """

    work: Pass
    number: int
    shard: Path | None = None
    source_number: int = 0
    piece: tuple[str, str, Any] | None = None


@dataclass
class _Told:
    """What a job leaves besides records."""

    files: dict[str, list[bytes]] = field(default_factory=dict)
    stages: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, line: bytes) -> None:
        self.files.setdefault(kind, []).append(line)

    def drop(self, label: str, dropped: Iterable[Dropped]) -> None:
        for one in dropped:
            self.add(DROPPED, _dropped_line(label, one))


def do(job: Job) -> dict[str, Any]:
    """Do a job; {"records": how many came in} when the shard is whole, otherwise the parts of an error.

    An error comes back as a value: exceptions lose their parts on the way between processes.
    """
    try:
        with _without_cycles(job.work.local):
            return {"records": _do(job)}
    except CornucopiaError as error:
        told = {"what": error.what, "where": error.where, "found": error.found, "fix": error.fix}
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = f"{'腾出空间，' if full else ''}再运行同一条命令：做完的不会重做"
        where = str(error.filename or job.work.folder)
        told = {"what": "读写文件没有成功", "where": where, "found": reason(error), "fix": fix}
    return {**told, "number": job.number}


@contextmanager
def _without_cycles(asks: bool) -> Iterator[None]:
    """The search for cycles among objects put off while a shard is worked on: it walks all records again and again, a
    fifth of the time, and finds none. A stage that asks a model may leave some, and takes its time anyway."""
    if asks or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def raised(told: dict[str, Any]) -> CornucopiaError:
    """The error that `do` came back with."""
    return DataError(told["what"], where=told["where"], found=told["found"], fix=told["fix"])


def _do(job: Job) -> int:
    work, told = job.work, _Told()
    began = time.perf_counter()
    records = _records(job, told)
    told.seconds["read"] = time.perf_counter() - began
    summary: dict[str, Any] = {"in": len(records)}
    for step in work.steps:
        if not step.open().takes_rows:
            records = list(records)
        records = _apply(step, records, job, told)
    if work.survey:
        records = list(records)
        _survey(work.survey, records, job, told)
    began = time.perf_counter()
    if work.output:
        summary |= _format(work.output, records, told)
    else:
        told.files[RECORDS] = [line + b"\n" for line in lines_of(records)]
    told.seconds["write"] = time.perf_counter() - began
    summary |= {"out": len(records), "stages": told.stages, "seconds": told.seconds}
    files = {kind: b"".join(lines) for kind, lines in told.files.items()}
    summary["rejects"] = len(told.files.get(REJECTS, ()))
    Shards(work.folder).write(job.number, files, summary)
    return int(summary["in"])


def _records(job: Job, told: _Told) -> list[Record] | Lines:
    if job.shard is not None:
        return _kept(Shards(job.shard), job.source_number)
    assert job.piece
    target, settings, piece = job.piece
    records: list[Record] = []
    for item in opened(target, settings).read(piece):
        if isinstance(item, Reject):
            told.add(REJECTS, reject_line(item))
        else:
            records.append(item)
    return records


def _kept(shards: Shards, number: int) -> Lines:
    """
    Raises:
        DataError: the shard does not hold what its summary says.
    """
    lines = list(shards.lines(number))
    if len(lines) != (shards.summary(number) or {}).get("out"):
        where = str(shards.path(number, RECORDS))
        raise DataError("中间结果不全", where=where, found=f"{len(lines)} 条", fix="加 --overwrite 重做")
    return Lines(lines)


@lru_cache(64)
def opened(target: str, settings: str, place: str = "") -> Any:
    """A stage or intake, made once in a process.

    Args:
        target: "module:class".
        settings: JSON text of its Config.
        place: its folder, whose name stands for the contents of the files it reads too.
    """
    made = tables.load(target)
    return made(made.settings.model_validate_json(settings))


def reject_line(reject: Reject) -> bytes:
    """A bad row as a line."""
    row = {"where": reject.where, "reason": reject.reason, "raw": reject.raw}
    return orjson.dumps({key: text.encode("utf-8", "backslashreplace").decode() for key, text in row.items()}) + b"\n"


def _apply(step: Step, records: Sequence[Record], job: Job, told: _Told) -> list[Record] | Lines:
    stage = step.open()
    context = Context(step.folder, job.number, job.work.seed)
    began = time.perf_counter()
    outcome = _guarded(stage.apply, records, context, step, job)
    told.seconds[step.label] = time.perf_counter() - began
    told.stages.append(counted(step.label, len(records), len(outcome.kept), outcome))
    told.drop(step.label, outcome.dropped)
    return outcome.kept


def _dropped_line(label: str, one: Dropped) -> bytes:
    head = orjson.dumps({"stage": label, "rule": one.rule, "detail": one.detail})
    return head[:-1] + b',"record":' + pack(one.record).lstrip() + b"}\n"


def counted(label: str, count: int, kept: int, outcome: Outcome) -> dict[str, Any]:
    """What the report says of a step on one shard."""
    examples = Samples()
    for one in outcome.dropped:
        examples.add_dropped(one)
    return {
        "label": label,
        "in": count,
        "out": kept,
        "dropped": dict(sorted(Counter(one.rule for one in outcome.dropped).items())),
        "changed": dict(sorted(outcome.counts.items())),
        "drop_examples": examples.rows(),
        "change_examples": Samples.of_changes(outcome.examples),
    }


def _survey(step: Step, records: Sequence[Record], job: Job, told: _Told) -> None:
    stage = step.open()
    context = Context(step.folder, job.number, job.work.seed)
    began = time.perf_counter()
    arrays = _guarded(stage.survey, records, context, step, job)
    held = io.BytesIO()
    np.savez(held, **arrays)
    told.files[SURVEY] = [held.getvalue()]
    told.seconds[f"{step.label} survey"] = time.perf_counter() - began


def _format(settings: str, records: Sequence[Record], told: _Told) -> dict[str, Any]:
    parts = format_parts(records, json.loads(settings))
    told.drop(OUTPUT, parts.refused)
    told.files |= {f"{split}.part": [data] for split, data in parts.data.items()}
    told.stages.append(counted(OUTPUT, len(records), sum(parts.counts.values()), Outcome(dropped=parts.refused)))
    return {"splits": dict(parts.counts), "profile": parts.profile.to_dict()}


def _guarded(call: Any, records: Sequence[Record], context: Context, step: Step, job: Job) -> Any:
    """
    Raises:
        DataError: the stage raised; names the shard, and the record it was at where that can be told.
    """
    try:
        return call(records, context)
    except (CornucopiaError, OSError):
        raise
    except Exception as error:
        record = _record_at(error.__traceback__)
        at = f"记录 {record.id}（{record.origin}）" if record else "看不出是哪一条"
        where = f"步骤 {step.label}，第 {job.number} 片，{at}"
        found = f"{type(error).__name__}：{first_line(error)}"
        fix = f"去掉这条，或在配方里跳过 {step.label.partition('-')[2]}；其他片已存好，再运行只做没做完的"
        raise ConfigError("一步在一条记录上出错", where=where, found=found, fix=fix) from error


def _record_at(trace: TracebackType | None) -> Record | None:
    """The record that the innermost function holding one was at."""
    found = None
    while trace is not None:
        held = [value for value in trace.tb_frame.f_locals.values() if isinstance(value, Record)]
        found = held[-1] if held else found
        trace = trace.tb_next
    return found
