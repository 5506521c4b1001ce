"""Fake engines and questions for the comparison's tests: answers are made from the question, nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cornucopia.comparison.recipe import CompareRecipe, Contestant
from cornucopia.inference.engine import Engine, Limits, Reply, Request, Sampling, Score, TokenSpan
from cornucopia.records.schema import Message, Passage, Record

TOPICS = {"保险": "重疾险的等待期", "股票": "T+1 交易", "基金": "基金的申购费", "贷款": "等额本息", "社保": "养老金"}


def make_records(count: int = 10) -> list[Record]:
    """Questions with golden answers, five domains and two kinds in turn."""
    records = []
    for number in range(count):
        domain, topic = list(TOPICS.items())[number % len(TOPICS)]
        question, golden = (
            f"{topic}是什么（第{number}问）？",
            f"{topic}是一种常见的金融安排，第{number}问的要点是先看条款，再看费率。",
        )
        kind = "qa" if number % 2 else "unseen"
        messages = (Message("user", question), Message("assistant", golden))
        passages = (Passage("材料一则"),) if number == 3 else ()
        records.append(
            Record(messages, passages=passages, id=f"q{number}", domain=domain, kind=kind, source="示例条款")
        )
    return records


@dataclass
class FakeEngine(Engine):
    """Answers by a function; notes every question it was asked."""

    answer: Callable[[str], str]
    asked: list[str] = field(default_factory=list)
    scores: bool = True
    batch: int = 0

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        for request in reversed(requests):
            assert not request.record.golden, "a contestant must never see the golden answer"
            self.asked.append(request.record.question)
            text = self.answer(request.record.question)
            yield Reply(request.id, text, "length" if len(text) > 200 else "stop", 9, max(len(text), 1), 0.5)

    def score(self, items: Sequence[Record | TokenSpan]) -> list[Score]:
        goldens = [item.golden for item in items if isinstance(item, Record)]
        return [Score(2.0 * len(golden), len(golden), (True,) * len(golden)) for golden in goldens]

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        return {"fake": True, "sampling": sampling.model_dump(exclude_none=True)}

    def limits(self) -> Limits:
        return Limits(scores=self.scores)


@dataclass
class Lab:
    """An opener of fake engines by contestant name, with what happened."""

    engines: dict[str, Any]
    groups: list[list[str]] = field(default_factory=list)

    def __call__(self, group: Sequence[Contestant], recipe: CompareRecipe) -> list[Any]:
        self.groups.append([contestant.name for contestant in group])
        found = [self.engines[contestant.name] for contestant in group]
        for engine in found:
            if isinstance(engine, BaseException):
                raise engine
        return found


def make_recipe(folder: Any, *names: str, **values: Any) -> CompareRecipe:
    """A recipe whose contestants stand on base "b", the first alone and the rest each with an adapter."""
    contestants = [
        {"name": name, "base": "b", "adapter": f"lora-{name}" if place else None} for place, name in enumerate(names)
    ]
    values = {"questions": "q.json", "output_dir": str(folder), "contestants": contestants, **values}
    return CompareRecipe.build(values)
