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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cornucopia.core.console import Progress
from cornucopia.core.errors import ConfigError, DataError, Interrupted
from cornucopia.core.jsonl import mended
from cornucopia.inference import openai_batch
from cornucopia.inference.asking import groups_to_ask, unfit
from cornucopia.inference.engine import Engine, Reply, Request, Sampling
from cornucopia.inference.store import AnswerStore
from cornucopia.records.read import ReadResult
from cornucopia.records.schema import Message, Record, ToolCall

_LATER = ("quant_type", "template_source", "min_p")  # settings that files of version 0.2 do not have
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
            sampling, record = openai_batch.own_sampling(record, sampling), openai_batch.with_tools(record)
        except ConfigError as error:
            problem = " ".join(str(error).split())
    return Task(_key(record, sampling), record, sampling, problem)


def _key(record: Record, sampling: Sampling) -> str:
    own = sampling.fingerprint() if openai_batch.is_request(record) else ""
    text = mended(json.dumps([record.id, record.asked(), own], ensure_ascii=False))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class AnswerFile:
    """The answers to one file of questions: an AnswerStore of one setting.

    Args:
        path: the JSON Lines file.
        settings: what decides the answers (JSON-ready); kept beside the file.
        overwrite: begin anew whatever is there.

    Raises:
        DataError: the file is not one of ours, is damaged, was made with other settings, or is being written.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
        self.path, self.overwrite = Path(path), overwrite
        settings_path = self.path.with_name(f"{self.path.stem}.settings.json")
        begun = self.path.exists() and self.path.stat().st_size > 0 and not overwrite
        if begun and not settings_path.is_file():
            raise self._unknown(settings_path)
        self._store = AnswerStore(self.path, settings_path, key_of=_row_key, failed=_row_failed, anew=overwrite)
        try:
            self.created = self._check(settings) if begun else int(time.time())
            if not begun:
                self._store.note_settings({"created": self.created, "settings": settings})
        except BaseException:
            self._store.close()
            raise
        self.get, self.done, self.add, self.close = (
            self._store.get, self._store.done, self._store.add, self._store.close,
        )  # fmt: skip
        self.model = str(settings.get("adapter") or settings.get("base") or settings.get("model") or "")

    def __len__(self) -> int:
        return len(self._store)

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
        beside = {
            "reasoning": reply.reasoning,
            "tool_calls": [asdict(c) for c in reply.tool_calls],
            "said": [_told(turn) for turn in reply.said],
            "error": reply.error,
        }
        return row | {key: value for key, value in beside.items() if value}

    def settle(self, tasks: Sequence[Task]) -> None:
        """Rewrite the file in the tasks' order; rows of other questions are left out."""
        rows = [self._store.get(task.key) for task in tasks]
        self._store.settle(row for row in rows if row is not None)

    def _check(self, settings: dict[str, Any]) -> int:
        """When the file was begun, if it was with these settings."""
        try:
            earlier, created = self._store.settings["settings"], int(self._store.settings["created"])
        except (KeyError, TypeError, ValueError):
            raise self._unknown(self._store.settings_path) from None
        changed = _changes(earlier, settings)
        if changed:
            raise DataError(
                "输出文件是用另一套设置生成的，不能接着写", where=str(self.path), found="；".join(changed), fix=_ANEW
            )
        return created

    def _unknown(self, settings_path: Path) -> DataError:
        found = f"缺 {settings_path.name}，或它读不懂"
        return DataError("输出文件已经存在，又不知道是用什么设置生成的", where=str(self.path), found=found, fix=_ANEW)


def _told(turn: Message) -> dict[str, Any]:
    """A turn before the answer: a tool's result, or the calls it answers."""
    calls = [{"name": call.name, "arguments": call.arguments} for call in turn.tool_calls]
    return {"role": turn.role, "content": turn.content} | ({"tool_calls": calls} if calls else {})


def _row_key(row: dict[str, Any]) -> str:
    return str(row.get("key") or openai_batch.key_of(row))


def _row_failed(row: dict[str, Any]) -> bool:
    return reply_of(row).finish_reason == "error"


def reply_of(row: dict[str, Any]) -> Reply:
    """The Reply a line of an answer file holds (without its time)."""
    if "custom_id" in row:
        return openai_batch.reply_of(row)
    return Reply(row["id"], row["answer"], row["finish_reason"], row["prompt_tokens"], row["completion_tokens"],
                 error=row.get("error", ""), reasoning=row.get("reasoning", ""),
                 tool_calls=tuple(ToolCall(**call) for call in row.get("tool_calls", ())))  # fmt: skip


def answer_all(engine: Engine, tasks: Sequence[Task], file: AnswerFile) -> Summary:
    """Answer what the file lacks, settle and close it.

    Raises:
        DataError: the file holds answers to other questions only. Interrupted: Ctrl-C; all answers so far are kept.
    """
    try:
        if len(file) and not any(file.get(task.key) for task in tasks):
            found = f"{len(file)} 行，没有一行对得上"
            raise DataError("输出文件里是另一份数据的回答", where=str(file.path), found=found, fix=_ANEW)
        kept = sum(file.done(task.key) for task in tasks)
        begun, new_tokens = time.monotonic(), 0
        with Progress("推理", len(tasks), kept) as bar:
            for task, reply in _replies(engine, tasks, file):
                file.add(file.row(task, reply))
                new_tokens += reply.completion_tokens
                bar.advance(1, f"{new_tokens / max(time.monotonic() - begun, 1e-6):.0f} 词元/秒")
        file.settle(tasks)
        return _summary(tasks, file, kept, new_tokens, time.monotonic() - begun)
    except KeyboardInterrupt:
        saved = sum(file.done(task.key) for task in tasks)
        fix = "去掉 --overwrite 再运行就接着做" if file.overwrite else "再运行同一条命令就接着做"
        raise Interrupted(f"已中断，已存 {saved}/{len(tasks)} 行", where=str(file.path), fix=fix) from None
    finally:
        file.close()


def _summary(tasks: Sequence[Task], file: AnswerFile, kept: int, new_tokens: int, seconds: float) -> Summary:
    replies = [reply_of(row) for task in tasks if (row := file.get(task.key))]
    good = [reply for reply in replies if reply.finish_reason != "error"]
    empty = sum(not (reply.answer or reply.tool_calls) for reply in good)
    cut_off = sum(reply.finish_reason == "length" for reply in good)
    return Summary(len(tasks), empty, cut_off, len(tasks) - len(good), kept, new_tokens, seconds)


def _replies(engine: Engine, tasks: Sequence[Task], file: AnswerFile) -> Iterator[tuple[Task, Reply]]:
    """Answers that are still missing, as they are made."""
    by_sampling: dict[str, list[Task]] = {}
    limits = engine.limits()
    for task in tasks:
        if problem := task.problem or unfit(task.record, limits):
            if not file.done(task.key):
                yield replace(task, problem=problem), Reply(task.key, "", "error", error=problem)
        else:
            by_sampling.setdefault(task.sampling.fingerprint(), []).append(task)
    for alike in by_sampling.values():
        by_key, sampling = {task.key: task for task in alike}, alike[0].sampling
        requests = [Request(task.key, task.record.prompt()) for task in alike]
        for group, _ in groups_to_ask(engine, requests, sampling, file.done):
            for reply in engine.generate(group, sampling):
                if not file.done(reply.id):
                    yield by_key[reply.id], reply


def _changes(earlier: Any, now: Any, name: str = "") -> list[str]:
    """What differs between two settings, as `name: old → new`.

    What an older version did not write down, or wrote as a fingerprint of samples (16 digits), cannot differ.
    """
    if isinstance(earlier, dict) and isinstance(now, dict):
        return [line for key in sorted({*earlier, *now}) for line in _changes(earlier.get(key), now.get(key), key)]
    sampled = name.endswith("fingerprint") and isinstance(earlier, str) and len(earlier) == 16
    if earlier == now or sampled or (earlier is None and name in _LATER):
        return []
    return [f"{name}：原来 {earlier}，现在 {now}"]
