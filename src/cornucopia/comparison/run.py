"""Runs a comparison: groups contestants by base, asks them, keeps every answer at once.

Knows engines only by their contract. A contestant that fails shows its error in its cells and spoils nothing else.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TypeVar

from cornucopia.comparison.cells import (
    Cell,
    Comparison,
    Question,
    collect,
    describe,
    make_questions,
    open_store,
)
from cornucopia.comparison.recipe import CompareRecipe, Contestant
from cornucopia.core.console import Progress, warn
from cornucopia.core.errors import CornucopiaError, DataError, Interrupted
from cornucopia.inference.asking import groups_to_ask, unfit
from cornucopia.inference.engine import Engine, Reply, Request, Sampling, Score
from cornucopia.inference.open_engine import kind_of, open_alike
from cornucopia.inference.providers import check_key
from cornucopia.inference.store import AnswerStore
from cornucopia.records.schema import Message, Record

T = TypeVar("T")
Opener = Callable[[Sequence[Contestant], CompareRecipe], Sequence[Engine]]


def compare(
    recipe: CompareRecipe, records: Sequence[Record], opener: Opener | None = None, *, allow_key: Sequence[str] = ()
) -> Comparison:
    """Fill every cell that is missing, failed or out of date, and settle answers.jsonl.

    Args:
        recipe: contestants, sampling, output folder.
        records: the questions; a golden answer at the end is never shown to a contestant.
        opener: makes one engine for each contestant of a group; the real ones by default.
        allow_key: environment variables that may go to hosts they are not registered for, each NAME=host.

    Raises:
        DataError: no questions, or none of a kind asked for. ConfigError: a variable would go where it does not
            belong. Interrupted: Ctrl-C; all finished cells are kept.
    """
    for contestant in recipe.contestants:
        if contestant.endpoint:
            check_key(contestant.endpoint, contestant.key_env, allow_key)
    questions = make_questions(_asked(recipe, records))
    prints = {contestant.name: recipe.fingerprint_of(contestant) for contestant in recipe.contestants}
    store = open_store(recipe.output_dir)
    try:
        for group in _groups(recipe):
            columns = [Column(contestant, recipe, questions, prints[contestant.name], store) for contestant in group]
            _run_group([column for column in columns if column.missing(questions)], recipe, opener or open_contestants)
            _free_memory()
    except KeyboardInterrupt:
        done = sum(store.done((prints[c.name], q.fingerprint)) for c in recipe.contestants for q in questions)
        total = len(questions) * len(recipe.contestants)
        raise Interrupted(
            f"已中断，已存 {done}/{total} 格", where=str(store.path), fix="再运行同一命令就接着做"
        ) from None
    finally:
        store.close()
    comparison = collect(recipe, questions, prints, store)
    store.settle(comparison.rows())
    return comparison


def _asked(recipe: CompareRecipe, records: Iterable[Record]) -> list[Record]:
    """The records that are put to everyone."""
    questions = [record for record in records if record.question]
    if not questions:
        raise DataError("没有一道题可比", where=recipe.questions, fix="问题文件里每行要有 instruction（或 messages）")
    known = {record.kind for record in questions}
    for kind in recipe.kinds:
        if kind not in known:
            fix = f"有：{'、'.join(sorted(known - {''})) or '没有一行写了 kind'}"
            raise DataError("没有这种题", where=f"{recipe.questions} 的 kind", found=kind, fix=fix)
    return [record for record in questions if not recipe.kinds or record.kind in recipe.kinds][: recipe.limit]


def open_contestants(group: Sequence[Contestant], recipe: CompareRecipe) -> Sequence[Engine]:
    """One engine for each contestant; the contestants of a group share one model in memory."""
    specs = [recipe.engine_of(contestant) for contestant in group]
    return open_alike(specs)


def _groups(recipe: CompareRecipe) -> list[list[Contestant]]:
    groups: dict[object, list[Contestant]] = {}
    for contestant in recipe.contestants:
        spec = recipe.engine_of(contestant)
        shared = kind_of(spec).together(spec)
        groups.setdefault(contestant.name if shared is None else shared, []).append(contestant)
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
        store: AnswerStore,
    ) -> None:
        self.contestant, self.fingerprint, self.store = contestant, fingerprint, store
        self.name = contestant.name
        self.sampling: Sampling = recipe.sampling_of(contestant)
        self.system = recipe.system if contestant.system is None else contestant.system
        self.questions = list({question.fingerprint: question for question in reversed(questions)}.values())[::-1]
        self._by_print = {question.fingerprint: question for question in self.questions}
        self._told: set[str] = set()  # reasons the terminal has already named

    def missing(self, questions: Sequence[Question]) -> list[Question]:
        """Questions among these without an answer yet."""
        return [q for q in questions if not self.store.done((self.fingerprint, q.fingerprint))]

    def fill(self, engine: Engine) -> None:
        """Ask for all missing cells; what fails becomes an error cell."""
        missing = self.missing(self.questions)
        with Progress(self.name, len(self.questions), len(self.questions) - len(missing)) as bar:
            for group, together in self._guarded(missing, lambda: self._prepare(engine)) or []:
                asked = [self._by_print[request.id] for request in group]
                if wanted := self.missing(asked):
                    self._guarded(wanted, partial(self._ask, engine, group, together, bar))
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

    def _prepare(self, engine: Engine) -> list[tuple[list[Request], bool]]:
        """Note what the engine runs with, refuse what it cannot do, and plan the rest."""
        described = engine.describe(self.sampling)
        self.store.note_settings({**self.store.settings, self.fingerprint: described})
        limits, requests = engine.limits(), []
        for question in self.questions:
            if problem := unfit(question.record, limits):
                self.fail(self.missing([question]), CornucopiaError(problem))
            else:
                requests.append(Request(question.fingerprint, self._with_system(question.record).prompt()))
        return groups_to_ask(engine, requests, self.sampling, lambda name: self.store.done((self.fingerprint, name)))

    def fail(self, questions: Sequence[Question], error: Exception) -> None:
        """Write an error cell for each of these."""
        for question in questions:
            self._write(question, Reply(question.fingerprint, "", "error", error=message_of(error)), None)

    def _unanswered(self, wanted: Sequence[Question]) -> list[Question]:
        return [question for question in wanted if self.store.get((self.fingerprint, question.fingerprint)) is None]

    def _ask(self, engine: Engine, group: Sequence[Request], together: bool, bar: Progress) -> None:
        """Ask a group and write its cells; what scores does so after its own thoughts, which therefore come first."""
        waiting = {question.fingerprint for question in self.missing([self._by_print[one.id] for one in group])}
        replies: Iterable[Reply] = _counted(engine.generate(group, self.sampling), frozenset(waiting), bar)
        losses: dict[str, Score] = {}
        if together and engine.limits().scores:
            replies = list(replies)
            losses = self._golden_scores(engine, group, {reply.id: reply.reasoning for reply in replies})
        for reply in replies:
            if reply.id not in waiting:
                continue
            waiting.remove(reply.id)
            question = self._by_print[reply.id]
            if not together and engine.limits().scores:
                losses = self._golden_scores(engine, [Request(reply.id, question.record)], {reply.id: reply.reasoning})
            self._write(question, reply, losses.get(reply.id))

    def _golden_scores(self, engine: Engine, group: Sequence[Request], thoughts: Mapping[str, str]) -> dict[str, Score]:
        """Of each golden answer, as it stands after what the contestant itself thought of the question."""
        scored = [question for one in group if (question := self._by_print[one.id]).record.golden]
        records = [_after(self._with_system(q.record), thoughts.get(q.fingerprint, "")) for q in scored]
        try:
            scores = engine.score(records) if records else []
        except Exception as error:
            warn(f"选手 {self.name} 算不出参考答案的困惑度：{message_of(error)}")
            scores = []
        return dict(zip([question.fingerprint for question in scored], scores, strict=False))

    def _with_system(self, record: Record) -> Record:
        if not self.system or any(message.role == "system" for message in record.messages):
            return record
        return replace(record, messages=(Message("system", self.system), *record.messages))

    def _write(self, question: Question, reply: Reply, score: Score | None) -> None:
        cell: Cell = describe(self.name, question)
        cell |= {
            "answer": reply.answer, "finish_reason": reply.finish_reason, "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens, "seconds": round(reply.seconds, 4), "error": reply.error,
            "golden_nll": score.nats if score else None, "golden_tokens": score.tokens if score else 0,
            "fingerprint": self.fingerprint, "question_fingerprint": question.fingerprint,
        }  # fmt: skip
        if reply.reasoning:
            cell["reasoning"] = reply.reasoning
        if reply.tool_calls:
            cell["tool_calls"] = [asdict(call) for call in reply.tool_calls]
        self.store.add(cell)


def _counted(replies: Iterable[Reply], waiting: Container[str], bar: Progress) -> Iterator[Reply]:
    """The replies, each that was waited for told of as it comes: a group is written once it is whole."""
    for reply in replies:
        if reply.id in waiting:
            bar.advance()
        yield reply


def _after(record: Record, thought: str) -> Record:
    """The record with its golden answer behind a thought; what the data's own answer thinks is left out."""
    return replace(record, messages=(*record.messages[:-1], replace(record.messages[-1], reasoning=thought)))


def message_of(error: Exception) -> str:
    """One line for a cell: an expected error's own text, else its type and text."""
    if isinstance(error, CornucopiaError):
        return str(error).replace("\n", " ")
    return f"{type(error).__name__}: {error}"[:500].replace("\n", " ")
