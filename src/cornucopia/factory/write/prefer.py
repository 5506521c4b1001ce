"""Pairs of a better and a worse answer, for preference training.

`worse`: the record's own answer is the better one, and the model writes one with a plausible flaw. `rank`: the model
answers several times, a judge scores each answer alone (so that no place in a list is favoured), and the best and the
worst make the pair. Answers that are equal, or that the judge finds equally good, make none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from pydantic import model_validator

from cornucopia.core.chance import chance, pick
from cornucopia.core.config import option
from cornucopia.factory.write.marks import material_of, unjudged, written
from cornucopia.factory.write.settings import WriteConfig, shares
from cornucopia.factory.write.step import Forecast, WritingStage
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.asker import Asker, Prompt
from cornucopia.inference.paid.replies import unusable
from cornucopia.inference.paid.scores import read_score
from cornucopia.records.sameness import normalized
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context, Dropped, Outcome

FLAWS = ("omits", "miscalculates", "vague", "promises", "confuses")


class PreferConfig(WriteConfig):
    """Settings of `prefer`."""

    way: Literal["worse", "rank"] = option("worse", "worse 由模型写一个较差的回答；rank 模型答几次，评出最好和最差的")
    flaws: list[str] = option(
        ["omits=0.3", "miscalculates=0.2", "vague=0.2", "promises=0.1", "confuses=0.2"],
        "较差的回答差在哪里各占多少：omits 漏条件，miscalculates 算错，vague 空泛，promises 夸大，confuses 混淆",
    )
    samples: int = option(4, "rank：每个问题答几次", ge=2, le=16)
    with_golden: bool = option(True, "rank：记录里原有的回答也参加评比")
    judged: bool = option(False, "worse：也请评委给两个回答打分，差距不够就丢掉")
    margin: float = option(0.2, "最好的和最差的至少差多少分（0 到 1）", ge=0, le=1)
    judge: str = option("", "由哪个模型评：https://地址/v1#模型，留空就用写的那个")
    longest: float = option(2.5, "两个回答长短最多差多少倍：差太多，学到的只是长短", gt=1)

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        shares(self.flaws, FLAWS, "flaws")
        return self


@dataclass(frozen=True)
class Candidate:
    """One answer in a comparison; `score` None before it is judged, or when that failed."""

    message: Message
    score: float | None = None


class Prefer(WritingStage):
    """See the module."""

    name = "prefer"
    summary = "造偏好数据：每个问题一个较好和一个较差的回答；一样的、分不出高下的丢掉。"
    settings = PreferConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        own = {"base": config.judge} if config.judge else {}
        values = {**config.model_dump(), **own, "temperature": 0.0}
        self._judging = PreferConfig.model_validate(values)
        self._judges: dict[str, Asker] = {}

    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """The answers, and one judgement for each."""
        prompts = self._prompts(records, context.seed)
        judged = len(prompts) + len(records) if self._is_judged else 0
        length = sum(len(record.golden) + len(record.question) for record in records) / max(len(records), 1)
        return Forecast(prompts, 250.0, (judged, judged * (400 + length), judged * 120))

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """The records that got a pair."""
        outcome, asker = Outcome(), self.asker(context)
        prompts = self._prompts(records, context.seed)
        replies = asker.ask(prompts)
        fields = [self._field(number, record, replies, outcome) for number, record in enumerate(records)]
        if self._is_judged:
            fields, said = self._scored(records, fields, context)
            replies = replies | said
        for record, candidates in zip(records, fields, strict=True):
            if candidates:
                self._pair(record, candidates, asker.model, outcome)
        asker.settle(replies)
        return outcome

    @property
    def _is_judged(self) -> bool:
        return self.config.way == "rank" or self.config.judged

    def _prompts(self, records: Sequence[Record], seed: int) -> list[Prompt]:
        prompts, flaws = [], shares(self.config.flaws, FLAWS, "flaws")
        for number, record in enumerate(records):
            values = {"question": record.question, "answer": record.golden, "material": material_of(record)}
            if not record.question or (self.config.way == "worse" and not record.golden):
                continue
            if self.config.way == "worse":
                flaw = pick(flaws, chance(seed, "flaw", record.id))
                turns = self.templates.messages("worse", seed, record.id, **values, flaw=flaw)
                prompts.append(Prompt(f"{number}/0", turns))
            else:
                turns = self.templates.messages("answers", seed, record.id, **values)
                prompts += [Prompt(f"{number}/{sample}", turns, sample) for sample in range(self.config.samples)]
        return prompts

    def _field(self, number: int, record: Record, replies: dict[str, Reply], outcome: Outcome) -> list[Candidate]:
        """The answers that take part, each once, the record's own first; [] when there are not two."""
        golden = record.answer if self.config.way == "worse" or self.config.with_golden else None
        messages = [golden] if golden else []
        problems = []
        for sample in range(self.config.samples):
            reply = replies.get(f"{number}/{sample}")
            if reply is None:
                continue
            rule, detail = unusable(reply)
            if rule:
                problems.append((rule, detail))
            else:
                messages.append(Message("assistant", reply.answer.strip(), reasoning=reply.reasoning))
        distinct: dict[str, Message] = {}
        for message in messages:
            distinct.setdefault(normalized(message.content), message)
        if len(distinct) > 1:
            return [Candidate(message) for message in distinct.values()]
        rule, detail = problems[0] if problems else ("equal", "") if messages else ("no_question", "")
        outcome.dropped.append(Dropped(record, rule, detail[:200]))
        return []

    def _scored(
        self, records: Sequence[Record], fields: list[list[Candidate]], context: Context
    ) -> tuple[list[list[Candidate]], dict[str, Reply]]:
        prompts = []
        for number, (record, candidates) in enumerate(zip(records, fields, strict=True)):
            for place, candidate in enumerate(candidates):
                turns = self.templates.messages(
                    "score", context.seed, record.id, question=record.question, answer=candidate.message.content,
                    material=material_of(record),
                )  # fmt: skip
                prompts.append(Prompt(f"评{number}/{place}", turns))
        folder = context.folder
        judge = self._judges.setdefault(str(folder), Asker(self._judging, f"{self.name}-judge", folder))
        replies = judge.ask(prompts)

        def scored(number: int, place: int, candidate: Candidate) -> Candidate:
            reply = replies[f"评{number}/{place}"]
            judged = None if unusable(reply)[0] else read_score(reply.answer)
            return replace(candidate, score=judged.score if judged else None)

        return [
            [scored(number, place, candidate) for place, candidate in enumerate(candidates)]
            for number, candidates in enumerate(fields)
        ], replies

    def _pair(self, record: Record, candidates: list[Candidate], model: str, outcome: Outcome) -> None:
        better, worse = candidates[0], candidates[1]
        if self._is_judged:
            known = [candidate for candidate in candidates if candidate.score is not None]
            if len(known) < 2:
                outcome.dropped.append(Dropped(record, "unparsed"))
                return
            ordered = sorted(known, key=lambda candidate: -(candidate.score or 0.0))
            if self.config.way == "rank":
                better, worse = ordered[0], ordered[-1]
            gap = (better.score or 0.0) - (worse.score or 0.0)
            if gap < max(self.config.margin, 1e-9):
                outcome.dropped.append(Dropped(record, "equal", f"分差 {gap:.2f}"))
                return
        one, other = len(better.message.content), len(worse.message.content)
        if max(one, other) > self.config.longest * min(one, other) and max(one, other) > 60:
            outcome.dropped.append(Dropped(record, "length", f"{one} 字与 {other} 字"))
            return
        outcome.kept.append(self._record(record, better, worse, model))

    def _record(self, record: Record, better: Candidate, worse: Candidate, model: str) -> Record:
        turns = (*record.prompt().messages, better.message)
        scores = {"chosen": better.score, "rejected": worse.score}
        preference = {name: score for name, score in scores.items() if score is not None} | {"way": self.config.way}
        own = record.extra if better.message == record.answer else unjudged(record.extra)
        extra = {**own, **written(self.name, model), "preference": preference}
        return replace(record, messages=turns, rejected=((worse.message,),), extra=extra)
