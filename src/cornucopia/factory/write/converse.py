"""Dialogues of several turns that a model writes with itself (self-chat), grown from a record's question.

The record's passages, evidence or answer are what the advisor may say; where a later answer says numbers that stand
nowhere in them the dialogue ends before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from pydantic import model_validator

from cornucopia.core.config import option
from cornucopia.factory.write.asker import Prompt
from cornucopia.factory.write.chance import chance
from cornucopia.factory.write.marks import material_of, unjudged, written
from cornucopia.factory.write.replies import unusable
from cornucopia.factory.write.settings import WriteConfig
from cornucopia.factory.write.step import Forecast, WritingStage
from cornucopia.factory.write.transcript import END, read_talk
from cornucopia.inference.engine import Reply
from cornucopia.records.grounding import check_answer
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context, Dropped, Outcome


class ConverseConfig(WriteConfig):
    """Settings of `converse`."""

    shortest: int = option(2, "至少几问几答，不到就丢掉", ge=1)
    longest: int = option(5, "至多几问几答", ge=1, le=20)
    check_facts: bool = option(True, "顾问说的数、日期、法规名要在材料、原来的回答或客户的话里有；没有就在那之前结束")

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"shortest {self.shortest} 大于 longest {self.longest}")
        return self


class Converse(WritingStage):
    """See the module."""

    name = "converse"
    summary = "多轮对话：从一个问题出发，由模型写出客户和顾问的几问几答；角色说反、重复、超出依据的地方就停。"
    settings = ConverseConfig

    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """One request a record."""
        return Forecast(self._prompts(records, context.seed), 130.0 * (self.config.shortest + self.config.longest) / 2)

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """A dialogue for each record from which one could be written."""
        outcome, asker = Outcome(), self.asker(context)
        replies = asker.ask(self._prompts(records, context.seed))
        for number, record in enumerate(records):
            reply = replies.get(str(number))
            if reply is None:
                outcome.dropped.append(Dropped(record, "no_question"))
            else:
                self._finish(record, reply, asker.model, outcome)
        asker.settle(replies)
        return outcome

    def _prompts(self, records: Sequence[Record], seed: int) -> list[Prompt]:
        prompts = []
        for number, record in enumerate(records):
            if record.question:
                rounds = chance(seed, "rounds", record.id).randint(self.config.shortest, self.config.longest)
                turns = self.templates.messages(
                    "talk", seed, record.id, question=record.question, answer=record.golden,
                    material=material_of(record), rounds=rounds, end=END,
                )  # fmt: skip
                prompts.append(Prompt(str(number), turns))
        return prompts

    def _finish(self, record: Record, reply: Reply, model: str, outcome: Outcome) -> None:
        rule, detail = unusable(reply)
        if rule:
            outcome.dropped.append(Dropped(record, rule, detail[:200]))
            return
        try:
            talk = read_talk(reply.answer, self.config.longest)
        except ValueError as error:
            rule = "no_talk" if str(error) == "没有对话" else "roles_swapped"
            outcome.dropped.append(Dropped(record, rule, f"{error}：{reply.answer[:80]}"))
            return
        turns, stop = self._grounded(record, talk.turns, talk.stop)
        if len(turns) < 2 * self.config.shortest:
            outcome.dropped.append(Dropped(record, "too_short", f"{len(turns) // 2} 轮，停在 {stop}"))
            return
        outcome.counts[f"stopped_{stop}"] += 1
        system = tuple(message for message in record.messages if message.role == "system")
        extra = {**unjudged(record.extra), **written(self.name, model)}
        outcome.kept.append(
            replace(
                record, id=f"{record.id}~对话", kind="dialogue", messages=(*system, *turns), passages=(), extra=extra
            )
        )

    def _grounded(self, record: Record, turns: tuple[Message, ...], stop: str) -> tuple[tuple[Message, ...], str]:
        known = "\n".join([material_of(record), record.golden])
        if not (self.config.check_facts and known.strip()):
            return turns, stop
        for place, turn in enumerate(turns):
            if turn.role == "assistant":
                asked = "\n".join(said.content for said in turns[:place])
                if not check_answer(turn.content, known, question=asked).holds:
                    return turns[: place - 1], "ungrounded"
        return turns, stop
