"""Runs a comparison: groups contestants by base, asks them, keeps every answer at once.

Knows engines only by their contract. A contestant that fails shows its error in its cells and spoils nothing else.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from cornucopia.comparison.cells import (
    Cell,
    CellStore,
    Comparison,
    Question,
    collect,
    describe,
    make_questions,
    ordered_rows,
)
from cornucopia.comparison.recipe import CompareRecipe, Contestant
from cornucopia.core.console import Progress, warn
from cornucopia.core.errors import CornucopiaError, DataError, Interrupted
from cornucopia.inference.engine import Engine, Reply, Request, Sampling
from cornucopia.records.schema import Message, Record

T = TypeVar("T")
Opener = Callable[[Sequence[Contestant], CompareRecipe], Sequence[Engine]]


def compare(recipe: CompareRecipe, records: Sequence[Record], opener: Opener | None = None) -> Comparison:
    """Fill every cell that is missing, failed or out of date, and settle answers.jsonl.

    Args:
        recipe: contestants, sampling, output folder.
        records: the questions; a golden answer at the end is never shown to a contestant.
        opener: makes one engine for each contestant of a group; the real ones by default.

    Raises:
        DataError: no questions. Interrupted: Ctrl-C; all finished cells are kept.
    """
    questions = make_questions([record for record in records if record.question][: recipe.limit])
    if not questions:
        raise DataError("没有一道题可比", where=recipe.questions, fix="问题文件里每行要有 instruction（或 messages）")
    prints = {contestant.name: recipe.fingerprint_of(contestant) for contestant in recipe.contestants}
    store = CellStore(recipe.output_dir)
    try:
        for group in _groups(recipe.contestants):
            columns = [Column(contestant, recipe, questions, prints[contestant.name], store) for contestant in group]
            _run_group([column for column in columns if column.missing(questions)], recipe, opener or open_contestants)
            _free_memory()
    except KeyboardInterrupt:
        done = sum(store.done((prints[c.name], q.fingerprint)) for c in recipe.contestants for q in questions)
        total = len(questions) * len(recipe.contestants)
        raise Interrupted(
            f"已中断，已存 {done}/{total} 格", where=str(store.answers), fix="再运行同一命令就接着做"
        ) from None
    finally:
        store.close()
    comparison = collect(recipe, questions, prints, store)
    store.settle(list(ordered_rows(comparison)))
    return comparison


def open_contestants(group: Sequence[Contestant], recipe: CompareRecipe) -> Sequence[Engine]:
    """One engine for each contestant; the contestants of a group stand on the same base."""
    first = group[0]
    if first.endpoint:
        from cornucopia.inference.openai_engine import OpenAIEngine

        keys = ("endpoint", "model", "key_env", "requests_per_minute", "max_retries", "timeout", "concurrency")
        return [OpenAIEngine(**{key: getattr(contestant, key) for key in keys}) for contestant in group]
    from cornucopia.inference.local_engines import open_engines
    from cornucopia.tokens.template import resolve_template

    engines = open_engines(
        first.base, [contestant.adapter for contestant in group], bits=first.bits, dtype=first.dtype,
        device=recipe.device, batch_tokens=recipe.batch_tokens,
    )  # fmt: skip
    for contestant, engine in zip(group, engines, strict=True):
        if contestant.template:
            engine.template = resolve_template(contestant.template, engine.tokenizer)
            engine.identity["template"] = engine.template.name
    return engines


def _groups(contestants: Sequence[Contestant]) -> list[list[Contestant]]:
    groups: dict[object, list[Contestant]] = {}
    for contestant in contestants:
        groups.setdefault(contestant.name if contestant.endpoint else contestant.loaded_as, []).append(contestant)
    return list(groups.values())


def _run_group(columns: list[Column], recipe: CompareRecipe, opener: Opener) -> None:
    for column, engine in _opened(columns, recipe, opener):
        if isinstance(engine, Exception):
            warn(f"选手 {column.name} 打不开：{message_of(engine)}")
            column.fail(column.missing(column.questions), engine)
        else:
            column.fill(engine)


def _opened(
    columns: list[Column], recipe: CompareRecipe, opener: Opener
) -> Iterator[tuple[Column, Engine | Exception]]:
    """Each column with its engine, or with what kept it from opening.

    When a group does not open as one, its members are tried alone, so that only the guilty one fails.
    """
    if not columns:
        return
    try:
        engines: Sequence[Engine | Exception] = opener([column.contestant for column in columns], recipe)
    except Exception as error:
        engines = [error] if len(columns) == 1 else []
    if engines or len(columns) == 1:
        yield from zip(columns, engines, strict=True)
        return
    for column in columns:
        yield from _opened([column], recipe, opener)


def _free_memory() -> None:
    """Let go of a base before the next is loaded."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


class Column:
    """The cells of one contestant, being filled."""

    def __init__(
        self,
        contestant: Contestant,
        recipe: CompareRecipe,
        questions: list[Question],
        fingerprint: str,
        store: CellStore,
    ) -> None:
        self.contestant, self.fingerprint, self.store = contestant, fingerprint, store
        self.name = contestant.name
        self.sampling: Sampling = recipe.sampling_of(contestant)
        self.system = recipe.system if contestant.system is None else contestant.system
        self.questions = list({question.fingerprint: question for question in reversed(questions)}.values())[::-1]
        self._told: set[str] = set()  # reasons the terminal has already named

    def missing(self, questions: Sequence[Question]) -> list[Question]:
        """Questions among these without an answer yet."""
        return [q for q in questions if not self.store.done((self.fingerprint, q.fingerprint))]

    def fill(self, engine: Engine) -> None:
        """Ask for all missing cells; what fails becomes an error cell."""
        missing = self.missing(self.questions)
        with Progress(self.name, len(self.questions), len(self.questions) - len(missing)) as bar:
            for chunk in self._guarded(missing, lambda: self._prepare(engine)) or []:
                if wanted := self.missing(chunk):
                    self._guarded(wanted, partial(self._ask, engine, chunk, bar))
                    self.fail(self._unanswered(wanted), CornucopiaError("引擎没有给出这一题的回答"))
        self._tell_errors(missing)

    def _tell_errors(self, asked: Sequence[Question]) -> None:
        """One line when questions came back with an error each (an endpoint that refuses, a key that is wrong)."""
        cells = [self.store.get((self.fingerprint, question.fingerprint)) for question in asked]
        errors = [cell["error"] for cell in cells if cell and cell.get("error")]
        if errors and errors[0] not in self._told:
            warn(f"选手 {self.name}：{len(errors)} 题没有答上来，例如：{errors[0]}")

    def _guarded(self, questions: Sequence[Question], work: Callable[[], T]) -> T | None:
        """Do the work; if it fails, the questions still missing get the reason, and the comparison goes on."""
        try:
            return work()
        except Exception as error:
            self._told.add(message_of(error))
            warn(f"选手 {self.name} 出错：{message_of(error)}")
            self.fail(self.missing(questions), error)
            return None

    def _prepare(self, engine: Engine) -> list[list[Question]]:
        if describe_engine := getattr(engine, "describe", None):
            self.store.note_settings(self.fingerprint, describe_engine(self.sampling))
        return self._chunks(engine)

    def fail(self, questions: Sequence[Question], error: Exception) -> None:
        """Write an error cell for each of these."""
        for question in questions:
            self._write(question, Reply(question.fingerprint, "", "error", error=message_of(error)), None)

    def _unanswered(self, wanted: Sequence[Question]) -> list[Question]:
        return [question for question in wanted if self.store.get((self.fingerprint, question.fingerprint)) is None]

    def _chunks(self, engine: Engine) -> list[list[Question]]:
        """What is asked in one go.

        An answer of a local model hangs, in the last bits of its logits, on what else is in its batch. So batches are
        planned from all the questions, and one that a kill has cut is run again whole: only what was missing is kept.
        """
        planner = getattr(engine, "plan", None)
        if planner is None:
            return [self.missing(self.questions)]
        by_print = {question.fingerprint: question for question in self.questions}
        return [
            [by_print[request.id] for request in batch]
            for batch in planner(self._requests(self.questions), self.sampling)
        ]

    def _requests(self, questions: Sequence[Question]) -> list[Request]:
        return [Request(question.fingerprint, self._with_system(question.record).prompt()) for question in questions]

    def _ask(self, engine: Engine, asked: Sequence[Question], bar: Progress) -> None:
        waiting = {question.fingerprint: question for question in self.missing(asked)}
        replies: Iterable[Reply] = engine.generate(self._requests(asked), self.sampling)
        thoughts = {}
        if hasattr(engine, "plan"):  # a local model, which scores: after its own thoughts, so they come first
            replies = list(replies)
            thoughts = {reply.id: reply.reasoning for reply in replies}
        losses = self._golden_losses(engine, asked, thoughts)
        for reply in replies:
            question = waiting.pop(reply.id, None)
            if question is not None:
                self._write(question, reply, losses.get(reply.id))
                bar.advance()

    def _golden_losses(
        self, engine: Engine, asked: Sequence[Question], thoughts: Mapping[str, str]
    ) -> dict[str, tuple[float, int]]:
        """Of each golden answer, as it stands after what the contestant itself thought of the question."""
        scored = [question for question in asked if question.record.golden]
        records = [_after(self._with_system(q.record), thoughts.get(q.fingerprint, "")) for q in scored]
        try:
            losses = engine.golden_loss(records) if records else None
        except Exception as error:
            warn(f"选手 {self.name} 算不出参考答案的困惑度：{message_of(error)}")
            losses = None
        return dict(zip([question.fingerprint for question in scored], losses or [], strict=False))

    def _with_system(self, record: Record) -> Record:
        if not self.system or any(message.role == "system" for message in record.messages):
            return record
        return replace(record, messages=(Message("system", self.system), *record.messages))

    def _write(self, question: Question, reply: Reply, loss: tuple[float, int] | None) -> None:
        cell: Cell = describe(self.name, question)
        cell |= {
            "answer": reply.answer, "finish_reason": reply.finish_reason, "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens, "seconds": round(reply.seconds, 4), "error": reply.error,
            "golden_nll": loss[0] if loss else None, "golden_tokens": loss[1] if loss else 0,
            "fingerprint": self.fingerprint, "question_fingerprint": question.fingerprint,
        }  # fmt: skip
        if reply.reasoning:
            cell["reasoning"] = reply.reasoning
        self.store.add(cell)


def _after(record: Record, thought: str) -> Record:
    """The record with its golden answer behind a thought; what the data's own answer thinks is left out."""
    return replace(record, messages=(*record.messages[:-1], replace(record.messages[-1], reasoning=thought)))


def message_of(error: Exception) -> str:
    """One line for a cell: an expected error's own text, else its type and text."""
    if isinstance(error, CornucopiaError):
        return str(error).replace("\n", " ")
    return f"{type(error).__name__}: {error}"[:500].replace("\n", " ")
