"""A file of questions in, a JSON Lines file of answers out: resumable after a kill, in the input's order at the end.

Each answer is appended when it is ready, and the whole file is rewritten in order, in one step, when all are. Rows are
known by a key made of id and content; beside the answers lies `<name>.settings.json`, what they were made with. The
work is cut into the engine's own groups, planned over all rows, and a group with a missing answer is repeated whole:
so a resumed run computes exactly what an uninterrupted one does, and only keeps what it lacks.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cornucopia.core.console import Progress
from cornucopia.core.errors import ConfigError, DataError, Interrupted
from cornucopia.core.jsonl import Appender, read_jsonl, write_json, write_jsonl
from cornucopia.inference import openai_batch
from cornucopia.inference.engine import Engine, Reply, Request, Sampling
from cornucopia.records.read import ReadResult
from cornucopia.records.schema import Message, Record

_ANEW = "换一个 --out，或加 --overwrite 从头生成"


@dataclass(frozen=True)
class Task:
    """One row of work: `problem` says why it cannot be asked."""

    key: str
    record: Record
    sampling: Sampling
    problem: str = ""


@dataclass(frozen=True)
class Summary:
    """What a run gave; `new_tokens` and `seconds` are of this run alone."""

    rows: int
    empty: int
    cut_off: int
    failed: int
    kept: int
    new_tokens: int
    seconds: float

    @property
    def speed(self) -> float:
        """Tokens made per second."""
        return self.new_tokens / self.seconds if self.seconds else 0.0


def make_tasks(data: ReadResult, sampling: Sampling, limit: int | None = None) -> list[Task]:
    """A task for each record, and for each refused line of an OpenAI Batch file that has a custom_id."""
    tasks = [_task(question, sampling) for record in data.records for question in _questions(record)]
    for reject in data.rejects:
        name = openai_batch.rejected_id(reject)
        if name is not None:
            record = Record(id=name, kind=openai_batch.KIND, origin=f"{data.path.name}:{reject.line}")
            tasks.append(Task(_key(record, sampling), record, sampling, reject.reason))
    if data.rejects and data.path.is_file():
        tasks.sort(key=lambda task: _line(task.record))
    return list({task.key: task for task in tasks}.values())[:limit]


def _line(record: Record) -> int:
    """The line a record was read from."""
    return int(record.origin.rpartition(":")[2])


def _questions(record: Record) -> Iterator[Record]:
    """A conversation as it is; of plain text, each line of a .txt file, or the whole text, as a question."""
    if record.messages:
        yield record
        return
    name, _, first = record.origin.rpartition(":")
    lines = record.text.splitlines() if name.endswith(".txt") else [record.text]
    for number, line in enumerate(lines):
        if line.strip():
            where = f"{name}:{int(first or 0) + number}"
            yield replace(record, id=where, origin=where, messages=(Message("user", line.strip()),), text="")


def _task(record: Record, sampling: Sampling) -> Task:
    problem = ""
    if openai_batch.is_request(record):
        try:
            sampling = openai_batch.own_sampling(record, sampling)
        except ConfigError as error:
            problem = " ".join(str(error).split())
    return Task(_key(record, sampling), record, sampling, problem)


def _key(record: Record, sampling: Sampling) -> str:
    own = sampling.fingerprint() if openai_batch.is_request(record) else ""
    return hashlib.sha256(json.dumps([record.id, record.asked(), own], ensure_ascii=False).encode()).hexdigest()[:16]


class AnswerFile:
    """The answers on disk, by key.

    Args:
        path: the JSON Lines file.
        settings: what decides the answers (JSON-ready); kept beside the file.
        overwrite: begin anew whatever is there.

    Raises:
        DataError: the file is not one of ours, is damaged, or was made with other settings.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.settings_path = self.path.with_name(f"{self.path.stem}.settings.json")
        if overwrite:
            self.path.unlink(missing_ok=True)
        self.created = int(time.time())
        if self.path.exists() and self.path.stat().st_size:
            self._check(settings)
        else:
            write_json(self.settings_path, {"created": self.created, "settings": settings})
        self.rows: dict[str, dict[str, Any]] = {}
        for row in self._read():
            self.rows[row.get("key") or openai_batch.key_of(row)] = row
        self.model = str(settings.get("adapter") or settings.get("base") or "")

    def done(self, key: str) -> bool:
        """Whether there is an answer; one that failed is asked again."""
        return key in self.rows and reply_of(self.rows[key]).finish_reason != "error"

    def row(self, task: Task, reply: Reply) -> dict[str, Any]:
        """The line written for an answer."""
        record = task.record
        if openai_batch.is_request(record):
            if task.problem:
                return openai_batch.refusal_line(task.key, record.id, task.problem)
            return openai_batch.response_line(task.key, record.id, reply, self.model, self.created)
        row = {
            "id": record.id, "question": record.question, "material": record.material, "golden": record.golden,
            "answer": reply.answer, "finish_reason": reply.finish_reason, "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens, "domain": record.domain, "kind": record.kind, "key": task.key,
        }  # fmt: skip
        return row | {key: text for key in ("reasoning", "error") if (text := getattr(reply, key))}

    def settle(self, tasks: Sequence[Task]) -> int:
        """Rewrite the file in the tasks' order; the number of rows of other tasks that were left out."""
        keys = {task.key for task in tasks}
        write_jsonl(self.path, [self.rows[task.key] for task in tasks if task.key in self.rows])
        return len(self.rows.keys() - keys)

    def _read(self) -> Iterator[dict[str, Any]]:
        try:
            yield from read_jsonl(self.path)
        except ValueError as error:
            raise DataError("输出文件已损坏", where=str(self.path), found=str(error), fix=_ANEW) from None

    def _check(self, settings: dict[str, Any]) -> None:
        try:
            saved = json.loads(self.settings_path.read_text(encoding="utf-8"))
            earlier, self.created = saved["settings"], int(saved["created"])
        except (OSError, ValueError, KeyError, TypeError):
            raise DataError(
                "输出文件已经存在，又不知道是用什么设置生成的", where=str(self.path),
                found=f"缺 {self.settings_path.name}", fix=_ANEW,
            ) from None  # fmt: skip
        changed = _changes(earlier, settings)
        if changed:
            raise DataError(
                "输出文件是用另一套设置生成的，不能接着写", where=str(self.path), found="；".join(changed),
                fix=_ANEW,
            )  # fmt: skip


def reply_of(row: dict[str, Any]) -> Reply:
    """The Reply a line of an answer file holds (without its time)."""
    if "custom_id" in row:
        return openai_batch.reply_of(row)
    return Reply(row["id"], row["answer"], row["finish_reason"], row["prompt_tokens"], row["completion_tokens"],
                 reasoning=row.get("reasoning", ""))  # fmt: skip


def answer_all(engine: Engine, tasks: Sequence[Task], file: AnswerFile) -> Summary:
    """Answer what the file lacks and settle it.

    Raises:
        DataError: the file holds answers to other questions only. Interrupted: Ctrl-C; all answers so far are kept.
    """
    wanted = {task.key for task in tasks}
    if file.rows and not wanted & file.rows.keys():
        raise DataError(
            "输出文件里是另一份数据的回答", where=str(file.path), found=f"{len(file.rows)} 行，没有一行对得上",
            fix=_ANEW,
        )  # fmt: skip
    kept = sum(file.done(task.key) for task in tasks)
    begun, new_tokens = time.monotonic(), 0
    try:
        with Appender(file.path) as out, Progress("推理", len(tasks), kept) as bar:
            for task, reply in _replies(engine, tasks, file):
                file.rows[task.key] = file.row(task, reply)
                out.write(file.rows[task.key])
                new_tokens += reply.completion_tokens
                bar.advance(1, f"{new_tokens / max(time.monotonic() - begun, 1e-6):.0f} 词元/秒")
    except KeyboardInterrupt:
        saved = sum(file.done(task.key) for task in tasks)
        message = f"已中断，已存 {saved}/{len(tasks)} 行"
        raise Interrupted(message, where=str(file.path), fix="再运行同一条命令就接着做") from None
    seconds = time.monotonic() - begun
    file.settle(tasks)
    replies = [reply_of(file.rows[task.key]) for task in tasks if task.key in file.rows]
    failed = len(tasks) - sum(reply.finish_reason != "error" for reply in replies)
    empty = sum(not reply.answer and reply.finish_reason != "error" for reply in replies)
    cut_off = sum(reply.finish_reason == "length" for reply in replies)
    return Summary(len(tasks), empty, cut_off, failed, kept, new_tokens, seconds)


def _replies(engine: Engine, tasks: Sequence[Task], file: AnswerFile) -> Iterator[tuple[Task, Reply]]:
    """Answers that are still missing, as they are made."""
    by_sampling: dict[str, list[Task]] = {}
    for task in tasks:
        if task.problem and not file.done(task.key):
            yield task, Reply(task.key, "", "error", error=task.problem)
        elif not task.problem:
            by_sampling.setdefault(task.sampling.fingerprint(), []).append(task)
    for group in by_sampling.values():
        by_key = {task.key: task for task in group}
        for part in _parts(engine, group, file):
            for reply in engine.generate(part, group[0].sampling):
                if not file.done(reply.id):
                    yield by_key[reply.id], reply


def _parts(engine: Engine, tasks: Sequence[Task], file: AnswerFile) -> list[list[Request]]:
    """The requests to make, in the groups they are answered in."""
    requests = [Request(task.key, task.record.prompt()) for task in tasks]
    plan = getattr(engine, "plan", None)
    if plan is None:
        missing = [request for request in requests if not file.done(request.id)]
        return [missing] if missing else []
    groups = plan(requests, tasks[0].sampling)
    return [group for group in groups if any(not file.done(request.id) for request in group)]


def _changes(earlier: Any, now: Any, name: str = "") -> list[str]:
    """What differs between two settings, as `name: old → new`."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        return [line for key in sorted({*earlier, *now}) for line in _changes(earlier.get(key), now.get(key), key)]
    return [] if earlier == now else [f"{name}：原来 {earlier}，现在 {now}"]
