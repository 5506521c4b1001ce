"""Answers in better words: rewritten or polished by a model, kept only when every number is still what it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from pydantic import model_validator

from cornucopia.core.chance import chance, pick
from cornucopia.core.config import option
from cornucopia.factory.write.fidelity import changed
from cornucopia.factory.write.marks import material_of, unjudged, written
from cornucopia.factory.write.settings import WriteConfig, shares
from cornucopia.factory.write.step import Forecast, WritingStage
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.asker import Prompt
from cornucopia.inference.paid.replies import unusable
from cornucopia.inference.paid.spending import tokens_of
from cornucopia.records.sameness import normalized
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Outcome

WAYS = ("polish", "rewrite", "steps")
_LEAD = re.compile(
    r"^(?:好的[，,。！!]?\s*)?(?:以下|下面|这)是?(?:润色|改写|修改|重写|整理)(?:后|过)?的?(?:回答|答案|内容|版本)?[：:]\s*"
)
_LABEL = re.compile(r"^(?:【|\[)?(?:润色|改写|修改|整理)?后?的?(?:回答|答案)(?:】|\])?[：:]\s*")


class PolishConfig(WriteConfig):
    """Settings of `polish`."""

    ways: list[str] = option(
        ["polish=0.6", "rewrite=0.3", "steps=0.1"],
        "怎样改各占多少：polish 润色，rewrite 换个说法重写，steps 改成分点；写成 名=份额",
    )
    longest: float = option(2.5, "改后最长是原来的多少倍，超过就用原来的", gt=1)
    shortest: float = option(0.4, "改后最短是原来的多少倍，不到就用原来的", ge=0, lt=1)

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        shares(self.ways, WAYS, "ways")
        return self


class Polish(WritingStage):
    """See the module."""

    name = "polish"
    summary = "润色和改写回答；数字、日期、代码、法规名有一个对不上就用原来的，并计数。"
    settings = PolishConfig

    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """One request a record, about as long an answer as it has."""
        prompts = self._prompts(records, context.seed)
        length = sum(tokens_of(record.golden) for record in records)
        return Forecast(prompts, 1.2 * length / max(len(prompts), 1))

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """The same records in the same order, with better answers or their own."""
        outcome, asker = Outcome(), self.asker(context)
        replies = asker.ask(self._prompts(records, context.seed))
        for number, record in enumerate(records):
            reply = replies.get(str(number))
            outcome.kept.append(self._polished(record, reply, asker.model, outcome) if reply else record)
        asker.settle(replies)
        return outcome

    def _prompts(self, records: Sequence[Record], seed: int) -> list[Prompt]:
        prompts, table = [], shares(self.config.ways, WAYS, "ways")
        for number, record in enumerate(records):
            if record.golden:
                way = pick(table, chance(seed, "way", record.id))
                turns = self.templates.messages(
                    way, seed, record.id, question=record.question, answer=record.golden, material=material_of(record)
                )
                prompts.append(Prompt(str(number), turns))
        return prompts

    def _polished(self, record: Record, reply: Reply, model: str, outcome: Outcome) -> Record:
        before, text = record.golden, _bare(reply.answer)
        rule = unusable(reply)[0] or self._problem(record, text)
        if rule:
            outcome.counts[f"kept_{rule}"] += 1
            return record
        outcome.counts["polished"] += 1
        if len(outcome.examples) < 5:
            outcome.examples.append(("polished", before, text))
        final = replace(record.messages[-1], content=text)
        extra = {**unjudged(record.extra), **written(self.name, model), "before_polish": before}
        return replace(record, messages=(*record.messages[:-1], final), extra=extra)

    def _problem(self, record: Record, text: str) -> str:
        before = record.golden
        if normalized(text) == normalized(before):
            return "same"
        if not self.config.shortest * len(before) <= len(text) <= max(self.config.longest * len(before), 60):
            return "length"
        return "numbers_changed" if changed(before, text, record.question) else ""


def _bare(text: str) -> str:
    """The answer without what a model says about it."""
    text = _LABEL.sub("", _LEAD.sub("", text.strip()))
    return text
