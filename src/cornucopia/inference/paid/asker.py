"""Asks a model many things at once and never the same thing twice: what every writing step stands on.

Answers are kept in a cache that all recipes share, keyed by the model, the prompt and how it is sampled. The engine
does the requests, their pace and their retries; this decides which are made, and what a failed one means for the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cornucopia.core.console import Progress, say
from cornucopia.core.errors import ConfigError, DataError, EndpointError
from cornucopia.core.jsonl import mended
from cornucopia.core.paths import cache_folder
from cornucopia.inference.asking import groups_to_ask
from cornucopia.inference.engine import Engine, Reply, Request, Sampling
from cornucopia.inference.open_engine import identity_of, open_engine
from cornucopia.inference.paid.replies import OVER
from cornucopia.inference.paid.settings import AskingConfig
from cornucopia.inference.paid.spending import BudgetReached, Purse
from cornucopia.inference.providers import check_key
from cornucopia.inference.store import AnswerStore
from cornucopia.records.schema import Message, Record

ALLOWED = "CORNUCOPIA_ALLOW_KEY"  # environment variable: NAME=host, several with commas, as --allow-key takes them
_AGAIN = "再运行同一条命令就接着做，已有的回答都在缓存里，不会再付钱"


@dataclass(frozen=True)
class Prompt:
    """One request.

    Args:
        id: unique within one call of `ask`.
        turns: what is said, the user last.
        sample: number of the answer wanted to these same turns, from 0.
    """

    id: str
    turns: tuple[Message, ...]
    sample: int = 0

    @property
    def record(self) -> Record:
        """As an engine takes it."""
        return Record(self.turns)


class Asker:
    """One step's way to its model.

    Args:
        config: the step's settings.
        step: its name; each step has a cache file of its own.
        folder: the step's folder in the run; what was spent is noted there.
        allow_key: variables that may go to hosts they are not registered for, each NAME=host, besides those that
            the user's environment allows.
    """

    def __init__(self, config: AskingConfig, step: str, folder: Path, allow_key: Sequence[str] = ()) -> None:
        config.check_model()
        self._allowed = (*allow_key, *os.environ.get(ALLOWED, "").split(","))
        self.config, self.step, self.folder = config, step, folder
        self._spec = config.engine_spec()
        self.identity = identity_of(self._spec)
        self._engine: Engine | None = None
        self._has_asked = False  # since the last `settle`
        self._samplings: dict[int, tuple[Sampling, str]] = {}

    @property
    def model(self) -> str:
        """The model's name, for the record it wrote."""
        return self.config.address[1] or self.config.base

    def cached(self, prompts: Sequence[Prompt]) -> int:
        """How many of the prompts have an answer already."""
        if not self._cache_path().exists():
            return 0
        with closing(self._open_cache()) as store:
            return sum(store.done(self._key(prompt)) for prompt in prompts)

    def ask(self, prompts: Sequence[Prompt]) -> dict[str, Reply]:
        """A reply for each prompt, by its id; those that failed have an error (see replies.unusable).

        Raises:
            EndpointError: too many requests failed, or the service takes none (key, model, money).
            BudgetReached: the budget is used up and `when_spent` is stop.
            DataError: another process writes the same cache.
        """
        keys = {prompt.id: self._key(prompt) for prompt in prompts}
        failed: dict[str, Reply] = {}
        with closing(self._open_cache()) as store:
            wanted = {keys[prompt.id]: prompt for prompt in prompts}
            missing = [key for key in wanted if not store.done(key)]
            if missing:
                self._fetch(wanted, store, failed, len(missing))
                self._check(failed, len(missing))
            rows = {key: store.get(key) for key in wanted}
        lacking = Reply("", "", "error", error=OVER)
        return {
            name: _reply_of(row, name) if (row := rows[key]) else replace(failed.get(key, lacking), id=name)
            for name, key in keys.items()
        }

    def _fetch(self, wanted: dict[str, Prompt], store: AnswerStore, failed: dict[str, Reply], total: int) -> None:
        purse = Purse(self.config, self.folder)
        engine, self._has_asked = self._opened(), True
        with Progress(f"{self.step} 请求", total) as bar:
            for sample in sorted({prompt.sample for prompt in wanted.values()}):
                requests = [Request(key, p.record) for key, p in wanted.items() if p.sample == sample]
                sampling, _ = self._sampling(sample)
                for group, together in groups_to_ask(engine, requests, sampling, store.done):
                    rest = list(group)
                    while rest:
                        rest = [request for request in rest if together or not store.done(request.id)]
                        wave = rest[: purse.affords([request.record for request in rest])]
                        rest = rest[len(wave) :]
                        if not wave:
                            break
                        by_key = {request.id: request.record for request in wave}
                        for reply in engine.generate(wave, sampling):
                            if not store.done(reply.id):
                                self._keep(reply, by_key[reply.id], store, purse, failed)
                                bar.advance(1)

    def _keep(self, reply: Reply, record: Record, store: AnswerStore, purse: Purse, failed: dict[str, Reply]) -> None:
        if reply.finish_reason == "error" and reply.failure != "prompt":
            failed[reply.id] = reply
            return
        purse.note(record, reply)  # first: a kill between the two counts an answer twice, never loses its price
        store.add(_row_of(reply))

    def _check(self, failed: dict[str, Reply], asked: int) -> None:
        """Whether the run may go on without what failed."""
        lost = [reply for reply in failed.values() if reply.failure]  # a local model's errors are each prompt's own
        hopeless = next((reply for reply in lost if reply.failure == "account"), None)
        if hopeless or len(lost) > self.config.failures_allowed * asked:
            first = hopeless or lost[0]
            raise EndpointError(
                f"{asked} 个请求里有 {len(lost)} 个没有得到回答", where=self.config.base, found=first.error[:300],
                fix=f"{_AGAIN}；要丢掉这些记录就写 failures_allowed",
            )  # fmt: skip

    def settle(self, replies: dict[str, Reply]) -> None:
        """Tell what was spent, and stop here if the budget had no room for some of the replies that the step needs.

        Raises:
            BudgetReached: so it is, and `when_spent` is stop.
        """
        if self._has_asked:
            say(f"{self.step}：到现在为止 {Purse(self.config, self.folder).told()}")
            self._has_asked = False
        lacking = sum(reply.error == OVER for reply in replies.values())
        if lacking and self.config.when_spent == "stop":
            purse = Purse(self.config, self.folder)
            raise BudgetReached(
                f"预算用完了，还有 {lacking} 个问题没有问", where=self.step, found=purse.told(),
                fix="提高 budget 或 budget_tokens，再运行同一条命令就接着做；要用已有的回答做完，写 when_spent: finish",
            )  # fmt: skip

    def _opened(self) -> Engine:
        if self._engine is None:
            self.check_key()
            self._engine = open_engine(self._spec)
        return self._engine

    def check_key(self) -> None:
        """Refuse to send a key where it does not belong: a recipe may come from a stranger.

        Raises:
            ConfigError: neither is the host registered for it, nor does the user allow it.
        """
        endpoint, _ = self.config.address
        if not endpoint:
            return
        try:
            check_key(endpoint, self.config.key_env, self._allowed)
        except ConfigError as error:
            host = endpoint.partition("://")[2].partition("/")[0]
            http = "http://" if endpoint.startswith("http://") else ""
            fix = f"确实要发，就先 export {ALLOWED}={self.config.key_env or '变量名'}={http}{host}"
            raise ConfigError(error.what, where=error.where, fix=fix) from None

    def _cache_path(self) -> Path:
        folder = Path(self.config.cache) if self.config.cache else cache_folder() / "answers"
        print_ = hashlib.sha256(json.dumps(self.identity, sort_keys=True, default=str).encode()).hexdigest()[:8]
        name = re.sub(r"[^\w.-]+", "-", self.model.rpartition("/")[2])[:60]
        return folder / f"{name}-{print_}" / f"{self.step}.jsonl"

    def _open_cache(self) -> AnswerStore:
        path = self._cache_path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what documents say
        try:
            store = AnswerStore(
                path, path.with_suffix(".settings.json"),
                key_of=lambda row: str(row["key"]), failed=lambda row: False,
            )  # fmt: skip
        except DataError as error:
            fix = "等另一个做完再运行，或用 cache 换一个文件夹"
            raise DataError(error.what, where=error.where, found=error.found, fix=fix) from None
        if not store.settings:
            store.note_settings(self.identity)
        return store

    def _sampling(self, sample: int) -> tuple[Sampling, str]:
        """How the answers of a number are sampled, with its fingerprint."""
        if sample not in self._samplings:
            sampling = self.config.sampling(sample)
            self._samplings[sample] = sampling, sampling.fingerprint()
        return self._samplings[sample]

    def _key(self, prompt: Prompt) -> str:
        _, print_ = self._sampling(prompt.sample)
        text = json.dumps([self.identity, prompt.record.asked(), print_], ensure_ascii=False, default=str)
        return hashlib.sha256(mended(text).encode()).hexdigest()[:24]


def _row_of(reply: Reply) -> dict[str, Any]:
    row = {
        "key": reply.id, "answer": reply.answer, "finish_reason": reply.finish_reason, "in": reply.prompt_tokens,
        "out": reply.completion_tokens, "reasoning": reply.reasoning, "error": reply.error, "failure": reply.failure,
    }  # fmt: skip
    return {key: value for key, value in row.items() if value or key in ("key", "answer")}


def _reply_of(row: dict[str, Any], name: str) -> Reply:
    return Reply(
        name, row["answer"], row["finish_reason"], row.get("in", 0), row.get("out", 0),
        error=row.get("error", ""), reasoning=row.get("reasoning", ""), failure=row.get("failure", ""),
    )  # fmt: skip
