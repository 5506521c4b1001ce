"""Dialogues of several turns that a model writes with itself (self-chat), grown from a record's question.

`whole`: one request writes both sides as a transcript. `turns`: the model is asked alternately as the customer and as
the advisor, who do not see each other's instructions; all dialogues of a shard are at the same turn together.
The record's passages, evidence or answer are what the advisor may say; where a later answer says numbers that stand
nowhere in them the dialogue ends before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, Self

from pydantic import model_validator

from cornucopia.core.chance import chance
from cornucopia.core.config import option
from cornucopia.factory.write.marks import material_of, unjudged, written
from cornucopia.factory.write.selfchat import Chat
from cornucopia.factory.write.settings import WriteConfig
from cornucopia.factory.write.step import Forecast, WritingStage
from cornucopia.factory.write.transcript import END, Talk, read_talk, usable
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.asker import Prompt
from cornucopia.inference.paid.replies import unusable
from cornucopia.records.grounding import check_answer
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context, Dropped, Outcome


class ConverseConfig(WriteConfig):
    """Settings of `converse`."""

    style: Literal["whole", "turns"] = option(
        "whole", "whole 一次写完整段对话，便宜；turns 轮流扮演客户和顾问，一轮一个请求，更像真的"
    )
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
        """One request a record, or one a turn."""
        rounds = (self.config.shortest + self.config.longest) / 2
        if self.config.style == "whole":
            return Forecast(self._prompts(records, context.seed), 130.0 * rounds)
        chats = self._chats(records, context.seed)
        prompts = [self._next(chat, context.seed) for chat in chats]
        later = len(chats) * (2 * rounds - 2)
        return Forecast(prompts, 80.0, (later, later * (250 + 100 * rounds), later * 80))

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """A dialogue for each record from which one could be written."""
        outcome = Outcome()
        outcome.dropped += [Dropped(record, "no_question") for record in records if not record.question]
        write = self._whole if self.config.style == "whole" else self._turns
        write(records, context, outcome)
        return outcome

    def _whole(self, records: Sequence[Record], context: Context, outcome: Outcome) -> None:
        asker = self.asker(context)
        replies = asker.ask(self._prompts(records, context.seed))
        for number, record in enumerate(records):
            if reply := replies.get(str(number)):
                rule, detail = unusable(reply)
                if rule:
                    outcome.dropped.append(Dropped(record, rule, detail[:200]))
                else:
                    self._finish(record, partial(read_talk, reply.answer, self.config.longest), asker.model, outcome)
        asker.settle(replies)

    def _turns(self, records: Sequence[Record], context: Context, outcome: Outcome) -> None:
        asker, chats = self.asker(context), self._chats(records, context.seed)
        said: dict[str, Reply] = {}
        while waiting := [chat for chat in chats if chat.open]:
            replies = asker.ask([self._next(chat, context.seed) for chat in waiting])
            said |= replies
            for chat in waiting:
                chat.hear(replies[chat.name])
        for chat in chats:
            if chat.problem and len(chat.turns) < 2 * self.config.shortest:
                outcome.dropped.append(Dropped(chat.record, *chat.problem))
            else:
                read = partial(usable, chat.turns, self.config.longest, chat.stop)
                self._finish(chat.record, read, asker.model, outcome)
        asker.settle(said)

    def _chats(self, records: Sequence[Record], seed: int) -> list[Chat]:
        return [
            Chat(str(number), record, self._rounds(record, seed))
            for number, record in enumerate(records)
            if record.question
        ]

    def _rounds(self, record: Record, seed: int) -> int:
        return chance(seed, "rounds", record.id).randint(self.config.shortest, self.config.longest)

    def _next(self, chat: Chat, seed: int) -> Prompt:
        """The request for a chat's next turn."""
        record = chat.record
        if chat.next_role == "user":
            told = "\n".join(f"{'客户' if role == 'user' else '顾问'}：{text}" for role, text in chat.turns)
            turns = self.templates.messages("customer", seed, record.id, talk=told, question=record.question, end=END)
        else:
            values = {"material": material_of(record), "answer": record.golden}
            head = self.templates.messages("advisor", seed, record.id, question=chat.turns[-1][1], **values)
            turns = (*head[:-1], *(Message(role, text) for role, text in chat.turns[:-1]), head[-1])
        return Prompt(chat.name, turns)

    def _prompts(self, records: Sequence[Record], seed: int) -> list[Prompt]:
        prompts = []
        for number, record in enumerate(records):
            if record.question:
                turns = self.templates.messages(
                    "talk", seed, record.id, question=record.question, answer=record.golden,
                    material=material_of(record), rounds=self._rounds(record, seed), end=END,
                )  # fmt: skip
                prompts.append(Prompt(str(number), turns))
        return prompts

    def _finish(self, record: Record, read: Callable[[], Talk], model: str, outcome: Outcome) -> None:
        try:
            talk = read()
        except ValueError as error:
            rule = "no_talk" if str(error) == "没有对话" else "roles_swapped"
            outcome.dropped.append(Dropped(record, rule, str(error)))
            return
        turns, stop = self._grounded(record, talk.turns, talk.stop)
        if len(turns) < 2 * self.config.shortest:
            outcome.dropped.append(Dropped(record, "too_short", f"{len(turns) // 2} 轮，停在 {stop}"))
            return
        outcome.counts[f"stopped_{stop}"] += 1
        system = tuple(message for message in record.messages if message.role == "system")
        extra = {**unjudged(record.extra), **written(self.name, model)}
        name = f"{record.id}~对话"
        made = replace(record, id=name, kind="dialogue", messages=(*system, *turns), passages=(), extra=extra)
        outcome.kept.append(made)

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
