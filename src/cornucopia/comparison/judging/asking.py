"""Asks the judges: what is sent, what it is going to cost, and every reply read; nothing is asked twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from cornucopia.comparison.judging.items import Answered, Item
from cornucopia.comparison.judging.reading import Opinion, read_opinion
from cornucopia.comparison.judging.settings import JudgeSettings
from cornucopia.comparison.judging.verdicts import Bench, Duel, Grade
from cornucopia.core.errors import DataError
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.asker import Asker, Prompt
from cornucopia.inference.paid.consent import Estimate, agree
from cornucopia.inference.paid.spending import Purse, prompt_tokens
from cornucopia.inference.paid.templates import Templates

PROMPTS = Path(__file__).parent / "prompts.yaml"
_LENGTH = 300.0  # tokens that a verdict with its reasons is expected to have
Places = dict[str, tuple[str, tuple[str, ...]]]  # of a prompt: its item's id, and whose answers it shows, in order


class Court:
    """All judges of one run.

    Args:
        settings: how they judge.
        answered: what they judge.
        folder: of the result; what each judge has spent is noted below it.
        allow_key: see `Asker`.

    Raises:
        ConfigError: no model, wrong prompts, a key that would go where it does not belong.
        UsageError: no judges, no such baseline.
    """

    def __init__(
        self, settings: JudgeSettings, answered: Answered, folder: Path, allow_key: Sequence[str] = ()
    ) -> None:
        self._judges, self._settings = settings.judges(), settings
        self._items = [item for item in answered.items if item.answers][: settings.limit]
        self._pairs = _pairs(answered.names, settings.baseline_of(answered.names))
        self._templates = Templates(PROMPTS, settings.prompts)
        if settings.how == "pairwise" and not self._pairs:
            fix = "只有一个选手时用 --how graded"
            raise DataError("没有可比的两个回答", where=str(folder), found="、".join(answered.names), fix=fix)
        self._askers = {
            name: Asker(judge, "评委", folder / "judges" / _file_name(name), allow_key)
            for name, judge in self._judges.items()
        }
        for asker in self._askers.values():
            asker.check_key()
        self._prompts, self._places = self._all_prompts()
        if not self._prompts:
            found = "没有一题有两个不同的回答" if settings.how == "pairwise" else "没有回答"
            raise DataError("没有可评的", where=str(folder), found=found, fix="先把题答完，或用 --how graded")

    def judge(self) -> list[Bench]:
        """Tell what it costs, have it agreed to, and ask.

        Raises:
            ConfigError, Interrupted: nobody agreed. EndpointError: a judge takes no requests. BudgetReached: so it is.
        """
        for name, asker in self._askers.items():
            self._agree(name, asker)
        return [self._ask(name, asker) for name, asker in self._askers.items()]

    def _agree(self, name: str, asker: Asker) -> None:
        cached = asker.cached(self._prompts)
        share = 1 - cached / len(self._prompts) if self._prompts else 0.0
        tokens = sum(prompt_tokens(prompt.record) for prompt in self._prompts)
        asked = len(self._prompts) * share
        agree(self._judges[name], f"评委 {name}", Estimate(asked, tokens * share, asked * _LENGTH, cached))

    def _ask(self, name: str, asker: Asker) -> Bench:
        replies = asker.ask(self._prompts)
        asker.settle(replies)
        bench = Bench(name, self._told(name))
        if self._settings.how == "graded":
            bench.grades = [
                Grade(item, names[0], self._read(replies[key])) for key, (item, names) in self._places.items()
            ]
        else:
            bench.duels = [duel for item in self._items for duel in self._duels(item, replies)]
        return bench

    def _duels(self, item: Item, replies: dict[str, Reply]) -> list[Duel]:
        duels = []
        for first, second in self._pairs:
            if first not in item.answers or second not in item.answers:
                continue
            said = [replies.get(_key(item, pair)) for pair in ((first, second), (second, first))]
            duels.append(Duel(item.id, first, second, *(self._read(reply) if reply else None for reply in said)))
        return duels

    def _read(self, reply: Reply) -> Opinion:
        return read_opinion(reply, self._settings.reader)

    def _all_prompts(self) -> tuple[list[Prompt], Places]:
        places: Places = {}
        prompts = []
        for item in self._items:
            for names in self._asked_of(item):
                key = _key(item, names)
                places[key] = item.id, names
                prompts.append(
                    Prompt(key, self._templates.messages(self._settings.prompt, 0, "", **self._values(item, names)))
                )
        return prompts, places

    def _asked_of(self, item: Item) -> list[tuple[str, ...]]:
        """Whose answers each prompt about an item shows; two that are the same to the letter are not asked about."""
        if self._settings.how == "graded":
            return [(name,) for name in item.answers]
        return [
            order
            for first, second in self._pairs
            if first in item.answers and second in item.answers and item.answers[first] != item.answers[second]
            for order in ((first, second), (second, first))
        ]

    def _values(self, item: Item, names: tuple[str, ...]) -> dict[str, object]:
        places = ("a", "b") if len(names) == 2 else ("answer",)
        turns = [
            {
                "question": question,
                "reference": reference if self._settings.reference else "",
                **{place: item.answers[name][number] for place, name in zip(places, names, strict=True)},
            }
            for number, (question, reference) in enumerate(zip(item.questions, item.references, strict=True))
        ]
        return {"before": item.before, "turns": turns, "kind": item.kind}

    def _told(self, name: str) -> dict[str, object]:
        judge, asker = self._judges[name], self._askers[name]
        sampling = judge.sampling(0)
        purse = Purse(judge, asker.folder)
        return {
            "model": asker.model, **asker.identity, "how": judge.how, "shape": judge.shape,
            "reference": judge.reference,
            "prompt": judge.prompt, "most": judge.most, "prompt_hash": self._templates.fingerprint(judge.prompt),
            "seed": sampling.seed, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "max_new_tokens": sampling.max_new_tokens, "requests": purse.requests, "tokens_in": purse.tokens_in,
            "tokens_out": purse.tokens_out, "cost": round(purse.cost, 4),
        }  # fmt: skip


def _pairs(names: Sequence[str], baseline: str) -> list[tuple[str, str]]:
    if baseline:
        return [(name, baseline) for name in names if name != baseline]
    return [(second, first) for first, second in combinations(names, 2)]


def _key(item: Item, names: Sequence[str]) -> str:
    return "\x1f".join((item.id, *names))


def _file_name(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    plain = re.sub(r"[^\w.-]+", "-", name)[:40]
    return f"{plain}-{digest}"
